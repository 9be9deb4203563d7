package fs

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// seekData answers the whences of lseek(2) that reach us, for a file without holes.
func seekData(size int64, off uint64, whence uint32) (uint64, syscall.Errno) {
	if off >= uint64(size) {
		return 0, syscall.ENXIO
	}
	switch whence {
	case unix.SEEK_DATA:
		return off, 0
	case unix.SEEK_HOLE:
		return uint64(size), 0
	}
	return 0, syscall.EINVAL
}

// seekErrno is the answer to a failed lseek(2) on a local file: its own, when it
// says that there is nothing beyond.
func seekErrno(err error) syscall.Errno {
	if errors.Is(err, unix.ENXIO) {
		return syscall.ENXIO
	}
	return errnoOf(err)
}
