package dump

import (
	"encoding/binary"
	"io"
	"slices"
	"strings"
)

// Signals that a fault of the program itself raises, by the numbers of asm-generic.
const (
	sigILL  = 4
	sigTRAP = 5
	sigBUS  = 7
	sigFPE  = 8
	sigSEGV = 11
)

// Fault is what the kernel says about the signal that ended a process.
type Fault struct {
	Signal     int    // 0: none
	Address    uint64 // that could not be accessed, or of the instruction
	HasAddress bool   // false for a signal that a process sent
	SP         uint64 // stack pointer when it arrived
}

// siginfo reads siginfo_t (asm-generic/siginfo.h): si_signo, si_errno, si_code, then
// si_addr where a fault sent the signal. MIPS has si_code first.
func (c *elfCore) siginfo(v view) {
	if c.info.fault.Signal == 0 && !strings.HasPrefix(c.info.Machine, "mips") {
		c.info.fault = faultOf(v)
	}
}

const siKernel = 0x80 // SI_KERNEL: of a fault without an address, and of timers

func faultOf(v view) Fault {
	f := Fault{Signal: v.i32(0)}
	if code := v.i32(8); code > 0 && code != siKernel && isFaultSignal(f.Signal) {
		f.HasAddress = true
		f.Address = v.long(8 + v.word) // the union is aligned to a pointer
	}
	return f
}

func isFaultSignal(signal int) bool {
	return slices.Contains([]int{sigILL, sigTRAP, sigBUS, sigFPE, sigSEGV}, signal)
}

// Fault returns the signal that ended the process.
func (i *Info) Fault() Fault {
	f := Fault{Signal: i.Signal}
	if i.fault.Signal == i.Signal {
		f = i.fault
	}
	if len(i.Threads) > 0 {
		f.SP = i.Threads[0].SP
	}
	return f
}

// StackOverflow reports whether f is an access below the stack that it happened on:
// near its stack pointer, where no readable memory is.
func (i *Info) StackOverflow(f Fault) bool {
	const near = 1 << 20
	if f.Signal != sigSEGV || !f.HasAddress || i.ELF == nil || f.Address > f.SP+near || f.SP > f.Address+near {
		return false
	}
	stack := false
	for _, s := range i.ELF.Segments {
		const readable = 4
		if s.Type != SegmentLoad || s.Flags&readable == 0 {
			continue
		}
		if f.Address-s.Vaddr < s.Memsz {
			return false
		}
		stack = stack || s.Vaddr > f.Address && s.Vaddr-f.Address < near
	}
	return stack
}

// maxHandlerStack is how much of a stack is searched for the frame of a signal.
const maxHandlerStack = 256 << 10

// Handled returns the signal whose handler was running on the thread that died, the
// innermost one. Its Signal is 0 when it was sent by a process or a timer and cannot be
// told. ok is false when there is no handler, and on processors other than x86_64.
func (i *Info) Handled(r io.ReaderAt) (f Fault, ok bool, err error) {
	const saved = "\x33\x00\x00\x00\x00\x00\x2b\x00" // cs, gs, fs, ss of user code
	if i.ELF == nil || i.ELF.Machine != emX86_64 || i.ELF.Class != 64 || i.OS != "linux" || len(i.Threads) == 0 {
		return Fault{}, false, nil
	}
	s, err := newSource(r, i.Size)
	if err != nil {
		return Fault{}, false, err
	}
	sp := i.Threads[0].SP
	b, err := i.ELF.memory(s, sp, maxHandlerStack)
	if err != nil {
		return Fault{}, false, err
	}
	mark := binary.LittleEndian.Uint64([]byte(saved))
	v := i.ELF.view(b)
	for off := int(-sp & 7); off+handlerFrame <= len(b); off += 8 {
		if v.u64(off+24) == mark {
			return i.handlerFrame(i.ELF.view(b[off:])), true, nil
		}
	}
	return Fault{}, false, nil
}

// handlerFrame is how many bytes of a frame follow the saved stack pointer.
const handlerFrame = 144 + 24

// handlerFrame reads the frame that the kernel pushes for a handler, from the saved stack
// pointer on: struct sigcontext_64 (asm/sigcontext.h), the signal mask, siginfo_t. The
// last is there only for handlers with SA_SIGINFO, so it is held against the registers;
// otherwise the trap says what it was.
func (i *Info) handlerFrame(v view) Fault {
	const rip, trapno, cr2, siginfo = 8, 40, 56, 144
	info := view{v.b[siginfo:], v.order, v.word}
	f := faultOf(info)
	f.SP = v.u64(0)
	code := info.i32(8)
	known := f.Signal > 0 && f.Signal <= 64 && info.u32(4) == 0
	sent := code <= 0 && code >= -6 // SI_USER to SI_TKILL, followed by the sender
	if known && (sent && i.PID != 0 && info.i32(16) == i.PID || f.HasAddress && (f.Address == v.u64(cr2) || f.Address == v.u64(rip))) {
		return f
	}
	trap := Fault{SP: f.SP}
	switch v.u64(trapno) {
	case 0: // sent, or a division by zero
		if known && (sent || code == siKernel) && !isFaultSignal(f.Signal) {
			trap.Signal = f.Signal
		}
	case 1, 3: // debug, breakpoint
		trap.Signal = sigTRAP
	case 6: // invalid opcode
		trap.Signal = sigILL
	case 14: // page fault
		trap.Signal, trap.Address, trap.HasAddress = sigSEGV, v.u64(cr2), true
	case 16, 19: // floating point
		trap.Signal = sigFPE
	case 17: // alignment
		trap.Signal = sigBUS
	default:
		trap.Signal = sigSEGV
	}
	return trap
}
