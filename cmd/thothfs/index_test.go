package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"thothfs/corpus/catalog"
	"thothfs/store/manta/mantatest"
)

// newMachine returns a world with the same corpus on a machine that has no catalogue of it.
func (w *world) newMachine() *world {
	w.t.Helper()
	other := *w
	other.mnt = w.t.TempDir()
	other.setenv("THOTHFS_CACHE_DIR=" + w.t.TempDir())
	return &other
}

// uploadAll uploads the cores in this repository and returns their hashes.
func (w *world) uploadAll() []string {
	w.t.Helper()
	return firstWords(w.must(append([]string{"upload", "--no-stack"}, shippedCores(w.t)...)...))
}

// gets returns the number of GET requests that f makes.
func gets(srv *mantatest.Server, f func()) int64 {
	srv.ResetCounters()
	f()
	return srv.Counters().Requests["GET"]
}

// TestIndexIsWhatANewMachineBeginsWith checks that a new machine starts with the published
// catalogue and reads only documents that have changed since.
func TestIndexIsWhatANewMachineBeginsWith(t *testing.T) {
	t.Parallel()
	w, srv := newMantaWorld(t, time.Millisecond)
	ids := w.uploadAll()
	if r := w.try("index"); r.code != 0 || !strings.Contains(r.stderr, "published ") || r.stdout != "" {
		t.Fatalf("%+v", r)
	}
	w.must("ticket", ids[0], "OS-1")
	other := w.newMachine()
	var documents atomic.Int64 // that are read
	heal := srv.Fault(mantatest.On{Method: "GET", Path: "/info.json"}, mantatest.Before(func() { documents.Add(1) }))
	table := other.must("ls", "--attr-timeout=1h")
	heal()
	if want := w.must("ls"); table != want {
		t.Errorf("here:\n%s\nthere:\n%s", want, table)
	}
	if n := int(documents.Load()); n < 1 || n > len(ids)/2 {
		t.Errorf("%d documents were read of a corpus of %d dumps of which one has changed", n, len(ids))
	}
	third := w.newMachine()
	third.mount()
	waitFor(t, "the mount to know all", func() bool {
		return strings.Count(third.sh("ls "+third.mnt+"/by-hash"), "\n") == len(ids) && strings.TrimSpace(third.sh("ls "+third.mnt+"/by-ticket")) == "OS-1"
	})
	if r := w.try("index", "--verify"); r.code != 0 {
		t.Errorf("%+v", r)
	}
}

// TestIndexDamaged checks that a damaged published catalogue only costs time.
func TestIndexDamaged(t *testing.T) {
	t.Parallel()
	w, _ := newMantaWorld(t, time.Millisecond)
	ids := w.uploadAll()
	w.must("index")
	object := filepath.Join(w.corpus, ".thothfs", "index")
	if err := flip(object, 100); err != nil {
		t.Fatal(err)
	}
	other := w.newMachine()
	if got := strings.Count(other.must("ls"), "\n"); got != len(ids)+1 {
		t.Errorf("%d lines for %d dumps", got, len(ids))
	}
	other.must("index") // repairs it
	third := w.newMachine()
	if r := third.try("ls", "--log=stderr"); r.code != 0 || strings.Contains(r.stderr, "of no use") {
		t.Errorf("%+v", r)
	}
}

// TestIndexVerify checks that index --verify finds edits by the original thoth.
func TestIndexVerify(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.aCore()
	w.must("index")
	w.must("ls")
	info := filepath.Join(w.corpus, id, "info.json")
	text, err := os.ReadFile(info)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(info, []byte(strings.Replace(string(text), `"properties"`, `"ticket": "OS-3", "properties"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	w.must("index", "--verify")
	other := w.newMachine()
	other.must("ls", "--attr-timeout=1h") // loads what was published
	if got := other.must("ls", "--attr-timeout=1h", "ticket=OS-3"); strings.Count(got, "\n") != 2 {
		t.Errorf("%s", got)
	}
}

// TestIndexExport checks that the catalogue is exported as a file for other tools, which is either
// complete or absent.
func TestIndexExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.uploadAll()
	lines := filepath.Join(w.dir, "corpus.jsonl")
	w.must("index", "--export", lines)
	text, err := os.ReadFile(lines)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		var l struct {
			ID   string
			Info struct{ Dump string }
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil || !strings.Contains(l.Info.Dump, l.ID) {
			t.Errorf("%v: %s", err, line)
		}
		seen[l.ID] = true
	}
	for _, id := range ids {
		if !seen[id] {
			t.Errorf("%s is not there", id)
		}
	}
	db := filepath.Join(w.dir, "corpus.db")
	w.must("index", "--export", db)
	head, err := os.ReadFile(db)
	if fi, serr := os.Stat(db); err != nil || serr != nil || !strings.HasPrefix(string(head), "SQLite format 3\x00") || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", err, serr)
	}
	if _, err := os.Stat(filepath.Join(w.corpus, ".thothfs", "index")); !os.IsNotExist(err) {
		t.Errorf("it was published as well: %v", err)
	}
	for _, bad := range []string{lines, filepath.Join(w.dir, "x.csv"), filepath.Join(w.dir, "no/such/x.db")} {
		if r := w.try("index", "--export", bad); r.code != 1 || !strings.Contains(r.stderr, "thothfs: ") {
			t.Errorf("%s: %+v", bad, r)
		}
	}
	if left := w.sh("ls -A | grep export || true"); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

// TestIndexExportParquet checks that the verb writes each kind as a private file that is either
// complete or absent.
func TestIndexExportParquet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.uploadAll()
	path := filepath.Join(w.dir, "corpus.parquet")
	w.must("index", "--export", path)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	rows := make([]parquet.Row, len(ids)+1)
	n, err := parquet.NewReader(bytes.NewReader(file)).ReadRows(rows)
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	var got []string
	last := int64(math.MinInt64)
	for _, row := range rows[:n] {
		got = append(got, string(row[0].ByteArray()))
		when, info := row[1+len(catalog.Fields)], row[len(row)-1]
		if at := when.Int64() / 1e6; !when.IsNull() && at < last {
			t.Error("not oldest first, by the second")
		} else if !when.IsNull() {
			last = at
		}
		if !json.Valid(info.ByteArray()) {
			t.Errorf("%s", info.ByteArray())
		}
	}
	slices.Sort(got)
	if want := slices.Sorted(slices.Values(ids)); !slices.Equal(got, slices.Compact(want)) {
		t.Errorf("%v, want %v", got, want)
	}
	if r := w.try("index", "--export", path); r.code != 1 || !strings.Contains(r.stderr, "exists") {
		t.Errorf("over one that is there: %+v", r)
	}
}
