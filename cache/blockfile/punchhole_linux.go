package blockfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// punch frees n bytes of f on disk; they read as zeros afterwards.
func punch(f *os.File, off, n int64) error {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
}
