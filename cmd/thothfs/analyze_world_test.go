package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"thothfs/dump/document"
)

func (w *world) envValue(name string) string {
	for _, kv := range w.env {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}

// analyzing prepares a world for analyze, with its own directory for temporary files.
func (w *world) analyzing() {
	w.t.Helper()
	needFUSE(w.t)
	need(w.t, "bash")
	if err := os.Mkdir(filepath.Join(w.dir, "tmp"), 0o700); err != nil {
		w.t.Fatal(err)
	}
	w.setenv("TMPDIR="+filepath.Join(w.dir, "tmp"), "TZ=UTC")
}

// illumosTools puts stand-ins for the illumos tools on the PATH.
func (w *world) illumosTools() {
	dir, err := filepath.Abs("testdata/illumos")
	if err != nil {
		w.t.Fatal(err)
	}
	w.setenv("PATH=" + dir + ":" + w.envValue("PATH"))
}

// dump creates the n-th dump, a text for the stand-ins, and its document.
func (w *world) dump(n int, cmd, text string, more ...string) {
	w.put(hash(n)+"/core."+cmd, text)
	members := append([]string{fmt.Sprintf(`"dump": "/thoth/stor/thoth/%s/core.%s"`, hash(n), cmd), `"type": "core"`, fmt.Sprintf(`"cmd": %q`, cmd),
		fmt.Sprintf(`"time": %d.50`, 1373566300+n), `"node": "eb9ca020"`}, more...)
	w.put(hash(n)+"/info.json", "{\n\t"+strings.Join(members, ",\n\t")+"\n}\n")
}

// script writes an analyzer and returns its path.
func (w *world) script(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// info returns the stored document of the n-th dump.
func (w *world) info(n int) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.corpus, hash(n), "info.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// nothingLeft checks that runs have left no mounts or files behind.
func (w *world) nothingLeft() {
	w.t.Helper()
	if mounts, _ := os.ReadFile("/proc/self/mounts"); strings.Contains(string(mounts), " "+filepath.Join(w.dir, "tmp")) {
		w.t.Errorf("a mount is left:\n%s", mounts)
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, "tmp", "*")); len(left) > 0 {
		w.t.Errorf("left behind: %q", left)
	}
}

func mustLook(t *testing.T, tool string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func parseInfo(t *testing.T, text string) *document.Document {
	t.Helper()
	doc := document.Parse([]byte(text))
	if !doc.IsJSON() {
		t.Errorf("no JSON: %s", text)
	}
	return doc
}

func (w *world) pidIn(file string) int {
	w.t.Helper()
	var pid int
	if _, err := fmt.Sscan(w.sh("cat "+file), &pid); err != nil {
		w.t.Fatal(err)
	}
	return pid
}
