package dump

import (
	"debug/elf"
	"strconv"
	"strings"
)

// Types of notes with the owner FreeBSD (sys/elf_common.h).
const (
	freebsdPrstatus = 1
	freebsdPrpsinfo = 3
	freebsdThrmisc  = 7
	freebsdVMMap    = 10
	freebsdAuxv     = 16
)

// freebsdCore reads the core of a FreeBSD process. It contains prpsinfo, then the notes of each
// thread, starting with the one that died, then those of the process.
func (c *elfCore) freebsdCore() {
	c.info.OS = "freebsd"
	var maps []mapping
	for n := range c.notes.all() {
		if n.owner != "FreeBSD" {
			continue
		}
		switch n.typ {
		case freebsdPrpsinfo:
			c.freebsdPrpsinfo(n.structView)
		case freebsdPrstatus:
			c.addThread(c.freebsdThread(n.structView))
		case freebsdThrmisc:
			if i := len(c.info.Threads) - 1; i >= 0 {
				c.info.Threads[i].Name = n.text(0, 20)
			}
		case freebsdAuxv: // starts with the size of an entry
			c.elf.Auxv = structView{n.at(4, len(n.b)-4), n.order, n.word}.auxv()
		case freebsdVMMap:
			maps = freebsdMappings(n.structView)
		}
	}
	c.info.Signal = c.firstSignal()
	c.addMappings(maps)
}

// freebsdPrpsinfo reads prpsinfo_t (sys/procfs.h): version, size, fname[17], psargs[81] and,
// since 2011, pid.
func (c *elfCore) freebsdPrpsinfo(v structView) {
	fname, pid := 8, 108
	if c.elf.Class == 64 {
		fname, pid = 16, 116
	}
	c.info.Cmd = v.text(fname, 17)
	c.info.Psargs = strings.TrimRight(v.text(fname+17, 81), " ")
	if len(v.b) >= pid+4 {
		c.info.PID, c.info.HasPID = v.i32(pid), true
	}
}

// freebsdThread reads prstatus_t, whose registers are the machine's struct reg.
func (c *elfCore) freebsdThread(v structView) Thread {
	sig, tid, regs := 20, 24, 28
	if c.elf.Class == 64 {
		sig, tid, regs = 36, 40, 48
	}
	return c.withRegisters(Thread{Signal: v.i32(sig), TID: v.i32(tid)}, v, regs)
}

// bsdRegisters holds the offsets of PC and SP in the machine's struct reg.
var bsdRegisters = map[string]map[elf.Machine][2]int{
	"freebsd": {elf.EM_X86_64: {17 * 8, 20 * 8}, elf.EM_386: {13 * 4, 16 * 4}, elf.EM_AARCH64: {32 * 8, 31 * 8}},
	"netbsd":  {elf.EM_X86_64: {21 * 8, 24 * 8}, elf.EM_386: {8 * 4, 4 * 4}},
	"openbsd": {elf.EM_X86_64: {16 * 8, 15 * 8}},
}

// withRegisters adds the registers at offset regs of v to t, if their layout is known.
func (c *elfCore) withRegisters(t Thread, v structView, regs int) Thread {
	if at, ok := bsdRegisters[c.info.OS][c.elf.Machine]; ok {
		t.PC, t.SP = v.long(regs+at[0]), v.long(regs+at[1])
	}
	return t
}

// freebsdMappings reads NT_PROCSTAT_VMMAP: the size of the structure, then packed struct
// kinfo_vmentry (sys/user.h), each of which starts with its own size. Addresses have 64 bits on
// all machines.
func freebsdMappings(v structView) []mapping {
	const header, path = 136, 136
	var maps []mapping
	for off := 4; off+header <= len(v.b) && len(maps) < maxMappings; {
		size := v.i32(off)
		if size < header || size > len(v.b)-off {
			break
		}
		e := structView{v.b[off : off+size], v.order, 8}
		maps = append(maps, mapping{
			start: e.u64(8), end: e.u64(16), first: e.u64(24) == 0, path: e.text(path, size-path),
		})
		off += size
	}
	return maps
}

// netbsdCore reads the core of a NetBSD process (core(5), sys/exec_elf.h). It contains a note
// "NetBSD-CORE" for the process, and notes "NetBSD-CORE@LWP" with the registers of each thread,
// whose types are the machine's ptrace(2) requests.
func (c *elfCore) netbsdCore() {
	const procinfo, auxv = 1, 2
	const regs = 32 + 1 // on x86: 32 plus the offset of PT_GETREGS from PT_FIRSTMACH
	c.info.OS = "netbsd"
	_, known := bsdRegisters["netbsd"][c.elf.Machine]
	siglwp, lwps := 0, 0
	for n := range c.notes.all() {
		name, lwp, threaded := strings.Cut(n.owner, "@")
		switch {
		case name != "NetBSD-CORE":
		case threaded && n.typ == regs && known:
			tid, _ := strconv.Atoi(lwp)
			c.addThread(c.withRegisters(Thread{TID: tid}, n.structView, 0))
		case threaded:
		case n.typ == auxv:
			c.elf.Auxv = n.auxv()
		case n.typ == procinfo && !c.info.HasPID && len(n.b) >= 0x7c+32:
			c.info.Signal = n.i32(8)
			c.info.PID, c.info.HasPID = n.i32(0x50), true
			c.owner(n.structView, 0x54, 0x60, 0x6c)
			c.info.Cmd = n.text(0x7c, 32)
			lwps, siglwp = n.i32(0x78), n.i32(0x9c)
		}
	}
	// Even if the layout of the registers is unknown, the number of threads is known.
	for !known && len(c.info.Threads) < min(lwps, maxThreads) {
		c.addThread(Thread{})
	}
	for i := range c.info.Threads {
		if t := &c.info.Threads[i]; t.TID == siglwp || siglwp == 0 {
			t.Signal = c.info.Signal
		}
	}
}

// openbsdCore reads the core of an OpenBSD process (core(5), sys/exec_elf.h). It contains a note
// "OpenBSD" for the process and notes "OpenBSD@TID" for each thread.
func (c *elfCore) openbsdCore() {
	const procinfo, auxv, regs = 10, 11, 20
	c.info.OS = "openbsd"
	for n := range c.notes.all() {
		name, id, _ := strings.Cut(n.owner, "@") // no id before OpenBSD had threads
		switch {
		case name != "OpenBSD":
		case n.typ == regs:
			tid, _ := strconv.Atoi(id)
			c.addThread(c.withRegisters(Thread{TID: tid}, n.structView, 0))
		case n.typ == auxv:
			c.elf.Auxv = n.auxv()
		case n.typ == procinfo && len(n.b) >= 0x48+32:
			c.info.Signal = n.i32(8)
			c.info.PID, c.info.HasPID = n.i32(0x20), true
			c.owner(n.structView, 0x24, 0x30, 0x3c)
			c.info.Cmd = n.text(0x48, 32)
		}
	}
}
