package cache

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// isDiskFault tells a disk that is full, broken or gone from a mistake in how
// the cache was set up.
func isDiskFault(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EIO, syscall.EROFS, syscall.EDQUOT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// tagName marks a directory as a cache to backup programs (bford.info/cachedir)
// and as ours to the next start.
const (
	tagName = "CACHEDIR.TAG"
	tagText = "Signature: 8a477f597d28d172789f06886806bc55\n# Local blocks of thothfs. May be deleted at any time.\n"
)

// ErrNotPrivate is a file or directory in which somebody else may have had a hand.
var ErrNotPrivate = errors.New("not private to this user")

// Private makes dir (0700) if it is absent, and returns an error unless it is a
// directory of this user's that nobody else may write to: others could have put links
// there, by which root would write to any file. An empty one is closed to others, unless
// it is sticky, as /tmp is.
func Private(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !st.IsDir() {
		return fmt.Errorf("%s: %w", dir, syscall.ENOTDIR)
	}
	if err := checkOwner(dir, st); err != nil {
		return err
	}
	if st.Mode().Perm()&0o022 == 0 {
		return nil
	}
	if st.Mode()&os.ModeSticky == 0 && isEmpty(dir) && os.Chmod(dir, 0o700) == nil {
		if isEmpty(dir) {
			return nil
		}
		os.Chmod(dir, st.Mode().Perm()) // somebody was quicker
	}
	return checkMode(dir, st)
}

func isEmpty(dir string) bool {
	names, err := os.ReadDir(dir)
	return err == nil && len(names) == 0
}

func checkOwner(path string, st os.FileInfo) error {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && int(sys.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d, not to user %d who runs this (%w): chown it, or choose another --cache-dir", path, sys.Uid, os.Geteuid(), ErrNotPrivate)
	}
	return nil
}

func checkMode(path string, st os.FileInfo) error {
	if mode := st.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("%s may be written to by others, who may have left links in it (mode %04o, %w): look at what is in it and chmod go-w it, or choose another --cache-dir", path, mode, ErrNotPrivate)
	}
	return nil
}

// checkDir returns an error unless path, which may not be a symbolic link, is a
// directory that only this user may write to.
func checkDir(path string) error {
	st, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !st.IsDir() {
		return fmt.Errorf("%s is no directory (%w): remove it", path, ErrNotPrivate)
	}
	return cmp.Or(checkOwner(path, st), checkMode(path, st))
}

// checkFile does so for an open file.
func checkFile(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file (%w): remove it", f.Name(), ErrNotPrivate)
	}
	return cmp.Or(checkOwner(f.Name(), st), checkMode(f.Name(), st))
}

// claim makes dir, or checks that it is private to this user. It closes a
// directory that others may read when that is safe: when it is empty or already a cache.
func prepareDir(dir string) error {
	if err := Private(dir); err != nil {
		return err
	}
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if st.Mode().Perm()&0o077 != 0 {
		if err := closeToOthers(dir, st.Mode().Perm()); err != nil {
			return err
		}
	}
	return writeTag(dir)
}

// shut takes others' permissions off dir.
func closeToOthers(dir string, mode os.FileMode) error {
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	ours := len(names) == 0
	for _, n := range names {
		ours = ours || n.Name() == tagName
	}
	if !ours {
		return fmt.Errorf("cache directory %s is open to others (mode %04o) and holds other files: chmod 700 it, or choose another --cache-dir", dir, mode)
	}
	return os.Chmod(dir, 0o700)
}

func writeTag(dir string) error {
	f, err := os.OpenFile(dir+"/"+tagName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(tagText)
	return errors.Join(err, f.Close())
}
