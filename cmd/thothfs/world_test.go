package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thothfs/internal/testenv"
	"thothfs/store/manta/mantatest"
)

// asProgram is an environment variable that makes the test binary behave as the program itself, so
// that tests run the real command in separate processes, under the race detector.
const asProgram = "THOTHFS_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	testenv.Parallelize()
	heedSignals()
	os.Exit(m.Run())
}

// heedSignals stops ignoring signals that nohup(1) or a shell's & made this process ignore. Child
// processes inherit ignored signals, and tests end programs with signals.
func heedSignals() {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
}

// world is one user's machine, with a corpus, a cache and a mountpoint.
type world struct {
	t      *testing.T
	dir    string
	corpus string // directory of the corpus
	mnt    string
	env    []string
}

// newWorld returns a world whose corpus is a local directory.
func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, dir: dir, corpus: filepath.Join(dir, "corpus"), mnt: filepath.Join(dir, "mnt")}
	w.env = append(cleanEnv(), asProgram+"=1", "HOME="+dir, "TZ=UTC",
		"THOTHFS_STORE="+w.corpus, "THOTHFS_CACHE_DIR="+filepath.Join(dir, "cache"),
		// Tests count requests, so mounts must not make any on their own.
		"THOTHFS_COMPLETE=never", "THOTHFS_LEARN=false")
	if err := os.Mkdir(w.mnt, 0o755); err != nil {
		t.Fatal(err)
	}
	return w
}

// newMantaWorld returns a world whose corpus is in its own Manta, with latency added to each
// request. The server keeps the corpus in the directory w.corpus.
func newMantaWorld(t *testing.T, latency time.Duration) (*world, *mantatest.Server) {
	t.Helper()
	w := newWorld(t)
	root := filepath.Join(w.dir, "manta")
	srv := mantatest.Start(t, mantatest.Options{Root: root, Latency: latency})
	w.corpus = filepath.Join(root, "alice", "stor", "thoth")
	w.setenv("THOTHFS_STORE=manta:", "MANTA_URL="+srv.URL, "MANTA_USER=alice", "MANTA_NO_AUTH=true")
	return w, srv
}

// cleanEnv returns the environment without variables that affect the program.
func cleanEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "THOTHFS_") && !strings.HasPrefix(kv, "MANTA_") && !strings.HasPrefix(kv, "THOTH_") &&
			!strings.HasPrefix(kv, "XDG_") && !strings.HasPrefix(kv, "HOME=") {
			env = append(env, kv)
		}
	}
	return env
}

// setenv changes the environment of later commands.
func (w *world) setenv(kv ...string) {
	for _, pair := range kv {
		name, _, _ := strings.Cut(pair, "=")
		var kept []string
		for _, old := range w.env {
			if !strings.HasPrefix(old, name+"=") {
				kept = append(kept, old)
			}
		}
		w.env = append(kept, pair)
	}
}

type result struct {
	stdout, stderr string
	code           int
}

func (w *world) command(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = w.env
	cmd.Dir = w.dir
	return cmd
}

// try runs `thothfs args…`.
func (w *world) try(args ...string) result {
	w.t.Helper()
	return w.tryInput("", args...)
}

func (w *world) tryInput(stdin string, args ...string) result {
	w.t.Helper()
	cmd := w.command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	return finish(w.t, cmd)
}

func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// must runs `thothfs args…`, which must succeed, and returns its output.
func (w *world) must(args ...string) string {
	w.t.Helper()
	r := w.try(args...)
	if r.code != 0 {
		w.t.Fatalf("thothfs %v: exit %d\n%s%s", args, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// sh runs a bash script in the world's directory and returns its output.
func (w *world) sh(script string) string {
	w.t.Helper()
	r := w.trySh(script)
	if r.code != 0 {
		w.t.Fatalf("%s: exit %d\n%s%s", script, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

func (w *world) trySh(script string) result {
	w.t.Helper()
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = w.dir
	cmd.Env = append(cleanEnv(), "HOME="+w.dir, "LC_ALL=C")
	return finish(w.t, cmd)
}

// mount mounts the world's corpus in the background. It is unmounted when the test ends.
func (w *world) mount(args ...string) {
	w.t.Helper()
	needFUSE(w.t)
	w.must(append([]string{"mount", w.mnt}, args...)...)
	w.t.Cleanup(func() { w.unmount() })
}

// unmount removes the mount, whatever state the test left it in.
func (w *world) unmount() {
	if !mounted(w.mnt) {
		return
	}
	if r := w.try("umount", w.mnt); r.code != 0 {
		w.t.Errorf("umount: %s", r.stderr)
		syscall.Unmount(w.mnt, syscall.MNT_DETACH)
	}
}

// pid returns the PID of the process that serves the mount.
func (w *world) pid() int {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.mnt, ".thothfs", "pid"))
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// waitFor polls until ok returns true. It polls less and less often, because ok may start processes
// while other tests run.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	const limit = 3 * time.Minute
	deadline := time.Now().Add(limit)
	for pause := 5 * time.Millisecond; !ok(); pause = min(pause*5/4, 100*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(pause)
	}
}

func mounted(dir string) bool {
	text, _ := os.ReadFile("/proc/self/mounts")
	return strings.Contains(string(text), " "+dir+" fuse.thothfs ")
}

// apart is the start of a script that runs in its own mount namespace. It removes the namespace's
// copies of other tests' mounts, since a mount lives until its last copy is gone.
const apart = `while read -r _ at type _; do [[ $type != fuse.thothfs ]] || umount -cil "$at"; done < <(cat /proc/self/mounts)
`

// needFUSE and need skip a test whose tools are missing. In CI they fail it instead.
func needFUSE(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		missing(t, "/dev/fuse is not there: no file system can be mounted")
	}
}

func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool+" is not installed (make setup)")
		}
	}
}

func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}
