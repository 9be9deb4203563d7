package dir_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"thothfs/store"
	"thothfs/store/dir"
)

// smallDisk mounts a file system of 1 MiB, or skips the test.
func smallDisk(t *testing.T) string {
	t.Helper()
	at := t.TempDir()
	if err := unix.Mount("thothfs-test", at, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("mounting a small file system is for root:", err)
	}
	t.Cleanup(func() { unix.Unmount(at, unix.MNT_DETACH) })
	return at
}

func TestFullDisk(t *testing.T) {
	root := smallDisk(t)
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ref := put(t, s, store.Ref{Key: "d/o"}, "data")
	big := bytes.Repeat([]byte("x"), 2<<20)
	for _, old := range []store.Ref{{Key: "d/big"}, ref} {
		_, err = s.Put(t.Context(), old, bytes.NewReader(big), int64(len(big)))
		if !errors.Is(err, store.ErrNoSpace) || !strings.Contains(err.Error(), "the disk of the corpus is full") {
			t.Errorf("got %v", err)
		}
	}
	if got := list(t, s, "d"); len(got) != 1 {
		t.Errorf("listed: %q", got)
	}
	if left, err := os.ReadDir(filepath.Join(root, ".thothfs/tmp")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	put(t, s, ref, "a small one fits still")
	put(t, s, store.Ref{Key: "d/zeros"}, strings.Repeat("\x00", 2<<20)) // a hole needs no space
}

func TestReadOnlyDisk(t *testing.T) {
	root := smallDisk(t)
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	ref := put(t, s, store.Ref{Key: "d/o"}, "data")
	s.Close()
	if err := unix.Mount("", root, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=1m"); err != nil {
		t.Fatal(err)
	}
	if s, err = dir.Open(root); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if data, _, err := s.Get(t.Context(), store.Ref{Key: "d/o"}, 10); string(data) != "data" {
		t.Errorf("%q, %v", data, err)
	}
	for _, old := range []store.Ref{{Key: "d/new"}, ref} {
		_, err = s.Put(t.Context(), old, bytes.NewReader(nil), 0)
		wantKind(t, err, store.ErrPermission)
	}
	wantKind(t, s.Remove(t.Context(), ref), store.ErrPermission)
	if got := list(t, s, ""); len(got) != 1 {
		t.Errorf("listed: %q", got)
	}
}

// TestOtherFileSystem checks that a directory on another file system does not cause a temporary
// error.
func TestOtherFileSystem(t *testing.T) {
	s, root := open(t)
	put(t, s, store.Ref{Key: "d/o"}, "data")
	if err := os.Mkdir(filepath.Join(root, "other"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("thothfs-test", filepath.Join(root, "other"), "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("mounting is for root:", err)
	}
	defer unix.Unmount(filepath.Join(root, "other"), unix.MNT_DETACH)
	_, err := s.Put(t.Context(), store.Ref{Key: "other/o"}, bytes.NewReader(nil), 0)
	wantKind(t, err, store.ErrInvalid)
}
