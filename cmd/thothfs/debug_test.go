package main

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// standIn puts a script on the PATH of a world, under the name of a tool that may be missing on
// this machine.
func (w *world) standIn(name, script string) {
	w.t.Helper()
	dir := filepath.Join(w.dir, "standins")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	// A file that is open for writing cannot be executed (ETXTBSY), and a process that another test
	// starts in the meantime briefly inherits the open file.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/bash\n"+script), 0o755); err != nil {
		w.t.Fatal(err)
	}
	w.setenv("PATH=" + dir + ":" + os.Getenv("PATH"))
}

// tellArguments is a stand-in that reads the dump and prints its arguments.
const tellArguments = `head -c 4 "${@: -1}" >/dev/null || exit 9
echo "called: ${0##*/} $*"`

// leavesNothing checks that a session has removed its mount and its directory.
func (w *world) leavesNothing() {
	w.t.Helper()
	if out := w.sh("ls -d tmp/thothfs-run-* 2>/dev/null; grep " + w.dir + "/tmp /proc/mounts; true"); out != "" {
		w.t.Errorf("left behind:\n%s", out)
	}
}

// ownTemp gives the world its own directory for temporary files.
func (w *world) ownTemp() {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Join(w.dir, "tmp"), 0o700); err != nil {
		w.t.Fatal(err)
	}
	w.setenv("TMPDIR=" + filepath.Join(w.dir, "tmp"))
}

func newDebugWorld(t *testing.T) *world {
	t.Helper()
	needFUSE(t)
	w := newWorld(t)
	w.ownTemp()
	w.setenv("DEBUGINFOD_URLS=")
	return w
}

// shipped returns the absolute path of a dump in this repository.
func shipped(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("../../dump/testdata/cores", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// vmcoreBuildID is the build ID of the kernel of linuxVMCore.
const vmcoreBuildID = "00112233445566778899aabbccddeeff00112233"

// vmlinux builds an executable with the given build ID, to stand in for a kernel with symbols.
func vmlinux(t *testing.T, path, buildID string) {
	t.Helper()
	need(t, "gcc")
	cmd := exec.Command("gcc", "-x", "c", "-", "-nostdlib", "-static", "-Wl,--build-id=0x"+buildID, "-o", path)
	cmd.Stdin = strings.NewReader("void _start(void) { for (;;); }")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// linuxVMCore writes a minimal ELF dump of a Linux kernel, consisting of a single note.
func linuxVMCore(t *testing.T, path string) {
	t.Helper()
	text := "OSRELEASE=6.1.0-test\nBUILD-ID=" + vmcoreBuildID + "\nCRASHTIME=1700000000\n\x00"
	text += strings.Repeat("\x00", (4-len(text)%4)%4)
	b := make([]byte, 64+56)
	copy(b, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(b[16:], 4)  // ET_CORE
	le.PutUint16(b[18:], 62) // EM_X86_64
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[32:], 64) // offset of the program headers
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 1)
	note := append(le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, 11), uint32(len(text))), 0), "VMCOREINFO\x00\x00"+text...)
	le.PutUint32(b[64:], 4) // PT_NOTE
	le.PutUint64(b[64+8:], uint64(len(b)))
	le.PutUint64(b[64+32:], uint64(len(note)))
	le.PutUint64(b[64+40:], uint64(len(note)))
	if err := os.WriteFile(path, append(b, note...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// expandedCrash writes the header of an illumos crash dump as left by savecore.
func expandedCrash(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile("../../dump/testdata/cores/synthetic-vmdump.0")
	if err != nil {
		t.Fatal(err)
	}
	b[8] &^= 8 // DF_COMPRESSED
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDebugPicksTheDebugger(t *testing.T) {
	t.Parallel()
	w := newDebugWorld(t)
	linuxVMCore(t, filepath.Join(w.dir, "vmcore"))
	expandedCrash(t, filepath.Join(w.dir, "vmcore.0"))
	kernel := firstWord(w.must("upload", "vmcore"))
	illumos := firstWord(w.must("upload", "vmcore.0"))
	w.must("upload", shipped(t, "synthetic-vmdump.1"))
	core := w.aCore() // from FreeBSD
	vmlinux(t, filepath.Join(w.dir, "vmlinux-6.1.0-test"), vmcoreBuildID)
	w.must("attach", kernel, "vmlinux-6.1.0-test")
	w.setenv("PATH=/nonexistent:/usr/bin:/bin")
	for _, c := range []struct{ id, want string }{{kernel, "crash (Debian: apt-get install crash), or drgn"}, {illumos, "mdb (a part of illumos"}} {
		if _, err := exec.LookPath(strings.Fields(c.want)[0]); err == nil {
			continue // installed on this machine
		}
		if r := w.try("debug", c.id); r.code != 1 || !strings.Contains(r.stderr, c.want) {
			t.Errorf("without debuggers: %+v, want %q", r, c.want)
		}
	}
	for _, name := range []string{"mdb", "crash", "lldb"} {
		w.standIn(name, tellArguments)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{illumos}, "called: mdb "},
		{[]string{core}, "called: lldb --core "},
		{[]string{core, "--debugger", "mdb", "--", "-e", "::status"}, "called: mdb -e ::status "},
		{[]string{kernel}, "vmlinux-6.1.0-test "},
	} {
		r := w.try(append([]string{"debug"}, c.args...)...)
		if r.code != 0 || !strings.Contains(r.stdout, c.want) {
			t.Errorf("debug %v: %+v, want %q", c.args, r, c.want)
		}
	}
	if r := w.try("debug", "type=crash platform=joyent_2018*"); r.code != 1 || !strings.Contains(r.stderr, "savecore") {
		t.Errorf("a compressed crash dump: %+v", r)
	}
	w.leavesNothing()
}

// TestDebugWithoutADump debugs the newest dump, and lists the dumps of a specification that several match.
func TestDebugWithoutADump(t *testing.T) {
	t.Parallel()
	w := newDebugWorld(t)
	if r := w.try("debug"); r.code != exitNotFound && r.code != exitFailure || !strings.Contains(r.stderr, "no such directory") {
		t.Errorf("without a corpus: %+v", r)
	}
	id := w.aCore()
	w.put(hash(1)+"/info.json", `{"type":"core","cmd":"old","time":1373566399}`)
	w.put(hash(2)+"/info.json", `{"type":"core","cmd":"old","time":1373566400}`)
	w.standIn("gdb", `echo "gdb: $*"`)
	r := w.try("debug", "--", "-one")
	if r.code != 0 || !strings.Contains(r.stderr, "the newest dump: "+id[:16]+"  20") || !strings.Contains(r.stdout, "gdb: -one") || !strings.Contains(r.stdout, id) {
		t.Errorf("%+v", r)
	}
	const listed = "2 dumps match \"cmd=old type=core\": name one, or add limit=1 for the newest:\n  "
	want := listed + hash(2)[:16] + "  2013-07-11T18:13:20Z  old\n  " + hash(1)[:16] + "  2013-07-11T18:13:19Z  old\n"
	if r := w.try("debug", "cmd=old", "type=core"); r.code != exitUsage || !strings.HasSuffix(r.stderr, want) || r.stdout != "" {
		t.Errorf("several: %+v", r)
	}
	if r := w.try("analyze", id, "dlv:bt"); r.code != 1 || !strings.Contains(r.stderr, `there is no debugger "dlv" for commands: expected gdb:COMMAND, lldb:COMMAND`) {
		t.Errorf("%+v", r)
	}
}

func TestDebugRefuses(t *testing.T) {
	t.Parallel()
	w := newDebugWorld(t)
	id := w.aCore()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"ffffffffffff"}, 3, "not in the corpus"},
		{[]string{"nonsense"}, 3, `"nonsense" is not a dump`},
		{[]string{"type=crash"}, 3, `no dump matches "type=crash"`},
		{[]string{id, "--debugger", "nosuchdebugger"}, 1, "nosuchdebugger"},
		{[]string{id, "a", "b"}, 2, "expected DUMP [ANALYZER]"},
		{[]string{id, "a", "--debugger", "gdb"}, 2, "not a debugger"},
		{[]string{id, "../a"}, 1, "name of an analyzer"},
		{[]string{id, "::stack"}, 1, "name of an analyzer"},
	} {
		if r := w.try(append([]string{"debug"}, c.args...)...); r.code != c.code || !strings.Contains(r.stderr, c.want) {
			t.Errorf("debug %v: %+v, want %d and %q", c.args, r, c.code, c.want)
		}
	}
	w.leavesNothing()
}

func TestDebugWorksOnTheMountThatIsThere(t *testing.T) {
	t.Parallel()
	w := newDebugWorld(t)
	id := w.aCore()
	w.standIn("lldb", tellArguments)
	w.mount()
	if out := w.must("debug", id); !strings.Contains(out, "--core "+w.mnt+"/by-hash/"+id) {
		t.Errorf("%q", out)
	}
	if !mounted(w.mnt) {
		t.Error("the mount is gone")
	}
}

func TestDebugInATerminal(t *testing.T) {
	t.Parallel()
	w := newDebugWorld(t)
	c := crashWorker(t, t.TempDir(), 8, 1)
	w.must("upload", "--no-stack", c.core)
	// The path of a local dump selects its copy in the corpus.
	term := onTerminal(t, w.command("debug", c.core, "--", "-nx", "-q"))
	if said := term.expect("(gdb) "); !strings.Contains(said, "program: "+c.exe+" (as recorded, of the dump's build-id)") {
		t.Errorf("what is used is not told:\n%s", said)
	}
	term.send("\x03") // Ctrl-C goes to gdb
	term.expect("Quit")
	term.expect("(gdb) ")
	term.send("bt\n")
	term.expect("run_job (j=0x0)")
	term.send("quit 5\n")
	if code := term.code(); code != 5 {
		t.Errorf("exit %d, want that of gdb:\n%s", code, term.text())
	}
	w.leavesNothing()
}

func TestDebugEndsWhenToldTo(t *testing.T) {
	t.Parallel()
	need(t, "gdb")
	for sig, want := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			w := newDebugWorld(t)
			id := firstWord(w.must("upload", "--no-stack", shipped(t, "lldb-linux-x86_64.core")))
			term := onTerminal(t, w.command("debug", id, "--debugger", "gdb", "--", "-nx", "-q"))
			term.expect("(gdb) ")
			term.cmd.Process.Signal(sig)
			if code := term.code(); code != want {
				t.Errorf("exit %d, want %d:\n%s", code, want, term.text())
			}
			w.leavesNothing()
		})
	}
}

// TestDebugKilled checks that when debug and its debugger are killed together, both end, and
// nothing waits for the mount. A debugger that inherited the connection to the kernel would block
// both forever.
func TestDebugKilled(t *testing.T) {
	t.Parallel()
	need(t, "gdb")
	w := newDebugWorld(t)
	id := firstWord(w.must("upload", "--no-stack", shipped(t, "lldb-linux-x86_64.core")))
	term := onTerminal(t, w.command("debug", id, "--debugger", "gdb", "--", "-nx", "-q"))
	term.expect("(gdb) ")
	mnt := filepath.Join(w.dir, strings.TrimSpace(w.sh("echo tmp/thothfs-run-*/mnt")))
	t.Cleanup(func() { w.trySh("fusermount3 -uz " + mnt) }) // before anything accesses it
	group := term.cmd.Process.Pid
	syscall.Kill(-group, syscall.SIGKILL)
	term.cmd.Wait()
	waitFor(t, "the debugger to end", func() bool { return !runs(group) })
	if _, err := os.ReadDir(mnt); !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("the mount answers %v, want ENOTCONN", err)
	}
}

// runs reports whether a process group has any threads that are not zombies.
func runs(group int) bool {
	all, _ := filepath.Glob("/proc/[0-9]*/task/*/stat")
	for _, name := range all {
		text, _ := os.ReadFile(name)
		_, rest, _ := strings.Cut(string(text), ") ") // state, parent, group
		if f := strings.Fields(rest); len(f) > 2 && f[2] == strconv.Itoa(group) && f[0] != "Z" {
			return true
		}
	}
	return false
}

func TestDebugShellStoresOnExit0(t *testing.T) {
	t.Parallel()
	w := newDebugWorld(t)
	id := w.aCore()
	r := w.debugShell(id, "mine", `
		[[ -f $THOTH_DUMP && $PWD == "$THOTH_TMPDIR" ]] || exit 4
		thoth_set triage bmc
		echo 'echo analyzed $THOTH_NAME; thoth_ticket OS-1; exit 0' >"$THOTH_ANALYZER"
		thoth_analyze`)
	if r.code != 0 || !strings.Contains(r.stdout, "analyzed "+id) {
		t.Fatalf("%+v", r)
	}
	if got := w.must("ls", id, "properties.triage"); !strings.Contains(got, "OS-1") || !strings.Contains(got, "bmc") {
		t.Errorf("not stored:\n%s", got)
	}
	if got := w.must("analyze", id, "mine"); !strings.Contains(got, "analyzed "+id) {
		t.Errorf("the analyzer is not stored: %q", got)
	}
	r = w.debugShell(id, "mine", `thoth_set triage wrong; echo wrong >"$THOTH_ANALYZER"; exit 3`)
	if r.code != 3 || !strings.Contains(r.stderr, "the changes of the analyzer mine are not stored; a copy is in") {
		t.Errorf("after exit 3: %+v", r)
	}
	if got := w.must("ls", id, "properties.triage") + w.must("analyze", id, "mine"); strings.Contains(got, "wrong") {
		t.Errorf("dropped changes are stored:\n%s", got)
	}
	// Without edits nothing is stored, not even the template.
	if r := w.debugShell(id, "other", `exit 0`); r.code != 0 || strings.Contains(w.must("analyzers", "-q"), "other") {
		t.Errorf("an analyzer that was not written: %+v", r)
	}
	// A built-in analyzer becomes an analyzer of the corpus once it is edited.
	if r := w.debugShell(id, "signature", `grep -q 'a stable name' "$THOTH_ANALYZER" && echo 'echo ours' >"$THOTH_ANALYZER"`); r.code != 0 {
		t.Errorf("signature: %+v", r)
	}
	if got := w.must("analyze", id, "signature"); got != "ours\n" {
		t.Errorf("%q", got)
	}
	w.leavesNothing()
}

// debugShell runs the shell of `debug` with commands on its standard input, which is not a
// terminal.
func (w *world) debugShell(id, analyzer, script string) result {
	w.t.Helper()
	return w.tryInput(script+"\n", "debug", id, analyzer)
}

func TestDebugShellKeepsWhatCannotBeStored(t *testing.T) {
	t.Parallel()
	w := newDebugWorld(t)
	id := w.aCore()
	r := w.debugShell(id, "mine", `echo 'echo ours' >"$THOTH_ANALYZER"; echo 'echo theirs' | "$THOTHFS" analyzer mine`)
	if r.code != 1 || !strings.Contains(r.stderr, "somebody else has changed it") {
		t.Fatalf("%+v", r)
	}
	if got := w.sh("cat tmp/thothfs-mine-*"); got != "echo ours\n" {
		t.Errorf("kept: %q", got)
	}
	if got := w.must("analyze", id, "mine"); got != "theirs\n" {
		t.Errorf("theirs is lost: %q", got)
	}
}

func TestDebugShellInATerminal(t *testing.T) {
	t.Parallel()
	w := newDebugWorld(t)
	id := w.aCore()
	term := onTerminal(t, w.command("debug", id, "mine"))
	term.expect("thoth " + id[:16] + "> ")
	term.send("\x03")
	term.send("\n") // readline may act on a Ctrl-C that precedes its read(2) only at the next key
	term.expect("> ")
	term.send("echo 'exit 7' >\"$THOTH_ANALYZER\"; thoth_analyze; echo status=$?; thoth_ticket OS-3\n")
	term.expect("status=7")
	term.expect("> ")
	term.send("echo 'thoth_fatal no; echo went on' >\"$THOTH_ANALYZER\"; thoth_analyze; echo status=$?\n")
	term.expect("thothfs: no")
	if said := term.expect("status=1"); strings.Contains(said, "went on") {
		t.Errorf("an analyzer goes on behind thoth_fatal:\n%s", said)
	}
	term.expect("> ")
	term.send("exit 0\n")
	if code := term.code(); code != 0 {
		t.Errorf("exit %d:\n%s", code, term.text())
	}
	if got := w.must("ls", id); !strings.Contains(got, "OS-3") {
		t.Errorf("not stored:\n%s", got)
	}
	w.leavesNothing()
}
