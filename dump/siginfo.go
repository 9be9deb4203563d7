package dump

import (
	"debug/elf"
	"encoding/binary"
	"io"
	"iter"
	"slices"
)

// Signals raised by a fault of the program itself, with the numbers of asm-generic.
const (
	sigILL  = 4
	sigTRAP = 5
	sigBUS  = 7
	sigFPE  = 8
	sigSEGV = 11
)

const (
	siKernel = 0x80 // SI_KERNEL: used for timers, and for faults without an address

	// maxHandlerStack is the maximum number of bytes of stack that are searched for a signal
	// frame.
	maxHandlerStack = 256 << 10

	// maxSignalStacks is the maximum number of stacks that a prediction searches for signal
	// frames.
	maxSignalStacks = 64

	// handlerFrame is the length of a frame starting at the saved stack pointer.
	handlerFrame = 144 + 24
)

// Fault describes the signal that ended a process, as recorded by the kernel.
type Fault struct {
	Signal     int    // 0 means none
	Address    uint64 // inaccessible address, or address of the instruction
	HasAddress bool   // false for a signal sent by a process
	SP         uint64 // stack pointer when the signal arrived
}

// faultOf parses siginfo_t (asm-generic/siginfo.h): si_signo, si_errno, si_code, and si_addr if a
// fault raised the signal.
func faultOf(v structView) Fault {
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

// StackOverflow reports whether f is an access below the stack of the thread that died: near its
// stack pointer, where there is no readable memory.
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

// signalFrames yields the offsets in stack, which starts at address sp, of the stack pointers
// saved by the kernel for signal handlers. Each is followed by at least size bytes. Only x86_64
// is supported: there, one word after rsp, rip and eflags (struct sigcontext_64 of
// asm/sigcontext.h) contains the segment registers of user code.
func (e *ELF) signalFrames(stack structView, sp uint64, size int) iter.Seq[int] {
	const saved = "\x33\x00\x00\x00\x00\x00\x2b\x00" // cs, gs, fs, ss
	mark := binary.LittleEndian.Uint64([]byte(saved))
	return func(yield func(int) bool) {
		if e.Machine != elf.EM_X86_64 || e.Class != 64 {
			return
		}
		for off := int(-sp & 7); off+size <= len(stack.b); off += 8 {
			if stack.u64(off+24) == mark && !yield(off) {
				return
			}
		}
	}
}

// signalFrames predicts the stacks that signal handlers interrupted. A handler may run on a
// separate stack (sigaltstack(2), used by Go and by programs that report their own crashes), so
// the interrupted frames may be elsewhere.
func (m memoryPredictor) signalFrames(info *Info) {
	if info.OS != "linux" {
		return
	}
	window := stackWindow(info)
	for _, t := range info.Threads[:min(len(info.Threads), maxSignalStacks)] {
		v := m.read(t.SP, int(window))
		for off := range m.elf.signalFrames(v, t.SP, 32) {
			m.wantAround(v.u64(off), stackBelow, stackAbove)
			m.wantAddr(v.u64(off+8), 16)
		}
	}
}

// Handled returns the signal whose handler was running on the thread that died, the innermost
// one. Its Signal is 0 if a process or a timer sent it and its number is unknown. ok is false if
// there is no handler, or on processors other than x86_64.
func (i *Info) Handled(r io.ReaderAt) (f Fault, ok bool, err error) {
	if i.ELF == nil || i.ELF.Machine != elf.EM_X86_64 || i.OS != "linux" || len(i.Threads) == 0 {
		return Fault{}, false, nil
	}
	b, err := newBufReader(r, i.Size)
	if err != nil {
		return Fault{}, false, err
	}
	sp := i.Threads[0].SP
	stack, err := i.ELF.memory(b, sp, maxHandlerStack)
	if err != nil {
		return Fault{}, false, err
	}
	for off := range i.ELF.signalFrames(i.ELF.view(stack), sp, handlerFrame) {
		return i.handledFault(i.ELF.view(stack[off:])), true, nil
	}
	return Fault{}, false, nil
}

// handledFault parses the frame that the kernel pushes for a handler, starting at the saved stack
// pointer: struct sigcontext_64, the signal mask, siginfo_t. siginfo_t is present only for
// handlers with SA_SIGINFO, so it is used only if it agrees with the registers. Otherwise the
// trap number decides.
func (i *Info) handledFault(v structView) Fault {
	const rip, trapno, cr2, siginfo = 8, 40, 56, 144
	info := structView{v.b[siginfo:], v.order, v.word}
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
