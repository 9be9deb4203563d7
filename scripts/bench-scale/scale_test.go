package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thothfs/internal/testenv"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// files returns the files below dir and their contents, except for those that contain a time.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, dir)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// program builds thothfs. It skips the test if nothing can be mounted.
func program(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("mounts a corpus")
	}
	testenv.NeedFUSE(t)
	name := filepath.Join(t.TempDir(), "thothfs")
	if out, err := exec.Command("go", "build", "-o", name, "thothfs/cmd/thothfs").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return name
}

// TestScale runs every step on small corpora. It checks that the results agree with the plain
// tree and that the corpora are restored. It does not check times.
func TestScale(t *testing.T) {
	dir := t.TempDir()
	o := options{sizes: []int{150, 170}, firstUpTo: 150, poll: 200 * time.Millisecond, dir: filepath.Join(dir, "corpora"), plain: dir, thothfs: program(t), patience: 10 * time.Minute}
	rep, err := run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range rep.Results {
		if x.Error != "" {
			t.Errorf("%v", x)
		}
	}
	for _, n := range o.sizes {
		for _, step := range []string{
			stepFirst, stepPublish, stepSnapshot, stepSnapshotResident, stepStart, stepList, stepListAgain, stepListBare, stepCmd, stepLong, stepGlob, stepGlobAgain,
			stepVerb, stepSorted, stepLargest, stepSignal, stepSince, stepComplete, stepReport, stepScan, stepResident, stepCatchUp, stepCatchUpLate, stepVerb + withLog, stepReport + withLog, stepScan + withLog, stepIdle, stepTicket,
		} {
			if rep.find(step, n) == nil {
				t.Errorf("%d dumps: no %q", n, step)
			}
		}
	}
	if first, later := rep.find(stepFirst, 150), rep.find(stepFirst, 170); first.Thothfs == 0 || first.Plain == 0 || later.Thothfs != 0 {
		t.Errorf("%v; %v", first, later)
	}
	left := files(t, o.dir)
	m := &material{root: filepath.Join(t.TempDir(), "150"), n: 150}
	if err := m.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, text := range files(t, m.root) {
		name = "/150" + name
		if left[name] != text {
			t.Errorf("%s is not as it was: %q", name, left[name])
		}
		delete(left, name)
	}
	for name := range left {
		if !strings.HasPrefix(name, "/170/thoth/") && name != "/150.lock" && name != "/170.lock" {
			t.Errorf("%s is left", name)
		}
	}
}

// TestRestore checks that leftovers of a killed run are removed, and that a corpus that contains
// other files is refused.
func TestRestore(t *testing.T) {
	m := &material{root: filepath.Join(t.TempDir(), "100"), n: 100}
	if err := m.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := files(t, m.root)
	later := m.spec()
	later.From, later.Count = 100, 10
	for name, text := range map[string]string{
		filepath.Join(m.corpus(), m.edited[3].ID.String(), "info.json"): "{}",
		filepath.Join(m.corpus(), ".thothfs", "changes", "x"):           "",
		filepath.Join(m.corpus(), m.fresh[9].ID.String(), "info.json"):  "{}",
		filepath.Join(m.root, ".manta", "records", "00", "x.json"):      "{}",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := &material{root: m.root, n: m.n}
	if err := again.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := files(t, m.root)
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s: %q", name, got[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d files of %d", len(got), len(want))
	}
	if err := os.WriteFile(filepath.Join(m.corpus(), "alien"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&material{root: m.root, n: m.n}).prepare(t.Context()); err == nil {
		t.Error("a corpus with something else in it is measured")
	}
}

// TestLock checks that only one process at a time can measure a corpus.
func TestLock(t *testing.T) {
	m := &material{root: filepath.Join(t.TempDir(), "100"), n: 100}
	unlock, err := m.lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.lock(); err == nil {
		t.Error("two at once")
	}
	unlock()
	if unlock, err = m.lock(); err != nil {
		t.Fatal(err)
	}
	unlock()
}
