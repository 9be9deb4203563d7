// Package tempdir creates temporary directories that are removed even if the process that
// created them is killed: each contains a locked file, and a sweep removes the directories
// whose lock nobody holds.
package tempdir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/internal/filelock"
)

// lockName is the name of the file that is locked while the directory is in use.
const lockName = "lock"

// unlockedAge is the minimum age at which a directory without a lock file is removed. A younger
// one may be about to get its lock.
const unlockedAge = 24 * time.Hour

// Dir is a private directory (mode 0700) that Sweep leaves alone until Remove is called.
type Dir struct {
	Path string // absolute if the parent was, without symbolic links
	lock *os.File
}

// Make creates a directory in parent whose name begins with prefix.
func Make(parent, prefix string) (*Dir, error) {
	path, err := os.MkdirTemp(parent, prefix)
	if err != nil {
		return nil, err
	}
	d := &Dir{Path: path}
	if d.Path, err = filepath.EvalSymlinks(path); err == nil {
		d.lock, err = makeLock(d.Path)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	return d, nil
}

// makeLock creates the lock file under another name first, so that no sweep finds it unlocked.
func makeLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "locking"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err = filelock.TryLock(f, filelock.Exclusive); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, lockName))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Remove removes the directory and everything in it.
func (d *Dir) Remove() error {
	defer d.lock.Close()
	return remove(d.Path)
}

// remove removes the lock file last, so that another sweep can finish what this one cannot.
func remove(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != lockName {
			err = errors.Join(err, os.RemoveAll(filepath.Join(path, e.Name())))
		}
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// Sweep removes the directories that Make created in parent with prefix for processes of this
// user that were killed. It first calls prepare with the path of each, and leaves the directory
// alone if that fails; prepare may be nil. Directories that cannot be removed are left.
func Sweep(parent, prefix string, prepare func(path string) error) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && e.IsDir() {
			sweep(filepath.Join(parent, e.Name()), prepare)
		}
	}
}

func sweep(path string, prepare func(string) error) {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil || int(st.Uid) != os.Geteuid() || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return
	}
	f, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|unix.O_NOFOLLOW, 0)
	switch {
	case err == nil:
		defer f.Close()
		if filelock.TryLock(f, filelock.Exclusive) != nil {
			return // in use
		}
	case !errors.Is(err, os.ErrNotExist) || time.Since(time.Unix(st.Mtim.Unix())) < unlockedAge:
		return
	}
	if prepare == nil || prepare(path) == nil {
		_ = remove(path)
	}
}
