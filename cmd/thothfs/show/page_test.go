package show

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"thothfs/cmd/thothfs/debugger"
	"thothfs/dump"
	"thothfs/dump/document"
)

func pageText(t *testing.T, p Page, l Layout) string {
	t.Helper()
	p.ID = dump.ID{0xab}
	var b strings.Builder
	if err := p.Write(&b, l); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const everything = `{"type":"core","pid":"42","cmd":"chk","ppid":1,"uid":1000,"gid":1001,"psargs":"chk -x","exe":"/opt/chk","buildid":"0badcafe",
	"signal":{"name":"SIGSEGV","number":11,"code":1,"codename":"SEGV_MAPERR","address":"0x8"},"time":1796039557,"threads":9,"size":2048,"truncated":true,
	"rlimit":"unlimited","unit":"chk.service","container":"c0ffee","node":"web-7","platform":"Linux_6.1","os":{"distribution":"Debian 12","kernel":"6.1.119"},
	"boot":"b007","uploaded":{"at":"2026-11-30T12:00:00Z","by":"root","host":"vm"},"ticket":"OS-1","odd":{"member":[1,2]},
	"stack":["f+0x1()","main+0x2()"],"properties":{"signature":"5165","signature_of":"f < main","triage":"bmc","deep":{"er":true}}}`

func TestPage(t *testing.T) {
	got := pageText(t, Page{Doc: document.Parse([]byte(everything)), Storage: "/corpus/ab/core", Program: "/opt/chk (as recorded)",
		Modules:   []Module{{"/opt/chk", "0badcafe", debugger.Same}, {"/lib/libc.so", "", debugger.Absent}},
		History:   []Edit{{time.Unix(1796039558, 0), "root@vm", "ticket: - → OS-1"}},
		NoThreads: "The process had 9 threads.", Debug: "thothfs debug ab"}, Layout{})
	const want = `            Dump: ab000000000000000000000000000000
            Type: core
             PID: 42 (chk)
      Parent PID: 1
             UID: 1000
             GID: 1001
          Signal: 11 (SIGSEGV), SEGV_MAPERR, address 0x8
            Time: 2026-11-30 11:52:37 UTC
    Command Line: chk -x
      Executable: /opt/chk
        Build ID: 0badcafe
         Threads: 9
            Size: 2.0 KiB (2,048 bytes), truncated
      Core Limit: unlimited
            Unit: chk.service
       Container: c0ffee
            Node: web-7
        Platform: Linux_6.1
          System: Debian 12, kernel 6.1.119
         Boot ID: b007
        Uploaded: 2026-11-30 12:00:00 UTC by root@vm
          Ticket: OS-1
       Signature: 5165: f < main
      odd.member: [1,2]
         Storage: /corpus/ab/core
         Program: /opt/chk (as recorded)

Stack:
  #0  f+0x1()
  #1  main+0x2()

The process had 9 threads.

Modules (1 of 2 are on this machine in the same build):
  same     0badcafe  /opt/chk
  absent   -  /lib/libc.so

Properties:
   triage: bmc
  deep.er: true

Last edits:
  2026-11-30T11:52:38Z  root@vm  ticket: - → OS-1

To debug it: thothfs debug ab
`
	if strings.TrimLeft(got, " ") != strings.TrimLeft(strings.ReplaceAll(want, "\n    ", "\n  "), " ") {
		t.Errorf("got\n%s", got)
	}
	if aged := pageText(t, Page{Doc: document.Parse([]byte(everything))}, Layout{Now: time.Unix(1796039557+7200, 0)}); !strings.Contains(aged, "UTC (2 hours ago)\n") {
		t.Errorf("with a clock:\n%s", aged)
	}
}

func TestPageOfAKernel(t *testing.T) {
	doc := `{"type":"crash","format":"vmcore","panic":"Oops","kernel":{"release":"6.1","version":"#1 SMP","machine":"x86_64","cpus":4,"uptime":61,"kaslr":"0x1","dumplevel":31},"stack":["f()"]}`
	got := pageText(t, Page{Doc: document.Parse([]byte(doc)), Program: "not found"}, Layout{})
	for _, want := range []string{"Type: crash, vmcore\n", "Panic: Oops\n", "Kernel: 6.1 #1 SMP\n", "CPUs: 4\n", "Uptime: 1m1s\n", "KASLR Offset: 0x1\n", "Dump Level: 31\n", "vmlinux: not found\n", "\nCall trace:\n  #0  f()\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// TestPageFits checks that a page for a terminal of 80 columns has no longer lines, and one for a pipe has
// every frame whole.
func TestPageFits(t *testing.T) {
	frame := strings.Repeat("ünternamespace::", 20) + "f()"
	doc := document.Parse([]byte(`{"type":"core","psargs":"` + strings.Repeat("word ", 60) + `"}`))
	p := Page{Doc: doc, Threads: []debugger.ThreadStack{{TID: 1, Frames: []string{frame}}}, Modules: []Module{{"/" + strings.Repeat("d/", 100) + "libx.so", strings.Repeat("a", 40), debugger.Same}},
		History: []Edit{{time.Time{}, "w", strings.Repeat("x", 300)}}}
	for line := range strings.Lines(pageText(t, p, Layout{Width: 80})) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 80 {
			t.Errorf("too long: %q", line)
		}
	}
	if got := pageText(t, p, Layout{}); !strings.Contains(got, frame) || !strings.Contains(got, strings.Repeat("a", 40)) {
		t.Errorf("in a pipe:\n%s", got)
	}
}

// TestPageGroupsThreads checks that threads with the same stack are shown once, and that pages stay short.
func TestPageGroupsThreads(t *testing.T) {
	threads := []debugger.ThreadStack{{TID: 7, Frames: make([]string, maxFrames+5)}}
	for i := range 100 {
		threads = append(threads, debugger.ThreadStack{TID: 100 + i, Frames: []string{"wait()"}})
	}
	for i := range maxStacks + 1 {
		threads = append(threads, debugger.ThreadStack{TID: 300 + i, Frames: append([]string{fmt.Sprint(i)}, make([]string, maxOthers)...)})
	}
	got := pageText(t, Page{Doc: document.Parse([]byte(`{"stack":["recorded()"]}`)), Threads: threads}, Layout{})
	for _, want := range []string{"Stack of the thread that died (7):", "… 5 more frames", "Stack of 100 threads (100, 101, 102, 103, 104, 105, …):\n  #0  wait()\n", "… 1 more frames", "2 more threads have other stacks."} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(got, "recorded()") || strings.Count(got, "\n") > 300 {
		t.Errorf("got\n%s", got)
	}
}

// TestPageIsHarmless checks that nothing of a document controls the terminal.
func TestPageIsHarmless(t *testing.T) {
	evil := `\u001b[31m\u009b2J\u202e\nx`
	doc := document.Parse([]byte(`{"cmd":"` + evil + `","` + evil + `":"` + evil + `","properties":{"` + evil + `":"` + evil + `"},"stack":["` + evil + `"]}`))
	got := pageText(t, Page{Doc: doc, Modules: []Module{{"/\x1b\n", "", debugger.Same}}, History: []Edit{{time.Time{}, "\x1b", "change"}}}, Layout{Width: 80})
	if strings.ContainsAny(got, "\x1b\u009b\u202e") {
		t.Errorf("got %q", got)
	}
	var many strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&many, `"m%d":"%s",`, i, strings.Repeat("v", 10))
	}
	if got := pageText(t, Page{Doc: document.Parse([]byte("{" + many.String() + `"z":1}`))}, Layout{}); strings.Count(got, "\n") > maxFacts+10 {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
}
