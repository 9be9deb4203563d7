package cache

import (
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

// claim makes dir, or checks that it is private to this user. It closes a
// directory to others when that is safe: when it is empty or already a cache.
func claim(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !st.IsDir() {
		return fmt.Errorf("cache directory %s: %w", dir, syscall.ENOTDIR)
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && int(sys.Uid) != os.Geteuid() {
		return fmt.Errorf("cache directory %s belongs to user %d, not to user %d who runs this: choose another", dir, sys.Uid, os.Geteuid())
	}
	if st.Mode().Perm()&0o077 != 0 {
		if err := shut(dir, st.Mode().Perm()); err != nil {
			return err
		}
	}
	return tag(dir)
}

// shut takes others' permissions off dir.
func shut(dir string, mode os.FileMode) error {
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	ours := len(names) == 0
	for _, n := range names {
		ours = ours || n.Name() == tagName
	}
	if !ours {
		return fmt.Errorf("cache directory %s is open to others (mode %04o) and holds other files: chmod 700 it or choose another", dir, mode)
	}
	return os.Chmod(dir, 0o700)
}

func tag(dir string) error {
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
