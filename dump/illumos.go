package dump

import "debug/elf"

// Types of notes with the owner CORE that only illumos writes (sys/elf.h).
const (
	ntPstatus   = 10
	ntPsinfo    = 13
	ntUtsname   = 15
	ntLwpstatus = 16
	ntZonename  = 21
)

// illumosLayout holds the offsets of fields in the notes of illumos (sys/procfs.h,
// sys/old_procfs.h and sys/regset.h).
type illumosLayout struct {
	prFname, prPsargs          int // prpsinfo_t; pr_pid is at 16
	psFname, psPsargs, psWstat int // psinfo_t; pr_pid is at 8
	pstatusLwp                 int // pstatus_t; pr_pid is at 8
	regs, word, pc, sp, fs     int // lwpstatus_t; pc, sp and fs are register numbers
}

func (e *ELF) illumosLayout() illumosLayout {
	l := illumosLayout{84, 100, 88, 104, 184, 336, 344, 4, 14, 17, 0}
	if e.Class == 64 {
		l = illumosLayout{120, 136, 136, 152, 232, 384, 544, 8, 17, 20, 26}
	}
	switch e.Machine {
	case elf.EM_SPARC, elf.EM_SPARC32PLUS, elf.EM_SPARCV9:
		l.pc, l.sp, l.fs = 33, 14, 0
	}
	return l
}

// isIllumos reports whether a note of CORE identifies an illumos process.
func isIllumos(n note) bool {
	switch n.typ {
	case ntPstatus, ntPsinfo, ntUtsname, ntLwpstatus:
		return true
	case ntPrpsinfo:
		return len(n.b) == 260 || len(n.b) == 328
	}
	return false
}

// illumosCore reads the core of an illumos process: a note segment in the old layouts, then one
// in the new layouts.
func (c *elfCore) illumosCore() {
	c.info.OS = "illumos"
	l := c.elf.illumosLayout()
	signal := 0
	for n := range c.notes.all() {
		if n.owner != "CORE" {
			continue
		}
		switch n.typ {
		case ntPrpsinfo:
			c.illumosProcess(n.structView, 16, l.prFname, l.prPsargs)
			c.owner(n.structView, 20, 8, 12)
		case ntPsinfo:
			c.illumosProcess(n.structView, 8, l.psFname, l.psPsargs)
			c.owner(n.structView, 12, 24, 32)
			if signal == 0 {
				signal = n.i32(l.psWstat) & 0x7f
			}
		case ntPstatus:
			lwp := structView{n.at(l.pstatusLwp, len(n.b)-l.pstatusLwp), n.order, n.word}
			if t := l.thread(lwp); t.Signal != 0 {
				signal = t.Signal
				c.illumosSiginfo(lwp)
			}
		case ntLwpstatus:
			if t := l.thread(n.structView); t.Signal != 0 {
				c.illumosSiginfo(n.structView)
			}
			c.addThread(l.thread(n.structView))
		case ntAuxv:
			c.elf.Auxv = n.auxv()
		case ntUtsname: // struct utsname: five strings of 257 bytes
			c.info.Node, c.info.Kernel, c.info.Platform = n.text(257, 257), n.text(514, 257), n.text(771, 257)
		case ntZonename:
			if name := cstring(n.b); name != "" {
				c.info.Properties["zonename"] = name
			}
		}
	}
	c.info.Signal = signal
	if signal == 0 {
		c.info.Signal = c.firstSignal()
	}
}

// illumosSiginfo reads pr_info of an lwpstatus_t, unless an earlier one was read.
func (c *elfCore) illumosSiginfo(lwp structView) {
	const info = 16
	if s := lwp.at(info, len(lwp.b)-info); c.info.raised.Number == 0 && s != nil {
		c.info.raised = c.info.siginfo(structView{s, lwp.order, lwp.word}, illumosSiginfo)
	}
}

// illumosProcess uses the first note that contains the information, as Thoth does.
func (c *elfCore) illumosProcess(v structView, pid, fname, psargs int) {
	if len(v.b) >= psargs+80 {
		c.process(v, pid, fname, psargs)
	}
}

// thread parses an lwpstatus_t.
func (l illumosLayout) thread(v structView) Thread {
	reg := func(i int) uint64 { return v.long(l.regs + i*l.word) }
	t := Thread{TID: v.i32(4), Signal: int(int16(v.u16(12))), PC: reg(l.pc), SP: reg(l.sp)}
	if l.fs != 0 {
		t.TLS = reg(l.fs)
	}
	return t
}
