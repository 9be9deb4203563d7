package fs

import (
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// keepToOurselves has no program that we start inherit a connection to the kernel, as it
// would after a mount by root (go-fuse 2.12, mountDirect): a debugger that outlived us
// would hold the mount up, and wait for ever for an answer that nobody gives, beyond the
// reach of SIGKILL.
func keepToOurselves() error {
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
