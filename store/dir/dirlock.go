package dir

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/internal/filelock"
)

// parent is the locked parent directory of a name.
type parent struct {
	d     *os.File
	base  string
	locks *os.File
}

// lockParent opens and locks the directory that contains name. A condition is always checked, and
// the change made, under this lock. The kernel releases it when the process exits.
func (s *Store) lockParent(ctx context.Context, name string) (*parent, error) {
	d, err := s.openDir(path.Dir(name))
	if err != nil {
		return nil, err
	}
	p := &parent{d: d, base: path.Base(name)}
	if p.locks, err = s.openLocks(); err == nil {
		err = p.lock(ctx)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *parent) close() {
	if p.locks != nil {
		p.locks.Close()
	}
	p.d.Close()
}

// sync makes changes to the directory durable.
func (p *parent) sync() error { return p.d.Sync() }

func (p *parent) remove(isDir bool) error {
	flags := 0
	if isDir {
		flags = unix.AT_REMOVEDIR
	}
	return unix.Unlinkat(int(p.d.Fd()), p.base, flags)
}

// move moves the file name in the directory from into this directory. If replace is set, it
// replaces an existing file; otherwise an existing file is EEXIST. It uses links on file systems
// without an exclusive rename.
func (p *parent) move(from *os.File, name string, replace bool) error {
	there, here := int(from.Fd()), int(p.d.Fd())
	if replace {
		return unix.Renameat(there, name, here, p.base)
	}
	err := unix.Renameat2(there, name, here, p.base, unix.RENAME_NOREPLACE)
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	return p.link(there, name)
}

// link moves without replacing, for file systems without an exclusive rename.
func (p *parent) link(there int, name string) error {
	if err := unix.Linkat(there, name, int(p.d.Fd()), p.base, 0); err != nil {
		return err
	}
	return unix.Unlinkat(there, name, 0)
}

// makeDirs creates the directory name and its missing parents.
func (s *Store) makeDirs(name string) error {
	fi, err := s.root.Stat(name)
	switch {
	case err == nil && fi.IsDir():
		return nil
	case err == nil:
		return unix.ENOTDIR
	case !isAbsent(err):
		return err
	}
	if err := s.makeDirs(path.Dir(name)); err != nil {
		return err
	}
	if err := s.root.Mkdir(name, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return s.syncDir(path.Dir(name))
}

func (s *Store) syncDir(name string) error {
	d, err := s.openDir(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// lockFile contains a byte for each directory, which is locked while an entry of that directory
// is checked and changed. The directories themselves are not locked, because any process that may
// read one could hold a flock on it forever. Only writers can open this file.
const lockFile = private + "/lock"

// olderWait is how long to wait for a flock on the directory, which older versions of thothfs
// lock instead. They hold it for a rename and a sync; other programs may hold it forever.
const olderWait = 200 * time.Millisecond

// openLocks opens lockFile, and creates it if it does not exist. It returns nil if there is no
// space to create it, so that objects can still be removed.
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

// guard gives lockFile the group of the private directory, and a mode that allows exactly those
// who may write in that directory to open it, since chmod -R or a copy may have changed it. It
// ignores errors, for example if the file belongs to another user.
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

// lock locks the directory against other writers.
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
	_ = filelock.Lock(wait, p.d, filelock.Exclusive) // the lock that matters is already held
	return ctx.Err()
}
