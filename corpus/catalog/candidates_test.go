package catalog

import (
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"thothfs/dump"
	"thothfs/store"
)

// TestOpenReadOnly checks that a catalogue can be read while it is in use and when it is not, and that
// nothing in its directory changes, whatever is wrong with it.
func TestOpenReadOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := func() (all []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			all = append(all, e.Name())
		}
		return all
	}
	read := func() (n int, err error) {
		t.Helper()
		before := files()
		c, err := OpenReadOnly(t.Context(), dir, "test")
		if err == nil {
			var found []*Dump
			found, err = (&Reader{Catalog: c, Now: time.Now}).Newest(t.Context(), "", []*Field{Cmd}, 10)
			if n = len(found); n > 0 && found[0].Text(Cmd) != "node" {
				t.Errorf("%+v", found[0])
			}
			if cerr := c.Close(); cerr != nil {
				t.Error(cerr)
			}
		}
		if after := files(); !slices.Equal(after, before) {
			t.Errorf("before: %v, after: %v", before, after)
		}
		return n, err
	}
	if n, err := read(); err == nil {
		t.Errorf("no catalogue: %d dumps", n)
	}
	c, err := Open(t.Context(), dir, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d := NewDump(dump.ID{1}, []byte(`{"cmd":"node"}`), store.Attr{ETag: "e"}, "")
	if _, err := c.Record(t.Context(), []Observation{{ID: d.ID, Kind: Found, At: time.Now(), Dump: d}}); err != nil {
		t.Fatal(err)
	}
	if n, err := read(); n != 1 || err != nil {
		t.Errorf("in use: %d dumps, %v", n, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := read(); n != 1 || err != nil {
		t.Errorf("not in use: %d dumps, %v", n, err)
	}
	if c, err := OpenReadOnly(t.Context(), dir, "another"); err == nil {
		c.Close()
		t.Error("the catalogue of another corpus was opened")
	}

	locked, err := Open(t.Context(), dir, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	locked.db.readers.Close() // their locks would be in the way
	if err := locked.Exec(t.Context(), `PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE`); err != nil {
		t.Fatal(err)
	}
	if n, err := read(); err == nil {
		t.Errorf("locked: %d dumps", n)
	}
	locked.db.writer.Close()

	path := Path(dir, "test")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw[4096:] {
		raw[4096+i] = 0xff
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := read(); err == nil {
		t.Errorf("damaged: %d dumps", n)
	}
	if after, err := os.ReadFile(path); err != nil || !slices.Equal(after, raw) {
		t.Errorf("a damaged catalogue was changed: %v", err)
	}
}
