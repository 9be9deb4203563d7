package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAttach(t *testing.T) {
	t.Parallel()
	t.Run("directory", func(t *testing.T) {
		t.Parallel()
		testAttach(t, newWorld(t))
	})
	t.Run("manta", func(t *testing.T) {
		t.Parallel()
		w, _ := newMantaWorld(t, 0)
		testAttach(t, w)
	})
}

func testAttach(t *testing.T, w *world) {
	id := w.aCore()
	object := filepath.Base(shippedCores(t)[0])
	w.sh("echo one >one.log; echo two >two.log; mkfifo fifo")
	attached := func(name string) string {
		text, _ := os.ReadFile(filepath.Join(w.corpus, id, name))
		return string(text)
	}
	for _, c := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{id, "one.log", "two.log"}, 0, "one.log attached"},
		{[]string{id[:8], "one.log"}, 0, "one.log is already there"},
		{[]string{id, "two.log", "--name", "one.log"}, 1, "--replace replaces it"},
		{[]string{id, "two.log", "--name", "one.log", "--replace"}, 0, "one.log attached"},
		{[]string{id, "one.log", "two.log", "--name", "x"}, 2, "is for one file"},
		{[]string{id, "one.log", "--name", "info.json"}, 1, "info.json is a reserved name"},
		{[]string{id, "one.log", "--name", ".thothfs.hot"}, 1, "reserved"},
		{[]string{id, "one.log", "--name", "../x"}, 1, "not a valid file name"},
		{[]string{id, "one.log", "--name", object, "--replace"}, 1, "would be taken for the dump itself"},
		{[]string{id, "nosuch", "two.log"}, 1, "no such file"},
		{[]string{id, "fifo"}, 1, "not a regular file"},
		{[]string{"ffffffffffff", "one.log"}, 3, "not in the corpus"},
		{[]string{"--rm", id, "one.log", "--name", "x"}, 2, "cannot be combined"},
		{[]string{"--rm", id, "nosuch"}, 1, "has no file nosuch"},
		{[]string{"--rm", id, object}, 1, "would be taken for the dump itself"},
		{[]string{"--rm", id, "two.log"}, 0, ""},
	} {
		if r := w.try(append([]string{"attach"}, c.args...)...); r.code != c.code || !strings.Contains(r.stderr, c.stderr) {
			t.Errorf("attach %q: %+v, want %d and %q", c.args, r, c.code, c.stderr)
		}
	}
	if one, two := attached("one.log"), attached("two.log"); one != "two\n" || two != "" {
		t.Errorf("one.log is %q, two.log %q", one, two)
	}
	if got := w.must("object", filepath.Join(w.corpus, id, object)); !strings.Contains(got, id) {
		t.Errorf("the dump is another: %q", got)
	}
}

// TestDebugTakesTheKernelOfTheBuild checks that a kernel dump is debugged with the vmlinux of its
// build, whatever other files are beside it. An attached file must appear immediately, and a
// removed one disappear.
func TestDebugTakesTheKernelOfTheBuild(t *testing.T) {
	t.Parallel()
	w := newDebugWorld(t)
	linuxVMCore(t, filepath.Join(w.dir, "vmcore"))
	id := firstWord(w.must("upload", "vmcore"))
	vmlinux(t, filepath.Join(w.dir, "vmlinux-a"), strings.Repeat("ab", 20))
	vmlinux(t, filepath.Join(w.dir, "vmlinux-b"), vmcoreBuildID)
	w.standIn("crash", tellArguments)
	w.standIn("drgn", tellArguments)
	w.mount("--poll", "1h")
	w.must("info", id)
	if r := w.try("debug", id); r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "vmlinux of 6.1.0-test (build-id "+vmcoreBuildID+") was not found") {
		t.Errorf("without a vmlinux: %+v", r)
	}
	if r := w.try("debug", id, "--debugger", "drgn"); r.code != 0 || !strings.Contains(r.stdout, "called: drgn") {
		t.Errorf("drgn does without: %+v", r)
	}
	w.must("attach", id, "vmlinux-a")
	if r := w.try("debug", id); r.code != 1 || !strings.Contains(r.stderr, "vmlinux-a is another build") {
		t.Errorf("with one of another build: %+v", r)
	}
	w.must("attach", id, "vmlinux-b")
	if r := w.try("debug", id); r.code != 0 || !strings.Contains(r.stdout, id+"/vmlinux-b ") {
		t.Errorf("with the right one: %+v", r)
	}
	if got := w.must("analyze", id, "crash:bt"); !strings.Contains(got, "--no_crashrc") || !strings.Contains(got, "/vmlinux-b ") {
		t.Errorf("analyze: %q", got)
	}
	w.must("attach", "--rm", id, "vmlinux-b")
	if r := w.try("debug", id); r.code != 1 || !strings.Contains(r.stderr, "was not found") {
		t.Errorf("after its removal: %+v", r)
	}
}
