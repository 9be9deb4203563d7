package main

import (
	"bufio"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

//go:embed programs
var programs embed.FS

// Core is a dump used for measurements.
type Core struct {
	Name, What string
	Exe, Path  string
	Size       int64
	Every      bool   // measured with every command, not only backtraces of all threads
	ID         string // ID in the corpus
}

// coreSpec describes how to create a core.
type coreSpec struct {
	name, what string
	every      bool
	small      bool     // made for --small
	args       []string // for the demo's worker: threads, MiB of heap, step
	script     string   // alternatively, a program that waits to be killed
	gcore      bool     // written by gdb instead of the kernel
}

func (c coreSpec) label() string { return c.name }

var coreSpecs = []coreSpec{
	{name: "dense", what: "2 GiB, 8 threads", every: true, args: []string{"8", "2048"}},
	{name: "sparse", what: "3 GiB, sparse, 16 threads", args: []string{"16", "3072", "1048576"}},
	{name: "python", what: "Python, 4 threads, every module", script: "mappings.py"},
	{name: "python-gcore", what: "the same by gcore", script: "mappings.py", gcore: true},
	{name: "node", what: "node, 2 workers", script: "mappings.js"},
	{name: "node-gcore", what: "the same by gcore", script: "mappings.js", gcore: true},
	{name: "threads64", what: "64 threads", args: []string{"64", "64"}},
	{name: "small", what: "16 MiB, 4 threads", every: true, small: true, args: []string{"4", "16"}},
	{name: "small-sparse", what: "256 MiB, sparse, 4 threads", small: true, args: []string{"4", "256", "1048576"}},
}

// errNoProgram means that a core cannot be created on this machine.
var errNoProgram = errors.New("is not installed")

// makeCores creates the cores of specs below dir, unless they exist. It reports and skips a core
// whose program is not installed.
func makeCores(ctx context.Context, dir string, specs []coreSpec, say func(string, ...any)) ([]*Core, error) {
	var cores []*Core
	for _, s := range specs {
		c, err := s.core(ctx, filepath.Join(dir, s.name))
		if errors.Is(err, errNoProgram) {
			say("no core %s: %v", s.name, err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the core %s: %w", s.name, err)
		}
		cores = append(cores, c)
	}
	return cores, nil
}

// core returns the core in dir, and creates it if it does not exist. The core is complete if the
// file "exe", which contains the path of the program, exists.
func (s coreSpec) core(ctx context.Context, dir string) (*Core, error) {
	c := &Core{Name: s.name, What: s.what, Every: s.every, Path: filepath.Join(dir, "core."+s.name)}
	exe, err := os.ReadFile(filepath.Join(dir, "exe"))
	if err == nil {
		c.Exe = string(exe)
	} else {
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		if err := s.make(ctx, dir, c); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, "exe"), []byte(c.Exe), 0o644); err != nil {
			return nil, err
		}
	}
	fi, err := os.Stat(c.Path)
	if err != nil {
		return nil, err
	}
	c.Size = fi.Size()
	return c, nil
}

func (s coreSpec) make(ctx context.Context, dir string, c *Core) error {
	if s.script != "" {
		return s.killScript(ctx, dir, c)
	}
	return s.crashWorker(ctx, dir, c)
}

// crashWorker builds the demo's worker and makes it crash.
func (s coreSpec) crashWorker(ctx context.Context, dir string, c *Core) error {
	source, err := findUp("scripts/demo/worker.c")
	if err != nil {
		return err
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		return fmt.Errorf("gcc %w", errNoProgram)
	}
	c.Exe = filepath.Join(dir, "worker")
	if out, err := exec.CommandContext(ctx, "gcc", "-g", "-O0", "-pthread", "-o", c.Exe, source).CombinedOutput(); err != nil {
		return fmt.Errorf("gcc: %w: %s", err, out)
	}
	_ = dumping(ctx, dir, append([]string{c.Exe}, s.args...)...).Run() // the program crashes
	if found(dir, c.Path) == nil {
		return nil
	}
	// Here the kernel pipes cores to another program, so gdb writes the core instead.
	args := append([]string{"-nx", "-q", "-batch", "-ex", "run", "-ex", "generate-core-file core", "--args", c.Exe}, s.args...)
	gdb := exec.CommandContext(ctx, "gdb", args...)
	gdb.Dir = dir
	if out, err := gdb.CombinedOutput(); err != nil {
		return fmt.Errorf("gdb: %w: %s", err, out)
	}
	return found(dir, c.Path)
}

// killScript runs a script until it is ready, and then makes the kernel or gdb write its core.
func (s coreSpec) killScript(ctx context.Context, dir string, c *Core) error {
	script := filepath.Join(dir, s.script)
	text, err := programs.ReadFile("programs/" + s.script)
	if err != nil {
		return err
	}
	if err := os.WriteFile(script, text, 0o644); err != nil {
		return err
	}
	interpreter, err := interpreterOf(s.script)
	if err != nil {
		return err
	}
	cmd := dumping(ctx, dir, interpreter, script)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		return fmt.Errorf("%s: says %q: %w", interpreter, line, err)
	}
	if c.Exe, err = os.Readlink(fmt.Sprintf("/proc/%d/exe", cmd.Process.Pid)); err != nil {
		return err
	}
	if s.gcore {
		return gcore(ctx, dir, cmd.Process.Pid, c.Path)
	}
	if err := cmd.Process.Signal(syscall.SIGABRT); err != nil {
		return err
	}
	cmd.Wait()
	return found(dir, c.Path)
}

func gcore(ctx context.Context, dir string, pid int, to string) error {
	out, err := exec.CommandContext(ctx, "gcore", "-o", filepath.Join(dir, "core"), fmt.Sprint(pid)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("gcore: %w: %s", err, out)
	}
	return found(dir, to)
}

// interpreterOf returns the interpreter for script. It prefers the system's python, which is
// built like the ones that users have.
func interpreterOf(script string) (string, error) {
	candidates := []string{"/usr/bin/python3", "python3"}
	if strings.HasSuffix(script, ".js") {
		candidates = []string{"node"}
	}
	for _, name := range candidates {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s %w", candidates[len(candidates)-1], errNoProgram)
}

// dumping returns a command that runs in dir and may dump core there.
func dumping(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", append([]string{"-c", `ulimit -c unlimited; exec "$0" "$@"`}, args...)...)
	cmd.Dir = dir
	return cmd
}

// found moves the core in dir to path.
func found(dir, path string) error {
	all, err := filepath.Glob(filepath.Join(dir, "*core*"))
	if err != nil || len(all) == 0 {
		return errors.New("it left no core (see core_pattern in core(5))")
	}
	return os.Rename(all[0], path)
}

// findUp returns the path of a file in the source tree, relative to the current directory or a
// parent.
func findUp(path string) (string, error) {
	for _, up := range []string{".", "..", "../.."} {
		if p := filepath.Join(up, path); exists(p) {
			return filepath.Abs(p)
		}
	}
	return "", fmt.Errorf("%s: not found; run this in the source tree", path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
