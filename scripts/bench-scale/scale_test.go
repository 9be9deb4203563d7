package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestScale is the bench in small: every step runs, and finds what the plain tree has.
// Nothing about time.
func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("mounts a corpus")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("/dev/fuse is not there: no file system can be mounted")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "thothfs")
	if out, err := exec.Command("go", "build", "-o", program, "thothfs/cmd/thothfs").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	rep, err := run(t.Context(), options{sizes: []int{150}, dir: dir, plain: dir, thothfs: program, patience: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Results) != len(steps)+3 {
		t.Errorf("%d results", len(rep.Results))
	}
	for _, x := range rep.Results {
		if x.Error != "" {
			t.Errorf("%v", x)
		}
	}
	out := filepath.Join(dir, "out")
	if err := rep.write(out); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(out, "scale.md"))
	if err != nil || !strings.Contains(string(text), "| 150 | ls -U by-hash |") {
		t.Errorf("%v: %s", err, text)
	}
}
