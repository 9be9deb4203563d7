package main

import (
	"slices"
	"testing"
)

// A call is the function that the byte before its return address is in; what a signal
// interrupted is where it says, whether the handler's way back has a name or only gdb
// knows it.
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
	if got := parseGDBFrames([]byte(text)); !slices.Equal(got, want) {
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
	if got := parseGDBFrames([]byte(named)); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
