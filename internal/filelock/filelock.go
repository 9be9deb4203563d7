// Package filelock locks open files against other processes and against other open file
// descriptions in the same process.
//
// A lock belongs to the open file description: closing the file, or the end of the process,
// releases it. All waits poll, because a context cannot interrupt a wait in the kernel. A call
// interrupted by a signal is repeated.
package filelock

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/internal/withctx"
)

// Mode is the mode of a lock.
type Mode int

const (
	Shared    Mode = unix.LOCK_SH // any number at a time
	Exclusive Mode = unix.LOCK_EX // only one at a time
)

// ErrLocked means that another open file description holds a conflicting lock.
var ErrLocked = errors.New("locked by another process")

// TryLock locks f with flock(2), or changes the mode of the lock it holds. It returns ErrLocked
// if another open file description holds a conflicting lock; in that case f may have lost its
// previous lock. File systems without locks return another error.
func TryLock(f *os.File, m Mode) error {
	return try(func() error { return unix.Flock(int(f.Fd()), int(m)|unix.LOCK_NB) })
}

// Lock is like TryLock but waits until the lock is available or ctx is done.
func Lock(ctx context.Context, f *os.File, m Mode) error {
	return poll(ctx, func() error { return TryLock(f, m) })
}

// LockByte takes an exclusive lock on the byte at offset off of f with fcntl(2) (F_OFD_SETLK).
// It waits until the lock is available or ctx is done. f must be open for writing; the byte
// need not exist.
func LockByte(ctx context.Context, f *os.File, off int64) error {
	span := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: off, Len: 1}
	return poll(ctx, func() error {
		return try(func() error { return unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &span) })
	})
}

func try(lock func() error) error {
	for {
		switch err := lock(); {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EACCES):
			return ErrLocked
		case !errors.Is(err, unix.EINTR):
			return err
		}
	}
}

func poll(ctx context.Context, try func() error) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		if err := try(); err != ErrLocked {
			return err
		}
		if err := withctx.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}
