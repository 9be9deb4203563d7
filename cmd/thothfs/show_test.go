package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestShowHasWhatCoredumpctlHas uploads a core with the attributes that systemd-coredump sets. Every one
// that coredumpctl info prints is on the page.
func TestShowHasWhatCoredumpctlHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	core := filepath.Join(w.dir, "core.chk.1000.0123456789abcdef0123456789abcdef.32259.1796039557000000")
	w.sh("cp " + shipped(t, "lldb-linux-x86_64.core") + " " + core)
	for name, value := range map[string]string{"pid": "32259", "uid": "1000", "gid": "1001", "signal": "11", "timestamp": "1796039557000000",
		"rlimit": "18446744073709551615", "comm": "a.out", "exe": "/opt/a.out", "hostname": "web-7"} {
		if err := unix.Setxattr(core, "user.coredump."+name, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	id := firstWord(w.must("upload", "--no-stack", core))
	w.must("ticket", id, "OS-7")
	w.must("set", id, "triage", "bmc")
	got := w.must("show", id[:8])
	for _, want := range []string{"Dump: " + id, "PID: 32259 (a.out)", "UID: 1000", "GID: 1001", "Signal: 11 (SIGSEGV)", "Time: 2026-11-30 11:52:37 UTC\n", "Core Limit: unlimited",
		"Node: web-7", "Boot ID: 0123456789abcdef0123456789abcdef", "Executable: /test/", "Ticket: OS-7", "Storage: " + w.corpus + "/" + id, "Modules (0 of 1 ",
		"triage: bmc", "ticket: - → OS-7", "To debug it: thothfs debug " + id[:16]} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if newest := w.must("show"); newest != got {
		t.Errorf("without words:\n%s", newest)
	}
	if r := w.try("show", "cmd=nosuch"); r.code != exitNotFound || r.stdout != "" {
		t.Errorf("of none: %+v", r)
	}
}

// TestShowStacksOfAllThreads shows a local dump with the stack of every thread, and one in Manta with that
// of the thread that died, until --threads asks for all.
func TestShowStacksOfAllThreads(t *testing.T) {
	t.Parallel()
	needFUSE(t)
	local := newWorld(t)
	crash := crashWorker(t, t.TempDir(), 4, 1)
	local.must("upload", crash.core)
	const died, others = "Stack of the thread that died (", "main+"
	if got := local.must("show"); !strings.Contains(got, died) || !strings.Contains(got, "#0  run_job+") || !strings.Contains(got, others) || !strings.Contains(got, "Program: "+crash.exe) {
		t.Errorf("local:\n%s", got)
	}
	w, srv := newMantaWorld(t, 0)
	link := w.cutable(srv.URL)
	w.must("upload", crash.core)
	if got := w.must("show"); !strings.Contains(got, "\nStack:\n  #0  run_job+") || strings.Contains(got, others) || !strings.Contains(got, "show --threads reads their stacks") || !strings.Contains(got, "Modules (") {
		t.Errorf("in Manta:\n%s", got)
	}
	if got := w.must("show", "--threads"); !strings.Contains(got, died) || !strings.Contains(got, others) {
		t.Errorf("with --threads:\n%s", got)
	}
	link.refuse()
	if got := w.must("show"); !strings.Contains(got, "\nStack:\n  #0  run_job+") || !strings.Contains(got, "PID: ") || !strings.Contains(got, "The history is in the store, which is unreachable.") {
		t.Errorf("while the store is unreachable:\n%s", got)
	}
	if err := os.RemoveAll(local.corpus); err != nil {
		t.Fatal(err)
	}
	if got := local.must("show"); !strings.Contains(got, "\nStack:\n  #0  run_job+") {
		t.Errorf("while the directory is unreachable:\n%s", got)
	}
}
