package cachedir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestPrivate checks that a rejected directory stays unchanged, and that the message says what
// to do.
func TestPrivate(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "cache")
	must(t, os.Mkdir(dir, 0o700), os.Symlink("/etc/passwd", filepath.Join(dir, "thothfs.log")), os.Chmod(dir, 0o777))
	for range 2 {
		err := Private(dir)
		if err == nil || !strings.Contains(err.Error(), "chmod") || !strings.Contains(err.Error(), dir) {
			t.Errorf("got %v", err)
		}
	}
	must(t, os.Chmod(dir, 0o755), Private(dir))
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	shared := filepath.Join(base, "tmp") // empty, but writable by everybody
	must(t, os.Mkdir(shared, 0o700), os.Chmod(shared, 0o777|os.ModeSticky))
	if err := Private(shared); !errors.Is(err, ErrNotPrivate) {
		t.Errorf("a directory as /tmp: %v", err)
	}
	if st, err := os.Stat(shared); err != nil || st.Mode().Perm() != 0o777 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	fresh := filepath.Join(base, "a", "b")
	must(t, Private(fresh))
	if st, err := os.Stat(fresh); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	if os.Chown(dir, 12345, 12345) == nil {
		if err := Private(dir); err == nil || !strings.Contains(err.Error(), "chown") {
			t.Errorf("got %v", err)
		}
	}
}
