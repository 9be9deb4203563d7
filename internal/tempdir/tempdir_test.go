package tempdir

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func mustMake(t *testing.T, parent string) *Dir {
	t.Helper()
	d, err := Make(parent, "x-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.Path, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRemove(t *testing.T) {
	d := mustMake(t, t.TempDir())
	if err := d.Remove(); err != nil || exists(d.Path) {
		t.Fatal(err)
	}
}

func TestSweep(t *testing.T) {
	parent := t.TempDir()
	used, killed := mustMake(t, parent), mustMake(t, parent)
	killed.lock.Close()
	other := filepath.Join(parent, "y-other")
	link := filepath.Join(parent, "x-link")
	making := filepath.Join(parent, "x-making")
	stale := filepath.Join(parent, "x-stale")
	if err := errors.Join(os.Mkdir(other, 0o700), os.Symlink(other, link), os.Mkdir(making, 0o700), os.Mkdir(stale, 0o700)); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-unlockedAge - time.Hour)
	if err := os.Chtimes(stale, past, past); err != nil {
		t.Fatal(err)
	}
	Sweep(parent, "x-", func(path string) error {
		if path == killed.Path {
			return errors.New("not yet")
		}
		return nil
	})
	if !exists(killed.Path) {
		t.Error("removed though prepare failed")
	}
	Sweep(parent, "x-", nil)
	for path, want := range map[string]bool{used.Path: true, killed.Path: false, other: true, link: true, making: true, stale: false} {
		if exists(path) != want {
			t.Errorf("%s exists: %v", filepath.Base(path), !want)
		}
	}
	Sweep(filepath.Join(parent, "absent"), "x-", nil)
	if err := used.Remove(); err != nil {
		t.Fatal(err)
	}
}

func TestMakeFails(t *testing.T) {
	if d, err := Make(filepath.Join(t.TempDir(), "absent"), "x-"); err == nil {
		t.Fatal(d)
	}
}
