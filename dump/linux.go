package dump

import "debug/elf"

import "strings"

// Types of notes with the owner CORE, as written by Linux (linux/elf.h). illumos uses the first
// three with other layouts.
const (
	ntPrstatus = 1
	ntPrpsinfo = 3
	ntAuxv     = 6
	ntSiginfo  = 0x53494749
	ntFile     = 0x46494c45
)

// Types of notes with the owner LINUX.
const (
	nt386TLS = 0x200
	ntArmTLS = 0x401
)

// linuxCore reads the core of a Linux process. The thread that died comes first, and the notes of
// each thread follow its NT_PRSTATUS.
func (c *elfCore) linuxCore() {
	c.info.OS = "linux"
	var file structView
	for n := range c.notes.all() {
		switch {
		case n.owner == "CORE" && n.typ == ntPrstatus:
			c.addThread(linuxThread(n.structView, c.info.Machine))
		case n.owner == "CORE" && n.typ == ntPrpsinfo:
			// The end of struct elf_prpsinfo is the same on every architecture: pid, ppid, pgrp,
			// sid, fname[16], psargs[80].
			if end := len(n.b); end >= 112 {
				c.process(n.structView, end-112, end-96, end-80)
				c.linuxOwner(n.structView)
			}
		case n.owner == "CORE" && n.typ == ntAuxv:
			c.elf.Auxv = n.auxv()
		case n.owner == "CORE" && n.typ == ntFile && file.b == nil:
			file = n.structView
		case n.owner == "CORE" && n.typ == ntSiginfo:
			if c.info.fault.Signal == 0 && !strings.HasPrefix(c.info.Machine, "mips") { // there, si_code comes first
				c.info.fault = faultOf(n.structView)
				c.info.raised = c.info.siginfo(n.structView, linuxSiginfo)
			}
		case n.owner == "LINUX":
			c.linuxTLS(n)
		}
	}
	c.info.Signal = c.firstSignal()
	c.linuxFiles(file)
}

// linuxOwner reads pr_ppid, and pr_uid and pr_gid, which precede pr_pid. They have 16 bits on some
// machines, where 65534 may stand for a larger number and is therefore not taken.
func (c *elfCore) linuxOwner(v structView) {
	const short, overflow = 124, 65534
	end := len(v.b)
	if c.info.PPID != nil || end < short {
		return
	}
	c.info.PPID = new(v.i32(end - 108))
	if end > short {
		c.info.UID, c.info.GID = new(int(v.u32(end-120))), new(int(v.u32(end-116)))
		return
	}
	if id := int(v.u16(end - 116)); id != overflow {
		c.info.UID = &id
	}
	if id := int(v.u16(end - 114)); id != overflow {
		c.info.GID = &id
	}
}

// linuxTLS reads the thread pointer on machines that do not keep it in a register.
func (c *elfCore) linuxTLS(n note) {
	if len(c.info.Threads) == 0 {
		return
	}
	t := &c.info.Threads[len(c.info.Threads)-1]
	switch {
	case n.typ == nt386TLS && c.elf.Machine == elf.EM_386:
		t.TLS = uint64(n.u32(4)) // struct user_desc: entry_number, base_addr, …
	case n.typ == ntArmTLS && (c.elf.Machine == elf.EM_AARCH64 || c.elf.Machine == elf.EM_ARM):
		t.TLS = n.long(0)
	}
}

// firstSignal returns the signal of the first thread that has one. The thread that died comes
// first, and some kernels record the signal in all threads.
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

// linuxArch is the layout of NT_PRSTATUS on a Linux architecture: offsets from the start of the
// description (struct elf_prstatus in linux/elfcore.h, with the elf_gregset_t of each
// architecture).
type linuxArch struct {
	word        int // size of a register in bytes
	pid         int
	pc, sp, tls int // 0 if absent or unknown
}

// linuxArchs maps the results of machineName to layouts.
var linuxArchs = map[string]linuxArch{
	"x86_64":      {8, 32, 112 + 16*8, 112 + 19*8, 112 + 21*8},
	"x32":         {8, 24, 72 + 16*8, 72 + 19*8, 72 + 21*8},
	"i386":        {4, 24, 72 + 12*4, 72 + 15*4, 0},   // TLS: NT_386_TLS
	"aarch64":     {8, 32, 112 + 32*8, 112 + 31*8, 0}, // TLS: NT_ARM_TLS
	"arm":         {4, 24, 72 + 15*4, 72 + 13*4, 0},
	"ppc64le":     {8, 32, 112 + 32*8, 112 + 1*8, 112 + 13*8},
	"ppc64":       {8, 32, 112 + 32*8, 112 + 1*8, 112 + 13*8},
	"ppc":         {4, 24, 72 + 32*4, 72 + 1*4, 72 + 2*4},
	"s390x":       {8, 32, 112 + 1*8, 112 + 17*8, 112 + 144},
	"s390":        {4, 24, 72 + 1*4, 72 + 17*4, 72 + 72},
	"riscv64":     {8, 32, 112, 112 + 2*8, 112 + 4*8},
	"riscv32":     {4, 24, 72, 72 + 2*4, 72 + 4*4},
	"loongarch64": {8, 32, 112 + 33*8, 112 + 3*8, 112 + 2*8},
	"mips":        {4, 24, 72 + 40*4, 72 + 35*4, 0},
	"mipsel":      {4, 24, 72 + 40*4, 72 + 35*4, 0},
	"mips64":      {8, 32, 112 + 34*8, 112 + 29*8, 0},
	"mips64el":    {8, 32, 112 + 34*8, 112 + 29*8, 0},
	"m68k":        {4, 22, 0, 70 + 15*4, 0},
	"sparc64":     {8, 32, 0, 0, 0},
	"alpha":       {8, 32, 0, 0, 0},
	"hppa":        {4, 24, 0, 0, 0},
}

// archOf returns the layout for a machine. For an unknown machine it contains only the thread ID,
// which is in the same place on all but m68k.
func archOf(machine string, word int) linuxArch {
	if a, ok := linuxArchs[machine]; ok {
		return a
	}
	return linuxArch{word: word, pid: 16 + 2*word}
}

// linuxThread parses the description of NT_PRSTATUS.
func linuxThread(v structView, machine string) Thread {
	a := archOf(machine, v.word)
	v.word = a.word
	t := Thread{TID: v.i32(a.pid), Signal: int(int16(v.u16(12)))}
	reg := func(off int) uint64 {
		if off == 0 {
			return 0
		}
		return v.long(off)
	}
	t.PC, t.SP, t.TLS = reg(a.pc), reg(a.sp), reg(a.tls)
	if machine == "s390x" { // two access registers, high half first
		t.TLS = uint64(v.u32(a.tls))<<32 | uint64(v.u32(a.tls+4))
	}
	if machine == "s390" {
		t.PC &= 1<<31 - 1 // the top bit is the addressing mode
	}
	return t
}
