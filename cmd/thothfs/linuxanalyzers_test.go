package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// buggy is a program with several bugs, selected by its first argument. PAD changes all addresses.
const buggy = `
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#define NOINLINE __attribute__((noinline, noclone, noipa))
#ifdef PAD
static char pad[PAD]; NOINLINE int padded(int n) { return pad[n & 7] * n; }
#endif
NOINLINE void take(volatile int *p) { *p = 1; }
NOINLINE void other(const char *p) { assert(p != 0); take((int *) 0); }
NOINLINE void middle(const char *how, volatile int *p) { if (how[0] == 'a') other(0); else take(p); *(volatile int *) &how; }
static void handler(int sig) { abort(); }
static void *thread(void *how) { middle(how, 0); return how; }
int main(int argc, char **argv) {
	pthread_t t;
	if (argv[1][0] == 'h') signal(SIGSEGV, handler);
	if (argv[1][0] == 't') { pthread_create(&t, 0, thread, argv[1]); pthread_join(t, 0); }
	middle(argv[1], 0);
	return 0;
}`

// property returns a property in a dump's info.json as JSON text, or "".
func (w *world) property(id, name string) string {
	w.t.Helper()
	var doc struct {
		Ticket     string
		Properties map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(w.must("info", id)), &doc); err != nil {
		w.t.Fatal(err)
	}
	if name == "ticket" {
		return doc.Ticket
	}
	return strings.Trim(string(doc.Properties[name]), `"`)
}

// uploaded uploads a core and returns its hash.
func (w *world) uploaded(core string, flags ...string) string {
	w.t.Helper()
	return firstWord(w.must(append([]string{"upload", core}, flags...)...))
}

func TestSignatureIsThatOfTheBug(t *testing.T) {
	t.Parallel()
	need(t, "gdb")
	w := newDebugWorld(t)
	dir := t.TempDir()
	for _, build := range []string{"one", "two"} {
		if err := os.Mkdir(filepath.Join(dir, build), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	one := build(t, filepath.Join(dir, "one", "buggy"), buggy, "-O0")
	two := build(t, filepath.Join(dir, "two", "buggy"), buggy, "-O2", "-DPAD=100000")
	signatures := map[string]string{} // signatures by bug
	for _, c := range []struct{ bug, exe, how, stack string }{
		{"take", one, "s", "--no-stack"}, {"take", one, "s", ""}, {"take", two, "s", "--no-stack"}, {"take", two, "s", ""},
		{"take", two, "h", "--no-stack"}, // through a handler that aborts
		{"assert", one, "a", "--no-stack"}, {"assert", two, "a", ""},
		{"thread", one, "t", ""}, {"thread", two, "t", "--no-stack"},
	} {
		flags := strings.Fields(c.stack)
		id := w.uploaded(coreOf(t, nil, c.exe, c.how), flags...)
		w.must("analyze", id, "signature")
		sig := w.property(id, "signature")
		if len(sig) != 16 {
			t.Fatalf("%v: signature %q", c, sig)
		}
		if want, ok := signatures[c.bug]; ok && sig != want {
			t.Errorf("%v: %s (%s), and another time %s", c, sig, w.property(id, "signature_of"), want)
		}
		signatures[c.bug] = sig
		if of := w.property(id, "signature_of"); c.bug == "assert" && of != "abort/assert buggy: other < middle < main" {
			t.Errorf("%v: of %q", c, of)
		}
	}
	// the thread does not begin in main
	if signatures["take"] == signatures["assert"] || signatures["take"] == signatures["thread"] {
		t.Errorf("different bugs, one signature: %v", signatures)
	}
	if out := w.must("report", "properties.signature"); !strings.Contains(out, `"`+signatures["take"]+`": 5`) {
		t.Errorf("report:\n%s", out)
	}
}

func TestStackAnalyzer(t *testing.T) {
	t.Parallel()
	need(t, "gdb", "eu-stack")
	w := newDebugWorld(t)
	exe := build(t, filepath.Join(t.TempDir(), "prog"), buggy)
	for _, c := range []struct{ core, stack, signal, address string }{
		{coreOf(t, nil, exe, "s"), `"take+0x`, "SIGSEGV", "0x0"},
		{coreOf(t, nil, exe, "a"), "abort+0x", "SIGABRT", ""},
		{shipped(t, "lldb-linux-x86_64.core"), `"bar+0x10()","foo+0x21()","_start+0x1b()"`, "SIGSEGV", "0x0"},
		{shipped(t, "lldb-linux-aarch64.core"), `"bar()","foo()","_start()"`, "SIGSEGV", ""},    // with eu-stack, if gdb cannot read it
		{shipped(t, "lldb-threads-x86_64.core"), "libpthread-2.24.so`+0x1153f()", "SIGILL", ""}, // sent by a process
	} {
		id := w.uploaded(c.core, "--no-stack")
		if strings.HasSuffix(c.core, "lldb-linux-x86_64.core") {
			w.sh("cp " + shipped(t, "lldb-linux-x86_64.exe") + " " + filepath.Join(w.corpus, id, "a.out"))
		}
		w.must("analyze", id, "stack")
		stack := strings.Join(strings.Fields(w.property(id, "stack")), "")
		if !strings.Contains(stack, c.stack) || w.property(id, "signal") != c.signal || c.address != "" && w.property(id, "signal_address") != c.address {
			t.Errorf("%s: %s %s %s, want %v", c.core, stack, w.property(id, "signal"), w.property(id, "signal_address"), c)
		}
	}
}

func TestDuplicateTicketsTheLikes(t *testing.T) {
	t.Parallel()
	w := newDebugWorld(t)
	cores := shippedCores(t)[:5]
	var ids []string
	for _, core := range cores {
		ids = append(ids, w.uploaded(core, "--no-stack", "--set=signature_rule=2", "--set=signature_class=memory", "--set=signature_program=app"))
	}
	for i, sig := range []string{"aaaa", "aaaa", "aaaa", "bbbb", ""} {
		if sig != "" {
			w.must("set", ids[i], "signature", sig)
		}
	}
	w.must("set", ids[0], "signature", "x*") // a pattern is treated as plain text
	w.must("set", ids[1], "signature", "x*")
	w.must("set", ids[2], "signature", "xyz")
	w.must("ticket", ids[0], "OS-7 (first)")
	w.must("ticket", ids[2], "OS-8")
	out := w.must("analyze", ids[1], "duplicate")
	if got := w.property(ids[1], "ticket"); got != "OS-7 (first)" || !strings.Contains(out, ids[0]) {
		t.Errorf("ticket %q\n%s", got, out)
	}
	for _, sig := range []string{"aaaa", "bbbb"} { // through the view in the mount
		w.must("unticket", ids[0], ids[1], ids[2])
		w.must("set", ids[0], ids[1], "signature", sig)
		w.must("ticket", ids[0], "OS-7")
		w.must("analyze", ids[1], "duplicate")
		if got := w.property(ids[1], "ticket") + " of " + w.property(ids[1], "duplicate_of"); got != "OS-7 of "+ids[0] {
			t.Errorf("ticket %q", got)
		}
	}
	w.must("ticket", ids[3], "OS-9") // also bbbb
	w.must("set", ids[2], "signature", "bbbb")
	if out := w.must("analyze", ids[2], "duplicate"); w.property(ids[2], "ticket") != "" || !strings.Contains(out, "not ticketed") {
		t.Errorf("one of two tickets was taken:\n%s", out)
	}
	if w.must("analyze", ids[0], "duplicate"); w.property(ids[0], "ticket") != "OS-7" {
		t.Error("a ticket was overwritten")
	}
	// Dumps that share only the signature are not duplicates.
	for _, other := range [][2]string{{"signature_rule", "3"}, {"signature_class", "abort"}, {"signature_program", "b"}} {
		w.must("set", ids[3], other[0], other[1])
		w.must("unticket", ids[2])
		if out := w.must("analyze", ids[3], ids[2], "duplicate"); w.property(ids[2], "ticket") != "OS-7" {
			t.Errorf("%v: ticket %q\n%s", other, w.property(ids[2], "ticket"), out)
		}
		w.must("unticket", ids[0], ids[1], ids[2])
		if out := w.must("analyze", ids[2], "duplicate"); w.property(ids[2], "ticket") != "" || !strings.Contains(out, "of another rule, program or class of signal") {
			t.Errorf("%v: ticket %q\n%s", other, w.property(ids[2], "ticket"), out)
		}
		w.must("ticket", ids[0], ids[1], "OS-7")
		w.must("set", ids[3], "signature_rule", "2")
		w.must("set", ids[3], "signature_class", "memory")
		w.must("set", ids[3], "signature_program", "app")
	}
	w.must("unset", ids[2], "signature_rule")
	w.must("unticket", ids[2])
	if r := w.try("analyze", ids[2], "duplicate"); r.code != 1 || !strings.Contains(r.stderr, "made by an older version") {
		t.Errorf("of an old rule: %+v", r)
	}
	if r := w.try("analyze", ids[4], "duplicate"); r.code != 1 || !strings.Contains(r.stderr, "no signature") {
		t.Errorf("without a signature: %+v", r)
	}
}

func TestPackagesAnalyzer(t *testing.T) {
	t.Parallel()
	need(t, "gcc", "gdb", "dpkg-query")
	w := newDebugWorld(t)
	exe := build(t, filepath.Join(t.TempDir(), "prog"), dies)
	id := w.uploaded(coreOf(t, nil, exe), "--no-stack")
	w.must("analyze", id, "packages")
	var modules []struct {
		Path    string
		BuildID string `json:"build_id"`
		Package string
	}
	if err := json.Unmarshal([]byte(w.property(id, "modules")), &modules); err != nil || len(modules) < 3 {
		t.Fatalf("%v: %s", err, w.property(id, "modules"))
	}
	libc := strings.Fields(w.sh(`dpkg-query -W -f '${Package} ${Version}\n' libc6`))
	seen := false
	for _, m := range modules {
		if m.Path == exe && (m.Package != "" || len(m.BuildID) != 40) {
			t.Errorf("our program: %+v", m)
		}
		seen = seen || strings.Contains(m.Path, "libc.so.6") && m.Package == strings.Join(libc, " ")
	}
	if !seen {
		t.Errorf("no libc of %v in %+v", libc, modules)
	}
	if out := w.must("ls", "properties.packages.libc6="+libc[1]); !strings.Contains(out, id[:16]) {
		t.Errorf("not found by its package:\n%s", out)
	}
}

func TestEnvironmentAnalyzer(t *testing.T) {
	t.Parallel()
	w := newDebugWorld(t)
	exe := build(t, filepath.Join(t.TempDir(), "prog"), dies)
	core := coreOf(t, []string{"API_TOKEN=hunter2", "DB_PASSWORD=hunter2", "AWS_SECRET_ACCESS_KEY=hunter2", "PLAIN=two\nlines \"quoted\" \\ \xff",
		"URL=postgres://me:hunter2@db/x", "EMPTY=", "UMLAUT=\u00e4", "DSN2=host=db password=hunter2"}, exe,
		"--password=hunter2", "--token", "hunter2", "--name", "a b", "postgres://me:hunter2@db/x")
	id := w.uploaded(core, "--no-stack")
	w.must("analyze", id, "environment")
	if raw := w.must("info", id); strings.Count(raw, "hunter2") > 2 { // psargs is in the dump itself
		t.Errorf("secrets are stored:\n%s", raw)
	}
	env := map[string]string{}
	var argv []string
	err := json.Unmarshal([]byte(w.property(id, "environment")), &env)
	if err == nil {
		err = json.Unmarshal([]byte(w.property(id, "argv")), &argv)
	}
	if err != nil {
		t.Fatal(err)
	}
	const hidden = "********"
	for name, want := range map[string]string{"API_TOKEN": hidden, "DB_PASSWORD": hidden, "AWS_SECRET_ACCESS_KEY": hidden, "PLAIN": "two\nlines \"quoted\" \\ ?",
		"URL": "postgres://me:" + hidden + "@db/x", "EMPTY": "", "UMLAUT": "\u00e4", "DSN2": hidden, "PATH": os.Getenv("PATH")} {
		if got, ok := env[name]; !ok || got != want {
			t.Errorf("%s=%q, want %q", name, got, want)
		}
	}
	if got, want := strings.Join(argv, "|"), exe+"|--password="+hidden+"|--token|"+hidden+"|--name|a b|postgres://me:"+hidden+"@db/x"; got != want {
		t.Errorf("argv %q\nwant %q", got, want)
	}
	// Test a 32-bit core from another machine.
	id = w.uploaded(shipped(t, "pyelftools-linux32.core"), "--no-stack")
	w.must("analyze", id, "environment")
	if got := strings.Join(strings.Fields(w.property(id, "argv")), ""); got != `["./coredump","foo","bar","42"]` {
		t.Errorf("argv %s", got)
	}
}

func TestLinuxAnalyzersRefuse(t *testing.T) {
	t.Parallel()
	w := newDebugWorld(t)
	freebsd := w.uploaded(shipped(t, "lldb-freebsd-x86_64.core"), "--no-stack")
	crash := w.uploaded(shipped(t, "synthetic-vmdump.0"))
	nameless := w.uploaded(shipped(t, "pyelftools-linux64.core"), "--no-stack")
	for _, name := range []string{"stack", "signature", "packages", "environment"} {
		for _, id := range []string{freebsd, crash} {
			if r := w.try("analyze", id, name); r.code != 1 || !strings.Contains(r.stderr, "not the core of a Linux process") {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
	if r := w.try("analyze", nameless, "signature"); r.code != 1 || !strings.Contains(r.stderr, "no function on its stack has a name") {
		t.Errorf("nothing to hash: %+v", r)
	}
	// Without gdb and elfutils:
	w.sh(`mkdir bare; ln -s /usr/bin/* /bin/* bare/ 2>/dev/null; rm -f bare/*gdb* bare/eu-*; true`)
	w.setenv("PATH=" + filepath.Join(w.dir, "bare"))
	for name, want := range map[string]string{"stack": "neither gdb nor eu-stack is installed", "signature": "neither gdb nor eu-stack is installed", "environment": "gdb is not installed"} {
		if r := w.try("analyze", nameless, name); r.code != 1 || !strings.Contains(r.stderr, want) {
			t.Errorf("%s without its tools: %+v", name, r)
		}
	}
}
