package dir

import (
	"context"
	"errors"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// parent is the locked directory that holds a name.
type parent struct {
	d     *os.File
	base  string
	locks *os.File
}

// lockParent opens and locks the directory that holds name. Everybody who checks
// a condition and then changes something does so under this lock, which the
// kernel drops with the process that holds it.
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

// sync makes what was done to the directory last.
func (p *parent) sync() error { return p.d.Sync() }

func (p *parent) remove(isDir bool) error {
	flags := 0
	if isDir {
		flags = unix.AT_REMOVEDIR
	}
	return unix.Unlinkat(int(p.d.Fd()), p.base, flags)
}

// take moves a file here, over what is here if replace says so, else it is
// EEXIST. File systems without an exclusive rename have links.
func (p *parent) take(from *os.File, name string, replace bool) error {
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

// link is take without replacement for such file systems.
func (p *parent) link(there int, name string) error {
	if err := unix.Linkat(there, name, int(p.d.Fd()), p.base, 0); err != nil {
		return err
	}
	return unix.Unlinkat(there, name, 0)
}

// makeDirs makes the directory name and those above it that are missing.
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
