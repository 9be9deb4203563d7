package dump

import "strings"

// Types of note with the owner CORE, as Linux writes them (linux/elf.h). The
// first three mean the same on illumos, in other layouts.
const (
	ntPrstatus = 1
	ntPrpsinfo = 3
	ntAuxv     = 6
	ntSiginfo  = 0x53494749
	ntFile     = 0x46494c45
)

// Types of note with the owner LINUX.
const (
	nt386TLS = 0x200
	ntArmTLS = 0x401
)

// linuxCore reads the core of a Linux process. The kernel writes the thread that
// died first; the notes of a thread follow its NT_PRSTATUS.
func (c *elfCore) linuxCore() {
	c.info.OS = "linux"
	machine := c.info.Machine
	arch := archOf(machine, c.elf.Class)
	var file view
	for n := range c.notes.all() {
		switch {
		case n.owner == "CORE" && n.typ == ntPrstatus:
			c.addThread(arch.thread(n.view, machine))
		case n.owner == "CORE" && n.typ == ntPrpsinfo:
			c.linuxPrpsinfo(n.view)
		case n.owner == "CORE" && n.typ == ntAuxv:
			c.elf.Auxv = n.auxv()
		case n.owner == "CORE" && n.typ == ntFile && file.b == nil:
			file = n.view
		case n.owner == "CORE" && n.typ == ntSiginfo:
			c.siginfo(n.view)
		case n.owner == "LINUX":
			c.linuxTLS(n)
		}
	}
	c.info.Signal = c.firstSignal()
	c.linuxFiles(file)
}

// linuxPrpsinfo reads struct elf_prpsinfo, which ends alike on every
// architecture: pid, ppid, pgrp, sid, fname[16], psargs[80].
func (c *elfCore) linuxPrpsinfo(v view) {
	n := len(v.b)
	if n < 112 || c.info.HasPID {
		return
	}
	c.info.PID, c.info.HasPID = v.i32(n-112), true
	c.info.Cmd = v.text(n-96, 16)
	c.info.Psargs = strings.TrimRight(v.text(n-80, 80), " ")
}

// linuxTLS reads the thread pointer where it is not among the registers.
func (c *elfCore) linuxTLS(n note) {
	if len(c.info.Threads) == 0 {
		return
	}
	t := &c.info.Threads[len(c.info.Threads)-1]
	switch {
	case n.typ == nt386TLS && c.elf.Machine == em386:
		t.TLS = uint64(n.u32(4)) // struct user_desc: entry_number, base_addr, …
	case n.typ == ntArmTLS && (c.elf.Machine == emAARCH64 || c.elf.Machine == emARM):
		t.TLS = n.long(0)
	}
}

// firstSignal is the signal of the first thread that has one: the one that died
// is the first, and the only one where the kernel does not give it to all.
func (c *elfCore) firstSignal() int {
	for _, t := range c.info.Threads {
		if t.Signal != 0 {
			return t.Signal
		}
	}
	return 0
}

func (c *elfCore) addThread(t Thread) {
	if len(c.info.Threads) < maxThreads {
		c.info.Threads = append(c.info.Threads, t)
	}
}
