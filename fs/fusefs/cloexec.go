package fusefs

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// setCloseOnExec prevents programs started by this process from inheriting the connection to the
// kernel, as they would after a mount by root (go-fuse 2.12, mountDirect). A debugger that outlived
// this process would keep the mount alive, and calls on it would never return, not even after
// SIGKILL.
func setCloseOnExec() error {
	fds, err := connectionFDs("/proc/self")
	for _, fd := range fds {
		if n, err := strconv.Atoi(fd); err == nil {
			unix.CloseOnExec(n)
		}
	}
	return err
}

// connectionFDs returns the descriptors of /dev/fuse that are open in the process with the
// directory proc.
func connectionFDs(proc string) (fds []string, err error) {
	open, err := os.ReadDir(proc + "/fd")
	for _, f := range open {
		if to, err := os.Readlink(proc + "/fd/" + f.Name()); err == nil && to == "/dev/fuse" {
			fds = append(fds, f.Name())
		}
	}
	return fds, err
}
