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

// tempDir is where objects are written. Nothing in it is ever an object.
const tempDir = private + "/tmp"

// temp is an object that is being written. The flock on its file tells other
// processes that somebody is still at work on it.
type temp struct {
	s    *Store
	dir  *os.File // tempDir
	f    *os.File
	name string // in dir
}

// newTemp makes an empty private file, locked.
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
		t.f.Close() // a sweep was quicker than the lock: it is being removed
	}
}

func (t *temp) path() string { return tempDir + "/" + t.name }

// claim locks the file and tells whether it is still there.
func (t *temp) claim() bool {
	if filelock.TryLock(t.f, filelock.Exclusive) != nil {
		return false
	}
	var st unix.Stat_t
	return unix.Fstat(int(t.f.Fd()), &st) == nil && st.Nlink > 0
}

// discard removes the file unless it was moved, and closes everything.
func (t *temp) discard() {
	unix.Unlinkat(int(t.dir.Fd()), t.name, 0) // the names are random: it is ours or not there
	t.f.Close()
	t.dir.Close()
}

// stamp sets the mtime to the clock's full resolution. The kernel's own times
// may move in ticks, and an inode number may be used again within one.
func (t *temp) stamp() error {
	now := unix.NsecToTimespec(time.Now().UnixNano())
	return unix.UtimesNanoAt(int(t.dir.Fd()), t.name, []unix.Timespec{now, now}, unix.AT_SYMLINK_NOFOLLOW)
}

// sweep removes the files in tempDir that no living process holds. It is done
// for tidiness: what it cannot do it leaves.
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

// sweepOne removes one file if it can lock it. A file that was moved into place
// in the meantime is not touched: only the name in tempDir is removed.
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
