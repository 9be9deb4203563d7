package dump

import (
	"strconv"
	"strings"
)

// cut is strings.Cut for a single byte.
func cut(s string, sep byte) (before, after string, found bool) {
	if i := strings.IndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// netbsdCore reads the core of a NetBSD process (core(5), sys/exec_elf.h): a note
// "NetBSD-CORE" of the process, and "NetBSD-CORE@LWP" for the registers of each
// of its threads, which the machine numbers by its own ptrace(2) requests.
func (c *elfCore) netbsdCore() {
	const procinfo, auxv = 1, 2
	c.info.OS = "netbsd"
	siglwp, lwps := 0, 0
	for n := range c.notes.all() {
		name, lwp, threaded := cut(n.owner, '@')
		switch {
		case name != "NetBSD-CORE":
		case threaded:
			c.netbsdRegisters(n, lwp)
		case n.typ == auxv:
			c.elf.Auxv = n.auxv()
		case n.typ == procinfo && !c.info.HasPID && len(n.b) >= 0x7c+32:
			c.info.Signal = n.i32(8)
			c.info.PID, c.info.HasPID = n.i32(0x50), true
			c.info.Cmd = n.text(0x7c, 32)
			lwps, siglwp = n.i32(0x78), n.i32(0x9c)
		}
	}
	// Registers of a machine that is not known here: the count still is.
	for i := len(c.info.Threads); i < min(lwps, maxThreads) && len(c.info.Threads) == i && c.netbsdRegs() == 0; i++ {
		c.addThread(Thread{})
	}
	for i := range c.info.Threads {
		if t := &c.info.Threads[i]; t.TID == siglwp || siglwp == 0 {
			t.Signal = c.info.Signal
		}
	}
}

// netbsdRegs is the type of the note with the general registers: 32 plus the
// number of PT_GETREGS beyond PT_FIRSTMACH; 0 where that is not known.
func (c *elfCore) netbsdRegs() uint32 {
	switch c.elf.Machine {
	case emX86_64, em386:
		return 0x21
	}
	return 0
}

func (c *elfCore) netbsdRegisters(n note, lwp string) {
	if n.typ != c.netbsdRegs() || n.typ == 0 {
		return
	}
	tid, _ := strconv.Atoi(lwp)
	t := Thread{TID: tid}
	switch c.elf.Machine {
	case emX86_64:
		t.PC, t.SP = n.long(21*8), n.long(24*8)
	case em386:
		t.PC, t.SP = n.long(8*4), n.long(4*4)
	}
	c.addThread(t)
}

// openbsdCore reads the core of an OpenBSD process (core(5), sys/exec_elf.h): a
// note "OpenBSD" of the process, and "OpenBSD@TID" for each of its threads.
func (c *elfCore) openbsdCore() {
	const procinfo, auxv, regs = 10, 11, 20
	c.info.OS = "openbsd"
	for n := range c.notes.all() {
		name, tid, threaded := cut(n.owner, '@')
		switch {
		case name != "OpenBSD":
		case threaded && n.typ == regs:
			c.addThread(c.openbsdThread(n, tid))
		case !threaded && n.typ == regs: // before OpenBSD had threads
			c.addThread(c.openbsdThread(n, "0"))
		case n.typ == auxv:
			c.elf.Auxv = n.auxv()
		case n.typ == procinfo && len(n.b) >= 0x48+32:
			c.info.Signal = n.i32(8)
			c.info.PID, c.info.HasPID = n.i32(0x20), true
			c.info.Cmd = n.text(0x48, 32)
		}
	}
}

func (c *elfCore) openbsdThread(n note, tid string) Thread {
	id, _ := strconv.Atoi(tid)
	t := Thread{TID: id}
	if c.elf.Machine == emX86_64 {
		t.PC, t.SP = n.long(16*8), n.long(15*8)
	}
	return t
}
