package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build compiles a C program that crashes, and returns its path. Different flags make a different
// build.
func build(t *testing.T, path, source string, flags ...string) string {
	t.Helper()
	need(t, "gcc")
	src := path + ".c"
	if err := os.WriteFile(src, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-g", "-w", "-pthread", "-Wl,--build-id", "-o", path, src}, flags...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return path
}

// coreOf runs a program until it crashes and returns the path of its core.
func coreOf(t *testing.T, env []string, exe string, args ...string) string {
	t.Helper()
	need(t, "gdb", "bash")
	core, err := leaveCore(t.TempDir(), env, append([]string{exe}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return core
}

// leaveCore runs a program in an empty directory until it crashes, and returns the path of the core
// written by the kernel or, failing that, by gdb.
func leaveCore(here string, env []string, argv ...string) (string, error) {
	script := exec.Command("bash", append([]string{"-c", `ulimit -c unlimited; exec "$0" "$@"`}, argv...)...)
	script.Dir, script.Env = here, append(os.Environ(), env...)
	script.Run() // it crashes
	found, _ := filepath.Glob(filepath.Join(here, "*core*"))
	if len(found) > 0 {
		return found[0], nil
	}
	// On this machine the kernel passes cores to a program.
	gdb := exec.Command("gdb", append([]string{"-nx", "-q", "-batch", "-ex", "run", "-ex", "generate-core-file core", "--args"}, argv...)...)
	gdb.Dir, gdb.Env = here, append(os.Environ(), env...)
	if out, err := gdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("gdb: %w\n%s", err, out)
	}
	return filepath.Join(here, "core"), nil
}

const dies = `int main(void) { return *(volatile int *) 0; }`

func TestExecutableIsOfTheDumpsBuild(t *testing.T) {
	t.Parallel()
	w := newDebugWorld(t)
	dir := t.TempDir()
	exe := build(t, filepath.Join(dir, "prog"), dies)
	core := coreOf(t, nil, exe)
	if got := strings.TrimSpace(w.must("executable", core)); got != exe {
		t.Errorf("as recorded: %q, want %q", got, exe)
	}
	// A different build at the recorded path is reported and not used.
	kept := filepath.Join(dir, "kept")
	if err := os.Rename(exe, kept); err != nil {
		t.Fatal(err)
	}
	build(t, exe, dies, "-O1")
	r := w.try("executable", core)
	if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, exe+" is another build than the dump's, and not used") {
		t.Errorf("another build: %+v", r)
	}
	if out := w.must("modules", core); !strings.Contains(out, "\tother\t"+exe+"\n") {
		t.Errorf("modules:\n%s", out)
	}
	// Beside the dump the program is found by its build ID, under any name.
	id := firstWord(w.must("upload", "--no-stack", core))
	w.sh("cp " + kept + " " + filepath.Join(w.corpus, id, "whatever"))
	w.sh("cp " + exe + " " + filepath.Join(w.corpus, id, "prog"))
	r = w.try("debug", id, "--debugger", "gdb", "--", "-nx", "-batch", "-ex", "bt")
	if r.code != 0 || !strings.Contains(r.stderr, "/whatever (beside the dump, by its build-id)") || !strings.Contains(r.stdout, "in main ()") {
		t.Errorf("beside the dump: %+v", r)
	}
	// A different build beside the dump is not used either.
	w.sh("rm " + filepath.Join(w.corpus, id, "whatever"))
	r = w.try("debug", id, "--debugger", "gdb", "--", "-nx", "-batch")
	if !strings.Contains(r.stderr, "is another build") || !strings.Contains(r.stderr, "prog is not on this machine") {
		t.Errorf("another build beside the dump: %+v", r)
	}
	// Use a stand-in for debuginfod-find and its servers.
	w.standIn("debuginfod-find", `[[ $1 == executable && -n $2 ]] && echo `+kept)
	w.setenv("DEBUGINFOD_URLS=http://127.0.0.1:1/")
	if got := strings.TrimSpace(w.must("executable", core)); got != kept {
		t.Errorf("from debuginfod: %q", got)
	}
	w.standIn("debuginfod-find", "echo "+exe) // returns a different build
	if r := w.try("executable", core); r.code != 1 {
		t.Errorf("a wrong answer of debuginfod: %+v", r)
	}
}

func TestExecutableOfWhatIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sh(`echo text >text; mkfifo fifo; truncate -s 1M zeros`)
	for _, path := range []string{"text", "fifo", "zeros", "absent", "/dev/null", "."} {
		for _, verb := range []string{"executable", "modules"} {
			if r := w.try(verb, path); r.code != 1 || r.stderr == "" {
				t.Errorf("%s %s: %+v", verb, path, r)
			}
		}
	}
}
