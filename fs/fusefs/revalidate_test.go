package fusefs

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"thothfs/store/manta/mantatest"
)

// TestOpenSeesANewVersion checks that a new open sees the version in the store before any poll,
// that an open file keeps its version, and that the known version is opened while the store is
// down.
func TestOpenSeesANewVersion(t *testing.T) {
	for kind, open := range openStores(t) {
		t.Run(kind, func(t *testing.T) {
			s := open()
			fill(t, s)
			w := newWorld(t, s, time.Millisecond)
			for name, key := range map[string]string{
				"by-hash/" + hashA + "/core": hashA + "/core.x.1",
				"analyzers/old":              "analyzers/old",
			} {
				path := filepath.Join(w.mnt, name)
				before := read(t, path)
				put(t, s, key, "the new version")
				eventually(t, "it is opened", func() bool {
					got := read(t, path)
					if got != before && got != "the new version" {
						t.Fatalf("%s: a mixture: %q", name, got)
					}
					return got != before
				})
			}
		})
	}
}

// TestOpenAsksSeldom checks that an open makes no request while the list is recent and one request
// otherwise, and that the known version is opened while the store is down.
func TestOpenAsksSeldom(t *testing.T) {
	s, srv := openManta(t)
	fill(t, s)
	w := newWorld(t, s, time.Hour)
	path := filepath.Join(w.mnt, "by-hash", hashA, "core")
	for range 3 {
		read(t, path)
		if n := w.store.Snapshot().List.Calls; n != 2 { // of the corpus and of the dump
			t.Errorf("%d lists", n)
		}
	}

	old := newWorld(t, s, time.Nanosecond)
	path = filepath.Join(old.mnt, "by-hash", hashA, "core")
	read(t, path)
	before := old.store.Snapshot().List.Calls
	read(t, path)
	if n := old.store.Snapshot().List.Calls - before; n != 1 {
		t.Errorf("%d lists for one open", n)
	}
	srv.Fault(mantatest.On{}, mantatest.Reset())
	if data, err := os.ReadFile(path); err != nil || string(data) != "the dump" {
		t.Errorf("with the store away: %q, %v", data, err)
	}
}
