package dir

import (
	"crypto/rand"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/internal/filelock"
)

// tempDir holds unfinished objects.
const tempDir = private + "/tmp"

// temp is an unfinished object. The flock on its file shows other processes that its writer is
// still running.
type temp struct {
	s    *Store
	dir  *os.File // tempDir
	f    *os.File
	name string // name in dir
}

// newTemp creates an empty private file and locks it.
func (s *Store) newTemp() (*temp, error) {
	if err := s.root.MkdirAll(tempDir, 0o700); err != nil {
		return nil, err
	}
	d, err := s.openDir(tempDir)
	if err != nil {
		return nil, err
	}
	for {
		t := &temp{s: s, dir: d, name: rand.Text()}
		t.f, err = s.root.OpenFile(t.path(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			d.Close()
			return nil, err
		}
		if t.claim() {
			return t, nil
		}
		t.f.Close() // a sweep is removing it
	}
}

func (t *temp) path() string { return tempDir + "/" + t.name }

// claim locks the file and reports whether it still exists.
func (t *temp) claim() bool {
	if filelock.TryLock(t.f, filelock.Exclusive) != nil {
		return false
	}
	var st unix.Stat_t
	return unix.Fstat(int(t.f.Fd()), &st) == nil && st.Nlink > 0
}

// discard removes the file unless it was moved, and closes all files.
func (t *temp) discard() {
	unix.Unlinkat(int(t.dir.Fd()), t.name, 0) // the name is random, so it is ours or absent
	t.f.Close()
	t.dir.Close()
}

// stamp sets the mtime with the full resolution of the clock. The kernel may update times only on
// ticks, and may reuse an inode number within one tick.
func (t *temp) stamp() error {
	now := unix.NsecToTimespec(time.Now().UnixNano())
	return unix.UtimesNanoAt(int(t.dir.Fd()), t.name, []unix.Timespec{now, now}, unix.AT_SYMLINK_NOFOLLOW)
}

// sweep removes the files in tempDir that are not locked by a running process. It ignores errors.
func (s *Store) sweep() {
	d, err := s.openDir(tempDir)
	if err != nil {
		return
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(namesAtOnce)
		for _, name := range names {
			s.sweepOne(tempDir + "/" + name)
		}
		if err != nil || len(names) == 0 {
			return
		}
	}
}

// sweepOne removes one file if it can lock it. If the file was moved into place meanwhile, it
// stays: only the name in tempDir is removed.
func (s *Store) sweepOne(path string) {
	if fi, err := s.root.Lstat(path); err != nil || !fi.Mode().IsRegular() {
		return
	}
	f, err := s.root.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if filelock.TryLock(f, filelock.Exclusive) == nil {
		s.root.Remove(path)
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
