// Package cachedir creates and checks the cache directory. The directory must be private to its
// user: anybody who can write to it could leave links in it, through which root would write to
// arbitrary files.
package cachedir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// TagName is the file that identifies a directory as a cache to backup programs (bford.info/cachedir),
// and as our cache when it is opened again.
const (
	TagName = "CACHEDIR.TAG"
	tagText = "Signature: 8a477f597d28d172789f06886806bc55\n# Local blocks of thothfs. May be deleted at any time.\n"
)

// ErrNotPrivate is returned for a file or directory that another user owns or can write to.
var ErrNotPrivate = errors.New("not private to this user")

// Private creates dir (0700) if it is absent. It returns an error unless dir is a directory
// that belongs to this user and that nobody else can write to. Private closes an empty
// directory to other users, unless it is sticky like /tmp.
func Private(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	unsafe := check(dir, st)
	if unsafe != nil && st.Mode()&os.ModeSticky == 0 && isEmpty(dir) && isOwn(st) && os.Chmod(dir, 0o700) == nil {
		if isEmpty(dir) {
			return nil
		}
		os.Chmod(dir, st.Mode().Perm()) // a file was added between the check and the chmod
	}
	return unsafe
}

func isEmpty(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && len(entries) == 0
}

func isOwn(st os.FileInfo) bool { return int(st.Sys().(*syscall.Stat_t).Uid) == os.Geteuid() }

// check returns an error unless path, whose status is st, belongs to this user and nobody else
// can write to it.
func check(path string, st os.FileInfo) error {
	if !isOwn(st) {
		return fmt.Errorf("%s belongs to user %d, but this program runs as user %d (%w): chown it, or choose another --cache-dir", path, st.Sys().(*syscall.Stat_t).Uid, os.Geteuid(), ErrNotPrivate)
	}
	if mode := st.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("%s is writable by others, who may have left links in it (mode %04o, %w): check its contents and chmod go-w it, or choose another --cache-dir", path, mode, ErrNotPrivate)
	}
	return nil
}

// CheckDir returns an error unless path is a directory, not a symbolic link, that only this
// user can write to.
func CheckDir(path string) error {
	st, err := os.Lstat(path)
	return checkKind(path, st, err, os.ModeDir, "directory")
}

// CheckFile returns an error unless f is a regular file that only this user can write to.
func CheckFile(f *os.File) error {
	st, err := f.Stat()
	return checkKind(f.Name(), st, err, 0, "regular file")
}

func checkKind(path string, st os.FileInfo, err error, kind os.FileMode, name string) error {
	switch {
	case err != nil:
		return err
	case st.Mode().Type() != kind:
		return fmt.Errorf("%s is not a %s (%w): remove it", path, name, ErrNotPrivate)
	}
	return check(path, st)
}

// Prepare creates dir and its tag, or checks that dir is private to this user. If other users
// can read dir, Prepare closes it to them when that is safe: when dir is empty or already a
// cache.
func Prepare(dir string) error {
	if err := Private(dir); err != nil {
		return err
	}
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if mode := st.Mode().Perm(); mode&0o077 != 0 {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		if len(entries) > 0 && !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == TagName }) {
			return fmt.Errorf("cache directory %s is open to others (mode %04o) and holds other files: chmod 700 it, or choose another --cache-dir", dir, mode)
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, TagName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(tagText)
	return errors.Join(err, f.Close())
}
