package corpus

import (
	"os"
	"path/filepath"
	"testing"

	"thothfs/dump/document"
	"thothfs/store/mem"
)

// TestCatalogueFollowsNoLink checks that links or files that others put in the place of the
// catalogue's files are not used: the catalogue is rebuilt or temporary, and nothing is written
// through a link.
func TestCatalogueFollowsNoLink(t *testing.T) {
	for _, suffix := range append([]string{".lock", "foreign", changedSuffix}, "", "-wal", "-shm", "-journal") {
		t.Run("db"+suffix, func(t *testing.T) {
			s := mem.New()
			seed(s, 3)
			o := options(t, s)
			c := open(t, o)
			sync1(t, c)
			path := c.cat.Path()
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			victim := filepath.Join(t.TempDir(), "victim")
			write := func(path string) {
				if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(victim)
			planted := path + suffix
			if suffix == "foreign" {
				if os.Chown(path, 12345, 12345) != nil {
					t.Skip("only root can give a file away")
				}
			} else {
				os.Remove(planted)
				if err := os.Symlink(victim, planted); err != nil {
					t.Fatal(err)
				}
			}
			was, err := os.Stat(victim)
			if err != nil {
				t.Fatal(err)
			}
			c = open(t, o)
			if w, err := watchChanged(path); err == nil {
				w.Close()
			}
			edit(t, c, document.Set("ticket", "OS-1"))
			sync1(t, c)
			wantCount(t, c, "type=core", 3)
			if st, err := os.Lstat(path); err != nil || !st.Mode().IsRegular() {
				t.Error(st, err)
			}
			if elsewhere := c.cat.Path() != path; elsewhere != (suffix == ".lock") {
				t.Errorf("the catalogue is at %s", c.cat.Path())
			}
			if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
				t.Errorf("the target of the link holds %q, %v", text, err)
			}
			if st, err := os.Stat(victim); err != nil || !st.ModTime().Equal(was.ModTime()) {
				t.Errorf("the target of the link is of %v, was of %v: %v", st.ModTime(), was.ModTime(), err)
			}
		})
	}
}
