package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"testing"
)

// shippedCores returns the paths of the real dumps in this repository.
func shippedCores(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("../../dump/testdata/cores/*.core")
	if err != nil || len(paths) < 12 {
		t.Fatalf("%d cores, %v", len(paths), err)
	}
	for i, p := range paths {
		if paths[i], err = filepath.Abs(p); err != nil {
			t.Fatal(err)
		}
	}
	sort.Strings(paths)
	return paths
}

// crashed is a program and its core.
type crashed struct{ exe, core string }

// crashWorker runs scripts/demo/worker.c, with the given number of threads and MiB of heap.
func crashWorker(t *testing.T, dir string, threads, heapMiB int) crashed {
	t.Helper()
	need(t, "gcc", "gdb", "bash")
	c := crashed{exe: filepath.Join(dir, "worker"), core: filepath.Join(dir, "core.worker")}
	if out, err := exec.Command("gcc", "-g", "-O0", "-pthread", "-o", c.exe, "../../scripts/demo/worker.c").CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	args := []string{strconv.Itoa(threads), strconv.Itoa(heapMiB)}
	here := filepath.Join(dir, "crash")
	if err := os.Mkdir(here, 0o755); err != nil {
		t.Fatal(err)
	}
	script := exec.Command("bash", "-c", `ulimit -c unlimited; "$0" "$@"`, c.exe, args[0], args[1])
	script.Dir = here
	script.Run() // it crashes
	found, _ := filepath.Glob(filepath.Join(here, "*core*"))
	if len(found) == 0 { // the kernel passes cores to another program here
		gdb := exec.Command("gdb", "-nx", "-q", "-batch", "-ex", "run", "-ex", "generate-core-file core", "--args", c.exe, args[0], args[1])
		gdb.Dir = here
		if out, err := gdb.CombinedOutput(); err != nil {
			t.Fatalf("gdb: %v\n%s", err, out)
		}
		found = []string{filepath.Join(here, "core")}
	}
	if err := os.Rename(found[0], c.core); err != nil {
		t.Fatal(err)
	}
	return c
}
