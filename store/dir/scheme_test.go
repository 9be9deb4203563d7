package dir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thothfs/store"
)

// TestWhatIsACorpus opens directories that are, may become, and are not a corpus.
func TestWhatIsACorpus(t *testing.T) {
	for _, c := range []struct {
		files []string
		want  string // part of the error
	}{
		{nil, ""},
		{[]string{"lost+found/", ".snapshot/"}, ""},
		{[]string{"notes", strings.Repeat("0a", 16) + "/"}, ""},
		{[]string{"notes", "analyzers/"}, ""},
		{[]string{"notes", ".thothfs/"}, ""},
		{[]string{"bin/", "lib/", "notes", "z"}, "not a corpus: the directory has other files (bin, lib, notes, …) and no dumps"},
	} {
		dir := t.TempDir()
		for _, name := range c.files {
			path := filepath.Join(dir, name)
			create := func() error { return os.WriteFile(path, nil, 0o600) }
			if strings.HasSuffix(name, "/") {
				create = func() error { return os.Mkdir(path, 0o700) }
			}
			if err := create(); err != nil {
				t.Fatal(err)
			}
		}
		for _, create := range []bool{false, true} {
			s, err := openLocation(t.Context(), store.Location{Dir: dir}, store.OpenOptions{Create: create})
			if err == nil {
				s.Close()
			}
			// The order in which a directory is read may select other three names.
			want, _, _ := strings.Cut(c.want, "(")
			if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%v: %v, want %q", c.files, err, c.want)
			}
			if err != nil && !strings.HasSuffix(err.Error(), "to use it as a corpus: mkdir "+dir+"/.thothfs") {
				t.Errorf("%v: %v does not say what to do", c.files, err)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if _, err := openLocation(t.Context(), store.Location{Dir: file}, store.OpenOptions{}); !errors.Is(err, store.ErrAbsent) {
		t.Errorf("absent: %v", err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, create := range []bool{false, true} {
		if _, err := openLocation(t.Context(), store.Location{Dir: file}, store.OpenOptions{Create: create}); err == nil || err.Error() != "not a directory" {
			t.Errorf("a file: %v", err)
		}
	}
}
