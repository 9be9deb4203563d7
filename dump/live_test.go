package dump

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// liveProgram has eight waiting threads. With "crash" it dies of SIGABRT.
const liveProgram = `
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static pthread_barrier_t all;
static void *wait_here(void *p) { pthread_barrier_wait(&all); pause(); return p; }
int main(int argc, char **argv) {
	pthread_t t;
	pthread_barrier_init(&all, 0, 8);
	for (int i = 0; i < 7; i++) pthread_create(&t, 0, wait_here, 0);
	pthread_barrier_wait(&all);
	if (argc > 1 && argv[1][0] == 'c') abort();
	puts("ready"); fflush(stdout);
	pause();
	return 0;
}
`

func buildLive(t *testing.T) (exe string) {
	t.Helper()
	gcc := needTool(t, "gcc")
	dir := t.TempDir()
	src, exe := filepath.Join(dir, "live.c"), filepath.Join(dir, "live")
	if err := os.WriteFile(src, []byte(liveProgram), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(gcc, "-pthread", "-Wl,--build-id", "-o", exe, src).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return exe
}

// TestLiveKernelCore reads a core written by the kernel of this machine.
func TestLiveKernelCore(t *testing.T) {
	readelf := needTool(t, "eu-readelf")
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if p := strings.TrimSpace(string(pattern)); err != nil || p == "" || strings.ContainsAny(p, "|/%") {
		t.Skipf("kernel.core_pattern is %q: cores do not go to the working directory", p)
	}
	exe := buildLive(t)
	cmd := exec.Command("sh", "-c", `ulimit -c unlimited && exec ./live crash "a b: c" '"d"'`)
	cmd.Dir = filepath.Dir(exe)
	if err := cmd.Run(); err == nil {
		t.Fatal("it did not die")
	}
	cores, _ := filepath.Glob(filepath.Join(cmd.Dir, "core*"))
	if len(cores) != 1 {
		t.Skipf("the kernel wrote %d cores: the limit is hard, or it may not write there", len(cores))
	}
	info := inspectFile(t, cores[0])
	if info.Signal != 6 || info.Psargs != `./live crash a b: c "d"` || len(info.Threads) != 8 || info.Executable != exe {
		t.Errorf("%+v", info)
	}
	comparePeer(t, readelf, cores[0], info)
}

// TestLiveGcore reads a core of a live process written by gdb, whose notes are at the end.
func TestLiveGcore(t *testing.T) {
	readelf, gcore := needTool(t, "eu-readelf"), needTool(t, "gcore")
	exe := buildLive(t)
	cmd := exec.Command(exe, "on")
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
	prefix := filepath.Join(filepath.Dir(exe), "gcore")
	out, err := exec.Command(gcore, "-o", prefix, strconv.Itoa(cmd.Process.Pid)).CombinedOutput()
	path := fmt.Sprintf("%s.%d", prefix, cmd.Process.Pid)
	if _, serr := os.Stat(path); serr != nil {
		t.Skipf("gcore may not attach here: %v\n%s", err, out)
	}
	info := inspectFile(t, path)
	if info.PID != cmd.Process.Pid || info.Signal != 0 || len(info.Threads) != 8 || info.Executable != exe {
		t.Errorf("%+v", info)
	}
	comparePeer(t, readelf, path, info)
}

func inspectFile(t *testing.T, path string) *Info {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	info, err := Inspect(f, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes inspected in %v", st.Size(), time.Since(start))
	if info.Truncated() {
		t.Errorf("%d bytes of %d", info.Size, info.Needed)
	}
	return info
}

var (
	peerProcess = regexp.MustCompile(`pid: (\d+), ppid: \d+, pgrp: \d+, sid: \d+\n\s+fname: (.*), psargs: (.*)`)
	peerThread  = regexp.MustCompile(`cursig: (\d+)\n(?s:.*?)\n\s+pid: (\d+),`)
	peerModule  = regexp.MustCompile(`(?m)^0x([0-9a-f]+)\+\S+ ([0-9a-f]+)@`)
)

// comparePeer compares info with the output of elfutils, and the hash with Node's.
func comparePeer(t *testing.T, readelf, path string, info *Info) {
	t.Helper()
	out, err := exec.Command(readelf, "-n", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	p := peerProcess.FindSubmatch(out)
	if p == nil {
		t.Fatalf("eu-readelf says\n%s", out)
	}
	got := fmt.Sprint(info.PID, info.Cmd, info.Psargs)
	if want := fmt.Sprint(string(p[1]), string(p[2]), strings.TrimRight(string(p[3]), " ")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var threads []string
	for _, m := range peerThread.FindAllSubmatch(out, -1) {
		threads = append(threads, fmt.Sprintf("%s:%s", m[2], m[1]))
	}
	var ours []string
	for _, th := range info.Threads {
		ours = append(ours, fmt.Sprintf("%d:%d", th.TID, th.Signal))
	}
	if strings.Join(ours, " ") != strings.Join(threads, " ") {
		t.Errorf("threads %v, want %v", ours, threads)
	}
	compareModules(t, path, info)
	if node, err := exec.LookPath("node"); err == nil {
		out, err := exec.Command(node, "testdata/hash.js", path).Output()
		if got := string(bytes.TrimSpace(out)); err != nil || got != info.ID.String() {
			t.Errorf("node says %s, %v; we %v", got, err, info.ID)
		}
	}
}

// compareModules compares build IDs with those of eu-unstrip, which also lists the vDSO.
func compareModules(t *testing.T, path string, info *Info) {
	t.Helper()
	out, err := exec.Command(needTool(t, "eu-unstrip"), "-n", "--core="+path).Output()
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, m := range peerModule.FindAllSubmatch(out, -1) {
		ids[string(m[1])] = string(m[2])
	}
	if len(info.Modules) < 3 || info.BuildID == "" {
		t.Errorf("modules %+v, build-id %q", info.Modules, info.BuildID)
	}
	for _, m := range info.Modules {
		if want := ids[strconv.FormatUint(m.Start, 16)]; want != "" && m.BuildID != want {
			t.Errorf("%s: got %s, want %s", m.Path, m.BuildID, want)
		}
	}
}
