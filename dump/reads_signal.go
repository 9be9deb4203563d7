package dump

import "encoding/binary"

// maxSignalStacks bounds the stacks that are searched for signal frames.
const maxSignalStacks = 64

// signals foretells the stacks that signal handlers interrupted. A handler may run
// on a stack of its own (sigaltstack(2): Go, and programs that report their own
// crashes), so that the frames below it are elsewhere.
//
// On x86_64 the registers that the kernel saves (struct sigcontext_64 of
// asm/sigcontext.h) show by the segment registers of user code, in one word behind
// rsp, rip and eflags.
func (m memory) signals(info *Info) {
	const saved = "\x33\x00\x00\x00\x00\x00\x2b\x00" // cs, gs, fs, ss
	if m.elf.Machine != emX86_64 || m.elf.Class != 64 || info.OS != "linux" {
		return
	}
	mark := binary.LittleEndian.Uint64([]byte(saved))
	window := stackWindow(info)
	for _, t := range info.Threads[:min(len(info.Threads), maxSignalStacks)] {
		v := m.read(t.SP, int(window))
		for off := int(-t.SP & 7); off+32 <= len(v.b); off += 8 {
			if v.u64(off+24) != mark {
				continue
			}
			m.wantAround(v.u64(off), stackBelow, stackAbove)
			m.want(v.u64(off+8), 16)
		}
	}
}
