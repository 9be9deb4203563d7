package debugger

import (
	"slices"
	"testing"

	"thothfs/dump"
)

// TestGDBFrames checks that the function of a call is that of the byte before the return address.
// The address of an interrupted frame is exact, whether the signal frame has a symbol or is only
// recognized by gdb.
func TestGDBFrames(t *testing.T) {
	const text = `[New LWP 25564]
#0  0x00007f3fcd2d8eec in ?? () from /lib/x86_64-linux-gnu/libc.so.6
#0  0x00007f3fcd2d8eec in ?? () from /lib/x86_64-linux-gnu/libc.so.6
FRAME 0x7f3fcd2d8eec
No symbol matches $pc.
CALL
No symbol matches $pc - 1.
#1  0x00007f3fcd274472 in abort () from /lib/x86_64-linux-gnu/libc.so.6
FRAME 0x7f3fcd274472
after_abort in section .text of /lib/x86_64-linux-gnu/libc.so.6
CALL
abort + 209 in section .text of /lib/x86_64-linux-gnu/libc.so.6
#2  0x00005638d6b84096 in handler (sig=...) in section of lies
FRAME 0x5638d6b84096
next in section .text of /tmp/two
CALL
handler + 5 in section .text of /tmp/two
#3  <signal handler called>
FRAME 0x7f3fcd28a050
No symbol matches $pc.
CALL
tail + 7 in section .text of /lib/x86_64-linux-gnu/libc.so.6
#4  take (p=...)
FRAME 0x5638d6b84240
take in section .text of /tmp/two
CALL
before + 9 in section .text of /tmp/two
#5  0x00005638d6b84261 in runtime.mapassign[go.shape] (how=...)
FRAME 0x5638d6b84261
main + 33 in section .text of /tmp/two
CALL
main + 32 in section .text of /tmp/two
`
	want := []string{"0x7f3fcd2d8eec()", "libc.so.6`abort+0xd2()", "handler+0x6()", "sigreturn()", "take+0x0()", "main+0x21()"}
	if got := parseGDBFrames([]byte(text), nil); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	const named = `FRAME 0x1
handler in section .text
CALL
handler in section .text
FRAME 0x2
__restore_rt in section .text of /lib/libc.so.6
CALL
x + 1 in section .text of /lib/libc.so.6
FRAME 0x3
take in section .text
CALL
before + 1 in section .text
`
	want = []string{"handler+0x0()", "libc.so.6`__restore_rt+0x0()", "take+0x0()"}
	if got := parseGDBFrames([]byte(named), nil); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestGDBFramesOfInlinedFunctions checks that an inlined function becomes a separate frame with the
// same address and gdb's name, and that a frame without a symbol gets its module and offset.
func TestGDBFramesOfInlinedFunctions(t *testing.T) {
	const text = `#0  peek (p=...)
FRAME 0x401260 0x7ff0
tail in section .text of /tmp/two
CALL
frame_dummy + 15 in section .text of /tmp/two
#1  walk (p=..., n=...)
FRAME 0x401260 0x7ff0
tail in section .text of /tmp/two
CALL
frame_dummy + 15 in section .text of /tmp/two
#2  tail (p=...)
FRAME 0x401260 0x7ff0
tail in section .text of /tmp/two
CALL
frame_dummy + 15 in section .text of /tmp/two
#3  0x00007f000000124a in (anonymous namespace)::Till::go<int> (this=..., c=...)
FRAME 0x7f000000124a 0x8000
No symbol matches $pc.
CALL
Till::run(int) + 7 in section .text of /lib/libtill.so.3
#4  Till::run (this=...)
FRAME 0x7f000000124a 0x8000
No symbol matches $pc.
CALL
Till::run(int) + 7 in section .text of /lib/libtill.so.3
#5  0x00007f000000223a in ?? ()
FRAME 0x7f000000223a 0x8010
No symbol matches $pc.
CALL
No symbol matches $pc - 1.
#6  0x000000000040123a in ?? ()
FRAME 0x40123a 0x8020
No symbol matches $pc.
CALL
No symbol matches $pc - 1.
#7  0x00007f0000002300 in deep (v=...)
FRAME 0x7f0000002300 0x8028
No symbol matches $pc.
CALL
No symbol matches $pc - 1.
#8  flat (v=...)
FRAME 0x7f0000002300 0x8028
flat + 2 in section .text
CALL
flat + 1 in section .text
#9  0x0000000000000010 in ?? ()
FRAME 0x10 0x8030
No symbol matches $pc.
CALL
No symbol matches $pc - 1.
`
	modules := []dump.Module{{Path: "/tmp/two", Start: 0x400000, End: 0x500000}, {Path: "/lib/libtill.so.3", Start: 0x7f0000000000, End: 0x7f0000003000}}
	want := []string{"peek()", "walk()", "tail+0x0()", "libtill.so.3`(anonymous namespace)::Till::go<int>()", "libtill.so.3`Till::run(int)+0x8()",
		"libtill.so.3`+0x223a()", "two`+0x123a()", "libtill.so.3`deep()", "libtill.so.3`flat+0x2()", "0x10()"}
	got := parseGDBFrames([]byte(text), modules)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for i, frame := range got {
		if hasName(frame) != (i < 5 || i == 7 || i == 8) {
			t.Errorf("%s has a name: %v", frame, hasName(frame))
		}
	}
}

func TestEUFrames(t *testing.T) {
	const text = `PID 1 - core
TID 1:
#0  0x00007f000000feec     __pthread_kill_implementation - libc.so.6
    ./nptl/pthread_kill.c:44:76
#1  0x00007f000000272a - 1 - libstdc++.so.6
#2  0x0000000000401260 - 1 int shop::at<shop::Cart>(shop::Cart&, int) - /tmp/my program
    /tmp/c.cc:5:81
#3  0x0000000000401260 - 1 operator- - /tmp/my program
#4  0x00007f0000001070     - libc.so.6
#5  0x0000000000401277     - my program
#6  0x0000000000000010 - 1
TID 2:
#0  0x00007f000000feec     other - libc.so.6
`
	modules := []dump.Module{{Path: "/tmp/my program", Start: 0x400000, End: 0x500000}, {Path: "/lib/libstdc++.so.6", Start: 0x7f0000002000, End: 0x7f0000003000}}
	want := []string{"libc.so.6`__pthread_kill_implementation()", "libstdc++.so.6`+0x72a()", "int shop::at<shop::Cart>(shop::Cart&, int)()", "operator-()",
		"sigreturn()", "my program`+0x1277()", "0x10()"}
	if got := parseEUFrames([]byte(text), modules); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
