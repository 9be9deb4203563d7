package mantatest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestAddedWhileRead adds a name after a big directory has been read but before it is cached. The
// next addition must not hide it.
func TestAddedWhileRead(t *testing.T) {
	s, err := New(Options{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutObject("/alice/stor/d/first", nil); err != nil {
		t.Fatal(err)
	}
	disk := filepath.Join(s.tree.root, "alice/stor/d")
	for i := range bigDir {
		if err := os.WriteFile(fmt.Sprintf("%s/%04d", disk, i), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mtime := time.Now().Add(-time.Hour).Truncate(time.Second) // so that it has settled
	if err := os.Chtimes(disk, mtime, mtime); err != nil {
		t.Fatal(err)
	}
	sorted, err := s.tree.readNames(disk)
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string) {
		if _, err := s.PutObject("/alice/stor/d/"+name, nil); err != nil {
			t.Fatal(err)
		}
	}
	put("meanwhile")
	s.tree.names.remember(disk, mtime, sorted)
	put("then")
	_, names, err := s.tree.page(disk, slices.Clone[[]string])
	if err != nil || len(names) != bigDir+3 || !slices.Contains(names, "meanwhile") || !slices.Contains(names, "then") {
		t.Errorf("%d names, the last %v: %v", len(names), names[max(0, len(names)-4):], err)
	}
}
