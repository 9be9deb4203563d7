package dir_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/store"
	"thothfs/store/dir"
)

// TestLockedDirectory checks that a Put waits for another writer's lock on its directory as long
// as its context allows, but not for a lock on another directory.
func TestLockedDirectory(t *testing.T) {
	s, root := open(t)
	ref := put(t, s, store.Ref{Key: "d/o"}, "data")
	put(t, s, store.Ref{Key: "e/o"}, "data")
	fi, err := os.Stat(filepath.Join(root, "d"))
	if err != nil {
		t.Fatal(err)
	}
	locks, err := os.OpenFile(filepath.Join(root, ".thothfs/lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer locks.Close()
	span := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: int64(fi.Sys().(*syscall.Stat_t).Ino), Len: 1}
	if err := unix.FcntlFlock(locks.Fd(), unix.F_OFD_SETLK, &span); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err = s.Put(ctx, ref, bytes.NewReader(nil), 0)
	wantKind(t, err, context.DeadlineExceeded)
	wantKind(t, s.Remove(ctx, ref), context.DeadlineExceeded)
	put(t, s, store.Ref{Key: "e/p"}, "data")
	span.Type = unix.F_UNLCK
	if err := unix.FcntlFlock(locks.Fd(), unix.F_OFD_SETLK, &span); err != nil {
		t.Fatal(err)
	}
	put(t, s, ref, "now")
	if left, err := os.ReadDir(filepath.Join(root, ".thothfs/tmp")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestLockOfAReader checks that a reader's flock on directories of the corpus does not block
// writers.
func TestLockOfAReader(t *testing.T) {
	s, root := open(t)
	ref := put(t, s, store.Ref{Key: "d/o"}, "data")
	for _, name := range []string{"d", ".", ".thothfs", ".thothfs/tmp"} {
		f, err := os.Open(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
			t.Fatal(err)
		}
	}
	ref = put(t, s, ref, "now")
	put(t, s, store.Ref{Key: "new/o"}, "data")
	if err := s.Remove(t.Context(), ref); err != nil {
		t.Error(err)
	}
}

// TestLockFileIsForWriters checks that the lock file is accessible to those who may write in the
// directory .thothfs, even after chmod -R.
func TestLockFileIsForWriters(t *testing.T) {
	s, root := open(t)
	ref := put(t, s, store.Ref{Key: "d/o"}, "data")
	own, file := filepath.Join(root, ".thothfs"), filepath.Join(root, ".thothfs/lock")
	for _, c := range []struct{ dir, before, want os.FileMode }{
		{0o700, 0o600, 0o600}, {0o755, 0o644, 0o600}, {0o770, 0o600, 0o660}, {0o777, 0o600, 0o666},
	} {
		if err := os.Chmod(own, c.dir); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, c.before); err != nil {
			t.Fatal(err)
		}
		ref = put(t, s, ref, "again")
		if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != c.want {
			t.Errorf("folder %v: %v, %v, want %v", c.dir, fi.Mode(), err, c.want)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), file); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), ref, bytes.NewReader(nil), 0); err == nil {
		t.Error("a symbolic link in its place was followed")
	}
}

// TestRemoveOnAFullDisk checks that objects can be removed from a full disk even without the lock
// file.
func TestRemoveOnAFullDisk(t *testing.T) {
	root := smallDisk(t)
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ref := put(t, s, store.Ref{Key: "d/o"}, "data")
	if err := os.Remove(filepath.Join(root, ".thothfs/lock")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", root, "", unix.MS_REMOUNT, "size=1m,nr_inodes=6"); err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		if err := os.Symlink("x", filepath.Join(root, "filler"+string(rune('a'+i)))); err != nil {
			break
		}
	}
	if err := s.Remove(t.Context(), ref); err != nil {
		t.Error(err)
	}
}
