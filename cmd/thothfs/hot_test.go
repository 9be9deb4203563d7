package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestHotPack checks that the first open of a dump fetches what a debugger reads in a single
// request, and that a missing or damaged pack only costs time.
func TestHotPack(t *testing.T) {
	t.Parallel()
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
			t.Parallel()
			w, srv := newMantaWorld(t, time.Millisecond)
			id := firstWord(w.must("upload", "--no-stack", c.core))
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

// TestHotPackOfWhatLiesBeside checks that a file beside a dump has its own pack, which is learned
// like that of the dump.
func TestHotPackOfWhatLiesBeside(t *testing.T) {
	t.Parallel()
	needFUSE(t)
	w, _ := newMantaWorld(t, time.Millisecond)
	id := w.aCore()
	beside := filepath.Join(w.corpus, id)
	w.sh("head -c 8000000 /dev/urandom >" + beside + "/vmlinux")
	pack := filepath.Join(beside, ".thothfs.hot")
	w.sh("echo that of the dump >" + pack)
	session := func() {
		t.Helper()
		w.setenv("THOTHFS_CACHE_DIR=" + t.TempDir())
		w.mount("--complete=never", "--learn")
		open, err := os.Open(filepath.Join(w.mnt, "by-hash", id, "vmlinux"))
		if err != nil {
			t.Fatal(err)
		}
		defer open.Close()
		w.sh("for at in 1 700 1300; do dd if=mnt/by-hash/" + id + "/vmlinux bs=4k count=1 skip=$at status=none | cmp -n 4096 -i 0:$((at*4096)) - " + beside + "/vmlinux; done")
		// A pack is learned only if the prediction is done before the last program closes the file.
		waitFor(t, "the prediction", func() bool { return w.stat("cache.lessons") > 0 })
		open.Close()
		waitFor(t, "all is quiet", func() bool { return w.stat("fs.handles") == 0 && w.stat("cache.sessions")+w.stat("cache.lessons") == 0 })
		if n := w.stat("cache.packs.refused"); n != 0 {
			t.Errorf("%d packs were refused", n)
		}
	}
	session()
	if _, err := os.Stat(pack + ".vmlinux"); err != nil {
		t.Errorf("no pack was learned: %v", err)
	}
	if text, err := os.ReadFile(pack); string(text) != "that of the dump\n" {
		t.Errorf("the dump's pack was replaced: %d bytes, %v", len(text), err)
	}
	w.must("umount", "mnt")
	session()
	if n := w.stat("cache.packs"); n < 1 {
		t.Errorf("%d packs were taken", n)
	}
	if names := w.sh("ls -A mnt/by-hash/" + id); strings.Contains(names, ".thothfs") {
		t.Errorf("a pack shows: %s", names)
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
