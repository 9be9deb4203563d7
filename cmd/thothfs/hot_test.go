package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The first open of a dump takes one request for what a debugger reads; a pack that
// is missing or spoilt costs time and nothing else.
func TestHotPack(t *testing.T) {
	needFUSE(t)
	need(t, "gdb", "gcc")
	c := crashWorker(t, t.TempDir(), 4, 64)
	const bt = `gdb -nx -q -batch -ex 'thread apply all bt' $exe -c "$core" 2>&1`
	want := readerOutput(c.exe, c.core, bt)
	for name, spoil := range map[string]func(pack string) error{
		"as uploaded": func(string) error { return nil },
		"missing":     os.Remove,
		"garbage":     func(pack string) error { return os.WriteFile(pack, []byte("garbage"), 0o600) },
		"cut":         func(pack string) error { return os.Truncate(pack, 1000) },
		"of another":  func(pack string) error { return flip(pack, 40) },
	} {
		t.Run(name, func(t *testing.T) {
			w, srv := newMantaWorld(t, time.Millisecond)
			id := strings.TrimSpace(w.must("upload", "--no-stack", c.core))
			pack := filepath.Join(w.corpus, id, ".thothfs.hot")
			if err := spoil(pack); err != nil {
				t.Fatal(err)
			}
			w.mount()
			srv.ResetCounters()
			core := filepath.Join(w.mnt, "by-hash", id, "core")
			if got := readerOutput(c.exe, core, bt); got != want {
				t.Errorf("local:\n%s\nmounted:\n%s", want, got)
			}
			if taken, good := w.stat("cache.packs"), name == "as uploaded"; (taken == 1) != good {
				t.Errorf("%d packs taken", taken)
			}
			if refused := w.stat("cache.packs.refused"); (refused > 0) != (name != "as uploaded" && name != "missing") {
				t.Errorf("%d packs refused", refused)
			}
			if names := w.sh("ls -A mnt/by-hash/" + id); strings.Contains(names, ".thothfs") {
				t.Errorf("the pack shows: %s", names)
			}
			t.Logf("%d requests, %d bytes", srv.Counters().Total, srv.Counters().BodyBytes)
			w.sh("cmp " + c.core + " " + core)
		})
	}
}

// flip inverts the byte at off.
func flip(path string, off int) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text[off] ^= 0xff
	return os.WriteFile(path, text, 0o600)
}
