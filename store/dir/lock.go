package dir

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/internal/filelock"
)

// lockFile has a byte for each directory, which is locked while something in that
// directory is checked and changed. Not the directories themselves are locked:
// whoever may read one could hold a flock of it for ever. This file is for those
// alone who may write.
const lockFile = private + "/lock"

// olderWait is how long a flock of the directory is waited for, which is the lock
// of thothfs before there was lockFile. Those hold it for as long as a rename and
// a sync take; a stranger may hold it for ever.
const olderWait = 200 * time.Millisecond

// openLocks opens lockFile, and makes it if it is absent; nil if there is no space
// for that, since something may be about to be removed.
func (s *Store) openLocks() (*os.File, error) {
	const flags = os.O_RDWR | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	f, err := s.root.OpenFile(lockFile, flags, 0)
	if isAbsent(err) {
		if err := s.root.Mkdir(private, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		f, err = s.root.OpenFile(lockFile, flags|os.O_CREATE, 0o600)
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s.guard(f)
	return f, nil
}

// guard gives lockFile the group of our folder, and the mode that lets those open
// it who may write there, and nobody else: another mode comes with a chmod -R or a
// copy. What is not ours to change stays.
func (s *Store) guard(f *os.File) {
	dir, err := s.root.Stat(private)
	if err != nil {
		return
	}
	fi, err := f.Stat()
	if err != nil {
		return
	}
	want := os.FileMode(0o600)
	for _, who := range []os.FileMode{0o020, 0o002} {
		if dir.Mode()&who != 0 {
			want |= who | who<<1
		}
	}
	if gid := dir.Sys().(*syscall.Stat_t).Gid; gid != fi.Sys().(*syscall.Stat_t).Gid {
		_ = f.Chown(-1, int(gid))
	}
	if fi.Mode().Perm() != want {
		_ = f.Chmod(want)
	}
}

// lock locks the directory against everybody else who writes.
func (p *parent) lock(ctx context.Context) error {
	if p.locks == nil {
		return filelock.Lock(ctx, p.d, filelock.Exclusive)
	}
	fi, err := p.d.Stat()
	if err != nil {
		return err
	}
	at := int64(fi.Sys().(*syscall.Stat_t).Ino & math.MaxInt64)
	if err := filelock.LockByte(ctx, p.locks, min(at, math.MaxInt64-1)); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, olderWait)
	defer cancel()
	_ = filelock.Lock(wait, p.d, filelock.Exclusive) // the lock that counts is held
	return ctx.Err()
}
