package dump

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var (
	readsAll   = flag.Bool("reads.all", false, "TestReadsCoverage: with Go, Node and 64 threads as well")
	readsMiss  = flag.Bool("reads.misses", false, "TestReadsCoverage: name the pages that were not predicted")
	readsCores = flag.String("reads.cores", "", "TestReadsCoverage: keep the cores in this folder, and use those that are there")
)

// testCore describes a program that dumps core.
type testCore struct {
	name  string
	build func(t *testing.T, dir string) []string // returns the command
	gcore bool                                    // gdb writes the core when the program prints "ready"; otherwise the program dies
	more  bool                                    // run only with -reads.all
	floor int                                     // minimum predicted share of the pages that any tool reads, in percent; 0 means no minimum
}

const pythonProgram = `
import asyncio, bz2, csv, ctypes, curses, datetime, decimal, hashlib, json, lzma, math, multiprocessing, os, random, readline, select, socket, sqlite3, ssl, sys, threading, time, uuid, xml.parsers.expat, zlib, zoneinfo, unicodedata, statistics, array, mmap, termios, syslog, grp, fcntl, resource, audioop, binascii, struct, pickle, heapq, bisect
import _codecs_jp, _codecs_cn, _codecs_kr, _codecs_tw, _codecs_hk, _multibytecodec, _lsprof, _posixsubprocess, _elementtree, _queue, _opcode, _crypt
def deep(n):
    if n: return deep(n-1)
    time.sleep(1000)
for i in range(4): threading.Thread(target=deep, args=(i*5,), daemon=True).start()
time.sleep(0.3)
print("ready", flush=True)
if sys.argv[1] == "die": ctypes.string_at(8)
time.sleep(1000)
`

const goProgram = `package main

import "time"

func wait(n int) {
	if n == 0 {
		time.Sleep(time.Hour)
	}
	wait(n - 1)
}

func main() {
	for i := range 20 {
		go wait(i + 5)
	}
	time.Sleep(200 * time.Millisecond)
	var p *int
	*p = 1
}
`

const nodeProgram = `
const zlib = require('zlib'), crypto = require('crypto');
function deep(n) { if (n) return deep(n - 1); process.abort(); }
setTimeout(() => deep(10), 300);
zlib.gzip('x', () => {}); crypto.randomBytes(9, () => {});
`

var testCores = []testCore{
	{name: "worker8", build: buildWorker("8", "64"), floor: 80},
	{name: "worker64", build: buildWorker("64", "16"), more: true, floor: 80},
	{name: "python", build: buildPython("die")},
	{name: "gcore-python", build: buildPython("live"), gcore: true},
	{name: "go", build: buildGo, more: true},
	{name: "node", build: buildNode, more: true},
}

func buildWorker(args ...string) func(t *testing.T, dir string) []string {
	return func(t *testing.T, dir string) []string {
		gcc := needTool(t, "gcc")
		exe := filepath.Join(dir, "worker")
		if out, err := exec.Command(gcc, "-g", "-O1", "-pthread", "-o", exe, "../scripts/demo/worker.c").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return append([]string{exe}, args...)
	}
}

func buildPython(arg string) func(t *testing.T, dir string) []string {
	return func(t *testing.T, dir string) []string {
		out, err := exec.Command(needTool(t, "python3"), "-c", "import sys; print(sys.executable)").Output()
		if err != nil {
			t.Skipf("python3 does not run: %v", err)
		}
		src := filepath.Join(dir, "many.py")
		writeFile(t, src, pythonProgram)
		return []string{strings.TrimSpace(string(out)), src, arg}
	}
}

func buildGo(t *testing.T, dir string) []string {
	src, exe := filepath.Join(dir, "main.go"), filepath.Join(dir, "gone")
	writeFile(t, src, goProgram)
	if out, err := exec.Command(needTool(t, "go"), "build", "-o", exe, src).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return []string{exe}
}

func buildNode(t *testing.T, dir string) []string {
	src := filepath.Join(dir, "abort.js")
	writeFile(t, src, nodeProgram)
	return []string{needTool(t, "node"), src}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// make builds the program and returns the paths of the program and its core.
func (c testCore) make(t *testing.T) (exe, core string) {
	t.Helper()
	dir := t.TempDir()
	if *readsCores != "" {
		dir = filepath.Join(*readsCores, c.name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	args := c.build(t, dir)
	core = filepath.Join(dir, "core")
	if _, err := os.Stat(core); err == nil {
		return args[0], core
	}
	if c.gcore {
		gcoreOf(t, args, core)
		return args[0], core
	}
	cmd := exec.Command("sh", "-c", `ulimit -c unlimited && exec "$@"`, "sh")
	cmd.Args, cmd.Dir = append(cmd.Args, args...), dir
	cmd.Env = append(os.Environ(), "GOTRACEBACK=crash")
	if err := cmd.Run(); err == nil {
		t.Fatal("it did not die")
	}
	cores, _ := filepath.Glob(filepath.Join(dir, "core*"))
	if len(cores) != 1 {
		t.Skipf("the kernel wrote %d cores here: see kernel.core_pattern and the limits", len(cores))
	}
	return args[0], cores[0]
}

func gcoreOf(t *testing.T, args []string, core string) {
	t.Helper()
	gcore := needTool(t, "gcore")
	cmd := exec.Command(args[0], args[1:]...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	pid := strconv.Itoa(cmd.Process.Pid)
	out, err := exec.Command(gcore, "-o", core, pid).CombinedOutput()
	if rerr := os.Rename(core+"."+pid, core); rerr != nil {
		t.Skipf("gcore may not attach here: %v\n%s", err, out)
	}
}

// readsTools lists the debuggers whose reads are compared.
var readsTools = []struct {
	name string
	args func(exe, core string) []string
}{
	{"gdb bt", func(exe, core string) []string { return []string{"gdb", "-nx", "-batch", "-ex", "bt", exe, core} }},
	{"gdb all", func(exe, core string) []string {
		return []string{"gdb", "-nx", "-batch", "-ex", "bt", "-ex", "thread apply all bt", exe, core}
	}},
	{"eu-stack", func(exe, core string) []string { return []string{"eu-stack", "--core=" + core, "-e", exe} }},
	{"lldb", func(exe, core string) []string { return []string{"lldb", "-b", "-o", "bt all", "-c", core, exe} }},
}

// TestReadsCoverage compares predictions with the actual reads of debuggers.
func TestReadsCoverage(t *testing.T) {
	if testing.Short() {
		t.Skip("runs debuggers")
	}
	for _, c := range testCores {
		if c.more && !*readsAll {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			exe, core := c.make(t)
			p := predict(t, core)
			t.Logf("%d bytes, %d ranges, %d pages of which %d in the first and last block, %d round trips in sequence, %d reads",
				p.size, p.ranges, len(p.pages), p.early, p.trips, p.reads)
			union := map[int64]bool{}
			for _, tool := range readsTools {
				if _, err := exec.LookPath(tool.args("", "")[0]); err != nil {
					continue
				}
				touched := p.compare(t, tool.name, exe, core, tool.args)
				for _, at := range touched {
					union[at] = true
				}
			}
			hit := 0
			for at := range union {
				if p.pages[at] {
					hit++
				}
			}
			t.Logf("%-9s %4d pages touched, %5.1f%% predicted; %5.1f%% of those predicted are touched (%5.1f%% beyond the first and last block)", "all tools",
				len(union), percent(hit, len(union)), percent(hit, len(p.pages)), p.precision(union))
			if len(union) > 0 && percent(hit, len(union)) < float64(c.floor) {
				t.Errorf("predicted %d of %d pages", hit, len(union))
			}
		})
	}
}

func percent(n, of int) float64 { return 100 * float64(n) / float64(max(of, 1)) }

// prediction is the result of Predict for a core.
type prediction struct {
	*bufReader
	info                        *Info
	pages                       map[int64]bool
	ranges, early, trips, reads int
}

// blockClock counts the round trips of Predict, assuming that each 128 KiB block arrives one
// round trip after it was predicted.
type blockClock struct {
	io.ReaderAt
	p     *prediction
	ready map[int64]int
}

const clockBlock = 128 << 10

func (c *blockClock) told(off, n int64) {
	for at := off / clockBlock; at <= (off+n-1)/clockBlock; at++ {
		if _, ok := c.ready[at]; !ok {
			c.ready[at] = c.p.trips + 1
		}
	}
}

func (c *blockClock) ReadAt(b []byte, off int64) (int, error) {
	c.p.reads++
	for at := off / clockBlock; at <= (off+int64(len(b))-1)/clockBlock; at++ {
		c.p.trips = max(c.p.trips, c.ready[at])
	}
	return c.ReaderAt.ReadAt(b, off)
}

func predict(t *testing.T, core string) *prediction {
	t.Helper()
	f, err := os.Open(core)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	p := &prediction{pages: map[int64]bool{}}
	w := &blockClock{f, p, map[int64]int{}}
	err = Predict(w, st.Size(), func(off, n int64) {
		p.ranges++
		w.told(off, n)
		for at := off; at < off+n; at += predictPage {
			p.pages[at] = true
			if at < firstRead || at >= st.Size()-predictTail {
				p.early++
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if p.bufReader, err = newBufReader(f, st.Size()); err != nil {
		t.Fatal(err)
	}
	p.info, err = Inspect(f, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// precision returns the share of predicted pages that were touched, not counting those that are
// predicted for every file.
func (p *prediction) precision(touched map[int64]bool) float64 {
	hit, n := 0, 0
	for at := range p.pages {
		if at < firstRead || at >= p.size-predictTail {
			continue
		}
		n++
		if touched[at] {
			hit++
		}
	}
	return percent(hit, n)
}

func (p *prediction) compare(t *testing.T, name, exe, core string, args func(exe, core string) []string) []int64 {
	t.Helper()
	tr := trace(t, core)
	a := args(exe, tr.path)
	cmd := exec.Command(a[0], a[1:]...)
	cmd.Env = append(os.Environ(), "DEBUGINFOD_URLS=", "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if n := strings.Count(string(out), "#"); n < 3 {
		t.Logf("%s: %d frames: %v\n%s", name, n, err, out)
	}
	touched := tr.touched()
	line := fmt.Sprintf("%-9s", name)
	for _, block := range []int64{4 << 10, 128 << 10} {
		all, hit := map[int64]bool{}, 0
		predicted := map[int64]bool{}
		for at := range p.pages {
			predicted[at/block] = true
		}
		for _, at := range touched {
			all[at/block] = true
		}
		for b := range all {
			if predicted[b] {
				hit++
			}
		}
		line += fmt.Sprintf(" %4d blocks of %3d KiB touched, %5.1f%% predicted;", len(all), block>>10, percent(hit, len(all)))
	}
	t.Log(line)
	if *readsMiss {
		p.logMisses(t, touched)
	}
	return touched
}

// logMisses logs the pages that were read but not predicted.
func (p *prediction) logMisses(t *testing.T, touched []int64) {
	for i, at := range touched {
		if p.pages[at] {
			continue
		}
		where := "outside of segments"
		for _, s := range p.info.ELF.Segments {
			if o := uint64(at); o >= s.Offset && o < s.Offset+s.Filesz {
				addr := s.Vaddr + o - s.Offset
				where = fmt.Sprintf("%#x, page %d of %d, flags %d", addr, (o-s.Offset)/predictPage, (s.Filesz+predictPage-1)/predictPage, s.Flags)
				for _, m := range p.info.Modules {
					if addr >= m.Start && addr < m.End {
						where += " " + m.Path
					}
				}
				for _, th := range p.info.Threads {
					if addr>>12 >= th.SP>>12 && addr-th.SP < 256<<10 {
						where += fmt.Sprintf(" SP+%#x", addr-th.SP)
						break
					}
				}
			}
		}
		t.Logf("   missed %#x as number %d of %d: %s", at, i, len(touched), where)
	}
}
