package debugger

import (
	"fmt"
	"testing"

	"thothfs/dump"
)

const gdbTwoThreads = `
Thread 1 (Thread 0x7f887b6ff6c0 (LWP 12746)):
warning: Unexpected size of section
#0  pause () at pause.c:29
FRAME 0x1000 0x7000
pause in section .text of /lib/libc.so.6
CALL

Thread 2 (LWP 12748):
#0  0x0000000000002000 in run_job (j=0x0) at worker.c:19
FRAME 0x2000 0x8000
run_job + 4 in section .text
CALL
`

const euTwoThreads = `PID 12745 - core
TID 12746:
#0  0x0000000000001000     pause - /lib/libc.so.6
TID 12748:
#0  0x0000000000002000     run_job
`

func TestSplitThreads(t *testing.T) {
	info := &dump.Info{Threads: []dump.Thread{{TID: 12748}, {TID: 12746}}}
	gdb := splitThreads([]byte(gdbTwoThreads), gdbThread, func(out []byte) []string { return parseGDBFrames(out, nil) })
	eu := splitThreads([]byte(euTwoThreads), euThread, func(out []byte) []string { return parseEUFrames(out, nil) })
	if got, want := fmt.Sprint(diedFirst(gdb, info)), "[{12748 [run_job+0x4()]} {12746 [libc.so.6`pause+0x0()]}]"; got != want {
		t.Errorf("gdb: %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(diedFirst(eu, info)), "[{12748 [run_job()]} {12746 [libc.so.6`pause()]}]"; got != want {
		t.Errorf("eu-stack: %s, want %s", got, want)
	}
	if got := splitThreads([]byte("no threads here"), gdbThread, func([]byte) []string { return nil }); got != nil {
		t.Errorf("of none: %v", got)
	}
}
