package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLogFollowsNoLink checks that a log is never written through a symbolic link, and that opening
// a FIFO does not block.
func TestLogFollowsNoLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.aCore()
	w.sh("echo precious >victim; mkfifo fifo; ln -sfn $PWD/victim cache/thothfs.log; ln -s $PWD/victim linked.log; ln -s $PWD/absent dangling.log")
	for _, args := range [][]string{
		{"mount", w.mnt},
		{"mount", w.mnt, "--log", filepath.Join(w.dir, "linked.log")},
		{"mount", w.mnt, "--log", filepath.Join(w.dir, "dangling.log")},
	} {
		r := w.try(args...)
		if mounted(w.mnt) {
			w.unmount()
		}
		if r.code != 1 || !strings.Contains(r.stderr, "is a symbolic link, which is not followed") {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if r := w.try("mount", w.mnt, "--log", filepath.Join(w.dir, "fifo")); r.code != 1 || !strings.Contains(r.stderr, "log: ") {
		t.Errorf("a FIFO: %+v", r)
	}
	if text, _ := os.ReadFile(filepath.Join(w.dir, "victim")); string(text) != "precious\n" {
		t.Errorf("the target of the link holds %q", text)
	}
	if _, err := os.Lstat(filepath.Join(w.dir, "absent")); err == nil {
		t.Error("the target of a dangling link was made")
	}
}
