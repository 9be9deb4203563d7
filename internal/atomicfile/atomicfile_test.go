package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func want(t *testing.T, path, text string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil || string(data) != text {
		t.Fatalf("%q, %v instead of %q", data, err, text)
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode() != 0o600 {
		t.Fatal(fi.Mode(), err)
	}
	if names, err := os.ReadDir(filepath.Dir(path)); err != nil || len(names) != 1 {
		t.Fatal("something is left:", names, err)
	}
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	for _, text := range []string{"first", "", "second"} {
		if err := WriteFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		want(t, path, text)
	}
	if err := WriteFile(filepath.Join(path, "y"), nil); err == nil {
		t.Fatal("below a file")
	}
}

func TestReplaceFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.MkdirAll(filepath.Join(path, "y"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, nil); err == nil {
		t.Fatal("over a directory")
	}
	if names, err := os.ReadDir(filepath.Dir(path)); err != nil || len(names) != 1 {
		t.Fatal("something is left:", names, err)
	}
}

func TestDiscard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := WriteFile(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	f, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("new"); err != nil {
		t.Fatal(err)
	}
	f.Discard()
	f.Discard()
	want(t, path, "old")
}

func TestLink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	for i, text := range []string{"first", "second"} {
		f, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := f.Link(); (err == nil) != (i == 0) || i > 0 && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
		f.Discard()
		want(t, path, "first")
	}
}

// TestErrorsNameTheFile checks that no error has the temporary name in it.
func TestErrorsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := WriteFile(path, nil); err != nil {
		t.Fatal(err)
	}
	f, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Discard()
	if err := f.Link(); !errors.Is(err, os.ErrExist) || err.Error() != "create "+path+": file exists" {
		t.Errorf("%v", err)
	}
	absent := filepath.Join(dir, "absent", "file")
	if _, err := Create(absent); !errors.Is(err, os.ErrNotExist) || err.Error() != "create "+absent+": no such file or directory" {
		t.Errorf("%v", err)
	}
}
