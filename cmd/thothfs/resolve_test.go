package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestOneDumpHasManyNames gives each verb a dump by hash, prefix, path in a mount, path in the directory of
// the corpus and as a local copy.
func TestOneDumpHasManyNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	core := shippedCores(t)[0]
	id := firstWord(w.must("upload", "--no-stack", core))
	w.must("ticket", id, "OS-1")
	w.mount()
	names := []string{id, id[:9], strings.ToUpper(id[:4]), core, "mnt/by-hash/" + id, "mnt/by-hash/" + id + "/", "mnt/by-hash/" + id[:5] + "/info.json",
		"mnt/by-ticket/OS-1/" + id, "mnt/query/ticket=OS-1/" + id + "/dump", "mnt/by-hash/" + id + "/properties", filepath.Join(w.corpus, id, "info.json")}
	modules := w.must("modules", core)
	for i, name := range names {
		if got := w.must("info", name); got != w.must("info", id) {
			t.Errorf("info %s: %s", name, got)
		}
		if got := w.must("ls", name); !strings.Contains(got, id[:16]) {
			t.Errorf("ls %s: %s", name, got)
		}
		if got := w.must("modules", name); got != modules {
			t.Errorf("modules %s: %s", name, got)
		}
		if r := w.try("executable", name); r.code > 1 || strings.Contains(r.stderr, "no such file") {
			t.Errorf("executable %s: %+v", name, r)
		}
		value := string(rune('a' + i))
		w.must("set", name, "n", value)
		if got := w.must("history", name, "-n", "1", "--json"); !strings.Contains(got, `"new":"`+value+`"`) || !strings.Contains(got, id) {
			t.Errorf("set %s and history: %s", name, got)
		}
	}
	w.must("set", "mnt/by-ticket/OS-1/"+id, "mnt/by-hash/"+id, "n", "twice")
	w.must("attach", "mnt/by-hash/"+id, core, "--name", "beside")
	for path, want := range map[string]string{
		"mnt/by-ticket/OS-1": "is a directory, but not that of a dump",
		"mnt/.thothfs/pid":   "",
		w.dir:                "is a directory, but not that of a dump",
		"mnt/by-hash/ffffffffffffffffffffffffffffffff": "is not a dump",
	} {
		if r := w.try("info", path); r.code == 0 || r.stdout != "" || !strings.Contains(r.stderr, want) {
			t.Errorf("info %s: %+v", path, r)
		}
	}
}

// TestModulesWithoutAMount reads the modules of a dump in Manta through the cache, by its hash.
func TestModulesWithoutAMount(t *testing.T) {
	t.Parallel()
	w, _ := newMantaWorld(t, 0)
	core := shippedCores(t)[0]
	id := firstWord(w.must("upload", "--no-stack", core))
	if got := w.must("modules", id[:6]); got != w.must("modules", core) || got == "" {
		t.Errorf("modules: %q", got)
	}
	if r := w.try("executable", id); r.code > 1 {
		t.Errorf("%+v", r)
	}
	// The files of another corpus's mount are found by their hash.
	other := newWorld(t)
	other.must("upload", "--no-stack", core)
	other.mount()
	if got := w.must("info", filepath.Join(other.mnt, "by-hash", id)); got != w.must("info", id) {
		t.Errorf("info: %s", got)
	}
	other.unmount()
}
