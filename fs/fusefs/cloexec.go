package fusefs

import (
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// setCloseOnExec keeps programs that this process starts from inheriting a connection to
// the kernel, as they would after a mount by root (go-fuse 2.12, mountDirect): a debugger
// that outlived this process would keep the mount, and wait without end for an answer,
// beyond the reach of SIGKILL.
func setCloseOnExec() error {
	const dir = "/proc/self/fd"
	open, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range open {
		fd, err := strconv.Atoi(f.Name())
		if err != nil {
			continue
		}
		if to, err := os.Readlink(filepath.Join(dir, f.Name())); err == nil && to == "/dev/fuse" {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
