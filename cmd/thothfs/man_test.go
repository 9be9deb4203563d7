package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryVerbHasAManualPageAndIsCompleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := filepath.Join(w.dir, "man")
	w.must("man", dir)
	completed := w.must("__complete", "")
	for _, verb := range []string{"mount", "umount", "upload", "ls", "analyze", "debug", "executable", "modules"} {
		page, err := os.ReadFile(filepath.Join(dir, "thothfs-"+verb+".1"))
		if err != nil || !strings.Contains(string(page), ".SH NAME") {
			t.Errorf("%s: %v", verb, err)
		}
		if !strings.Contains("\n"+completed, "\n"+verb+"\t") {
			t.Errorf("%s is not completed:\n%s", verb, completed)
		}
	}
	if flags := w.must("__complete", "debug", "--debug"); !strings.Contains(flags, "--debugger") {
		t.Errorf("flags: %s", flags)
	}
	script := w.must("completion", "bash")
	cmd := exec.Command("bash", "-n")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil || len(script) < 1000 {
		t.Errorf("bash does not take its completion: %v %s", err, out)
	}
}
