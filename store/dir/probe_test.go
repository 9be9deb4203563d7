package dir_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"thothfs/store"
	"thothfs/store/dir"
)

func TestProbe(t *testing.T) {
	root := smallDisk(t)
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put(t, s, store.Ref{Key: "d/o"}, "data")
	probe := func() error { return errors.Join(s.Probe(t.Context(), "d"), s.Probe(t.Context(), "new/er")) }
	if err := probe(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Join(root, ".thothfs/tmp")); err != nil || len(left) > 0 || len(list(t, s, "")) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	filler := filepath.Join(root, "filler")
	if err := os.WriteFile(filler, make([]byte, 2<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	wantKind(t, s.Probe(t.Context(), "d"), store.ErrNoSpace)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", root, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=1m"); err != nil {
		t.Fatal(err)
	}
	if err := s.Probe(t.Context(), "d"); !errors.Is(err, store.ErrPermission) || !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("read-only: %v", err)
	}
}
