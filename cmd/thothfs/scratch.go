package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"thothfs/fs"
)

// scratchPrefix begins the names of directories for a run.
const scratchPrefix = "thothfs-run-"

// scratch is a private directory for one run of the program:
//
//	lock      held for as long as the run lasts
//	mnt/      the corpus, when it is mounted for the run
//	N/        where the N-th analyzer works; N.out, N.err, N.failed what came of it
type scratch struct {
	path string
	lock *os.File
}

// newScratch makes the directory, and removes those of runs that were killed.
func newScratch() (*scratch, error) {
	sweepScratch()
	path, err := os.MkdirTemp("", scratchPrefix)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, err
	}
	s := &scratch{path: path}
	if s.lock, err = makeLock(path); err == nil {
		err = os.Mkdir(s.mnt(), 0o700)
	}
	if err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

// makeLock makes the lock appear locked: a sweeper takes whatever is not.
func makeLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "locking"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, "lock"))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (s *scratch) mnt() string { return filepath.Join(s.path, "mnt") }

func (s *scratch) join(name string) string { return filepath.Join(s.path, name) }

// write makes a private file.
func (s *scratch) write(name string, data []byte) (string, error) {
	path := s.join(name)
	return path, os.WriteFile(path, data, 0o600)
}

func (s *scratch) remove() error {
	err := removeScratch(s.path)
	if s.lock != nil {
		s.lock.Close()
	}
	return err
}

// removeScratch removes all but what is mounted: removing files of a mount would edit
// the corpus.
func removeScratch(path string) error {
	err := os.Remove(filepath.Join(path, "mnt"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s stays: %w", path, err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != "lock" { // the last to go
			err = errors.Join(err, os.RemoveAll(filepath.Join(path, e.Name())))
		}
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// sweepScratch removes what is left of this user's runs that were killed: a mount
// whose process is gone, and files. What cannot be removed is left for the next.
func sweepScratch() {
	left, err := filepath.Glob(filepath.Join(os.TempDir(), scratchPrefix+"*"))
	if err != nil {
		return
	}
	for _, path := range left {
		sweepOne(path)
	}
}

func sweepOne(path string) {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil || int(st.Uid) != os.Geteuid() || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return
	}
	f, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return // it is being made, or removed
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return // in use
	}
	if fs.Mend(filepath.Join(path, "mnt")) == nil {
		removeScratch(path)
	}
}
