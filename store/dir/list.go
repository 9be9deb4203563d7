package dir

import (
	"context"
	"errors"
	iofs "io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"thothfs/store"
)

// namesAtOnce is the number of names read between two checks of ctx.
const namesAtOnce = 4096

// List yields the files and directories in dir. It first reads all names in order to sort them,
// and stats each one just before yielding it.
func (s *Store) List(ctx context.Context, dir, from string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		d, err := s.openListed(ctx, dir)
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		defer d.Close()
		names, err := namesFrom(ctx, d, dir, from)
		for i := 0; err == nil && i < len(names); i++ {
			var e store.Entry
			e, err = s.entry(ctx, d, dir, names[i])
			if errors.Is(err, store.ErrNotExist) {
				err = nil // removed meanwhile, or not shown
				continue
			}
			if err == nil && !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(store.Entry{}, err)
		}
	}
}

func (s *Store) openListed(ctx context.Context, dir string) (*os.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	name, err := existing("list", dir)
	if err != nil {
		return nil, err
	}
	attr, err := s.describe("list", dir, name)
	if err != nil {
		return nil, err
	}
	if !attr.Dir {
		return nil, invalid("list", dir, errNotDir)
	}
	d, err := s.openDir(name)
	return d, failure("list", dir, err)
}

// openDir opens a directory; anything else is an error.
func (s *Store) openDir(name string) (*os.File, error) {
	return s.root.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY, 0)
}

// namesFrom returns the names in d that are >= from, sorted.
func namesFrom(ctx context.Context, d *os.File, dir, from string) ([]string, error) {
	var names []string
	for {
		store.Progress(ctx)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		some, err := d.Readdirnames(namesAtOnce)
		for _, name := range some {
			if name >= from && !(dir == "" && name == private) {
				names = append(names, name)
			}
		}
		if len(some) == 0 {
			slices.Sort(names)
			return names, failure("list", dir, ignoreEOF(err))
		}
	}
}

// entry returns the entry for name. It returns ErrNotExist if the name must not be listed.
func (s *Store) entry(ctx context.Context, d *os.File, dir, name string) (store.Entry, error) {
	if err := ctx.Err(); err != nil {
		return store.Entry{}, err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(int(d.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return store.Entry{}, failure("list", path.Join(dir, name), err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFDIR:
		isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
		return store.Entry{Name: name, Attr: attrOf(version{st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano()}, isDir)}, nil
	case unix.S_IFLNK:
		attr, err := s.describe("list", path.Join(dir, name), path.Join(dir, name))
		if err != nil {
			return store.Entry{}, store.ErrNotExist // a broken link, or one that leads out
		}
		return store.Entry{Name: name, Attr: attr}, nil
	}
	return store.Entry{}, store.ErrNotExist
}

// isAbsent reports whether err means that there is no such file.
func isAbsent(err error) bool { return errors.Is(err, iofs.ErrNotExist) }
