package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thothfs/dump/dumptest"
)

// write writes a file to the directory of a world.
func (w *world) write(name string, data []byte) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), data, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func TestUploadSaysThatADumpIsTruncated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	whole := dumptest.Kdump{Pages: 60, Zeros: 3}.Build()
	w.write("whole", whole)
	w.write("cut", whole[:len(whole)-500])
	cut := w.try("upload", "cut")
	if want := fmt.Sprintf("it has %d bytes of at least %d", len(whole)-500, len(whole)); cut.code != 0 || !strings.Contains(cut.stderr, want) {
		t.Errorf("%+v", cut)
	}
	w.must("ticket", cut.stdout[:32], "OS-1")
	if got := w.must("report", "truncated"); got != "{\n    \"true\": 1\n}\n" {
		t.Error(got)
	}
	if r := w.try("upload", "whole"); r.code != 0 || r.stdout != cut.stdout || !strings.Contains(r.stderr, "replaced") || strings.Contains(r.stderr, "is truncated") {
		t.Errorf("%+v", r)
	}
	if r := w.try("upload", "cut"); r.code != 1 || !strings.Contains(r.stderr, "larger copy") {
		t.Errorf("%+v", r)
	}
	if got := w.must("report", "truncated=undefined", "ticket"); got != "{\n    \"OS-1\": 1\n}\n" {
		t.Error(got)
	}
	if diff := w.sh("cmp whole corpus/*/whole corpus/*/cut 2>&1 || true; ls corpus/*/"); strings.Contains(diff, "differ") {
		t.Error(diff)
	}
}

func TestUploadOfAFlattenedDump(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	whole := dumptest.Kdump{Pages: 60, Zeros: 3}.Build()
	w.write("whole", whole)
	w.write("vmcore.flat", dumptest.Flatten(whole))
	id := w.must("upload", "vmcore.flat")
	if got := w.must("object", "vmcore.flat", "whole"); got != id+id {
		t.Errorf("uploaded as %s, object says %s", id, got)
	}
	w.sh("cmp whole corpus/" + strings.TrimSpace(id) + "/vmcore.flat")
	if r := w.try("upload", "whole"); r.code != 0 || !strings.Contains(r.stderr, "already") {
		t.Errorf("%+v", r)
	}
	// The dump does not record which node it comes from.
	if got := w.must("report", "node=undefined", "format"); got != "{\n    \"kdump\": 1\n}\n" {
		t.Error(got)
	}
	if got := w.must("ls", "-o", "wide"); !strings.Contains(got, strings.TrimSpace(id)+" crash ") {
		t.Error(got)
	}
}
