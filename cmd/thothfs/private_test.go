package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCacheDirectoryThatOthersWriteTo checks that every verb refuses a cache directory into which
// others could have put links, and prints what to do. A private directory below one such as /tmp is
// accepted.
func TestCacheDirectoryThatOthersWriteTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.aCore()
	at := func(name string) string { return filepath.Join(w.dir, name) }
	w.sh(`mkdir -m 700 open foreign; mkdir -m 777 empty; mkdir -m 1777 sticky; mkdir -m 700 sticky/own nested nested/catalogue
		echo precious >victim; ln -s $PWD/victim open/thothfs.log; chmod 777 open; touch nested/catalogue/x; chmod 770 nested/catalogue`)
	refused := map[string]string{"open": "chmod", "nested": "chmod", "sticky": "chmod"}
	if os.Chown(at("foreign"), 12345, 12345) == nil {
		refused["foreign"] = "chown"
	}
	for dir, what := range refused {
		for _, args := range [][]string{{"mount", w.mnt}, {"ls"}, {"upload", "core.none"}} {
			r := w.try(append(args, "--cache-dir", at(dir))...)
			if mounted(w.mnt) {
				w.unmount()
			}
			if r.code != 1 || !strings.Contains(r.stderr, at(dir)) || !strings.Contains(r.stderr, what) || !strings.Contains(r.stderr, "--cache-dir") {
				t.Errorf("%v in %s: %+v", args, dir, r)
			}
		}
	}
	for _, dir := range []string{"empty", "sticky/own", "absent"} {
		if r := w.try("ls", "--cache-dir", at(dir)); r.code != 0 {
			t.Errorf("%s: %+v", dir, r)
		}
		if st, err := os.Stat(at(dir)); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, st.Mode(), err)
		}
	}
	if text, _ := os.ReadFile(at("victim")); string(text) != "precious\n" {
		t.Errorf("the target of the link holds %q", text)
	}
}
