package fusefs

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTemporaryNames checks that the temporary files of editors are not stored.
func TestTemporaryNames(t *testing.T) {
	for _, name := range []string{".p.swp", ".p.swx", "4913", "5036", "p~", ".#p", "#p#", "sedAbCdE1", "triage.tmp", "triage.1f2e3d"} {
		t.Run(name, func(t *testing.T) {
			m := mountStore(t, threeDumps(t), nil)
			dir := m.path("by-hash", hashA, "properties")
			before := m.corpus.called("edit")
			write(t, filepath.Join(dir, name), "some\ntext")
			if got := read(t, filepath.Join(dir, name)); got != "some\ntext" {
				t.Errorf("holds %q", got)
			}
			if got := ls(t, dir); len(got) != 3 {
				t.Errorf("listed: %q", got)
			}
			if n := m.corpus.called("edit") - before; n != 0 {
				t.Errorf("%d edits of the document", n)
			}
			if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, "p")); err != nil {
				t.Fatal(err)
			}
			if got := m.stored(t, hashA, "properties.p"); got != `"some\ntext"` {
				t.Errorf("the store has %s", got)
			}
			if got := ls(t, dir); cmp.Diff(got, []string{"deep", "p", "triage"}) != "" {
				t.Errorf("listed: %q", got)
			}
			if n := m.corpus.called("edit") - before; n != 1 {
				t.Errorf("%d edits of the document", n)
			}
			eventually(t, "it reads as it is stored", func() bool { return read(t, filepath.Join(dir, "p")) == "some\ntext\n" })
		})
	}
}

// TestSetAside checks that a file renamed to a backup name stays stored until it is replaced or the
// backup is removed, so that nothing is lost if the editor dies.
func TestSetAside(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	dir := m.path("by-hash", hashA, "properties")
	p, backup := filepath.Join(dir, "triage"), filepath.Join(dir, "triage~")
	stored := func() string { return m.stored(t, hashA, "properties.triage") }
	aside := func() {
		t.Helper()
		if err := os.Rename(p, backup); err != nil {
			t.Fatal(err)
		}
		if exists(p) || read(t, backup) != "bmc\n" || stored() != `"bmc"` {
			t.Errorf("set aside: there %v, the backup holds %q, the store has %s", exists(p), read(t, backup), stored())
		}
	}
	aside()
	if err := os.Rename(backup, p); err != nil || read(t, p) != "bmc\n" || stored() != `"bmc"` {
		t.Errorf("taken back: %v, %s", err, stored())
	}
	aside()
	f, err := os.Create(p) // the editor gives up midway
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := errors.Join(os.Remove(p), os.Rename(backup, p)); err != nil || read(t, p) != "bmc\n" {
		t.Errorf("given up: %v", err)
	}
	eventually(t, "it is stored as before", func() bool { return stored() == `"bmc"` })
	aside()
	write(t, p, "new\n")
	if stored() != `"new"` {
		t.Errorf("saved: the store has %s", stored())
	}
	if err := os.Remove(backup); err != nil || stored() != `"new"` {
		t.Errorf("the backup removed: %v, the store has %s", err, stored())
	}
	write(t, p, "bmc\n")
	aside()
	if err := os.Remove(backup); err != nil || stored() != "" {
		t.Errorf("set aside and removed: %v, the store has %s", err, stored())
	}
	if got := ls(t, dir); !bytes.Equal([]byte(strings.Join(got, " ")), []byte("deep")) {
		t.Errorf("listed: %q", got)
	}
}
