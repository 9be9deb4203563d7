package dump

import "strings"

// Types of note with the owner FreeBSD (sys/elf_common.h).
const (
	freebsdPrstatus = 1
	freebsdPrpsinfo = 3
	freebsdThrmisc  = 7
	freebsdVMMap    = 10
	freebsdAuxv     = 16
)

// freebsdCore reads the core of a FreeBSD process: prpsinfo, then the notes of
// each thread, the one that died first, then those of the process.
func (c *elfCore) freebsdCore() {
	c.info.OS = "freebsd"
	var maps []mapping
	for n := range c.notes.all() {
		if n.owner != "FreeBSD" {
			continue
		}
		switch n.typ {
		case freebsdPrpsinfo:
			c.freebsdPrpsinfo(n.view)
		case freebsdPrstatus:
			c.addThread(c.freebsdThread(n.view))
		case freebsdThrmisc:
			if i := len(c.info.Threads) - 1; i >= 0 {
				c.info.Threads[i].Name = n.text(0, 20)
			}
		case freebsdAuxv: // the size of an entry, then the entries
			c.elf.Auxv = view{n.at(4, len(n.b)-4), n.order, n.word}.auxv()
		case freebsdVMMap:
			maps = freebsdMappings(n.view)
		}
	}
	c.info.Signal = c.firstSignal()
	c.addMappings(maps)
}

// freebsdPrpsinfo reads prpsinfo_t (sys/procfs.h): version, size, fname[17],
// psargs[81], and pid since 2011.
func (c *elfCore) freebsdPrpsinfo(v view) {
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

// freebsdThread reads prstatus_t, whose registers are struct reg of the machine.
func (c *elfCore) freebsdThread(v view) Thread {
	sig, tid, regs := 20, 24, 28
	if c.elf.Class == 64 {
		sig, tid, regs = 36, 40, 48
	}
	t := Thread{Signal: v.i32(sig), TID: v.i32(tid)}
	switch c.elf.Machine {
	case emX86_64:
		t.PC, t.SP = v.long(regs+136), v.long(regs+160)
	case em386:
		t.PC, t.SP = v.long(regs+13*4), v.long(regs+16*4)
	case emAARCH64:
		t.PC, t.SP = v.long(regs+32*8), v.long(regs+31*8)
	}
	return t
}

// freebsdMappings reads NT_PROCSTAT_VMMAP: the size of the structure, then packed
// struct kinfo_vmentry (sys/user.h), each beginning with its own size. Addresses
// take 64 bits on all machines.
func freebsdMappings(v view) []mapping {
	const header, path = 136, 136
	var maps []mapping
	for off := 4; off+header <= len(v.b) && len(maps) < maxMappings; {
		size := v.i32(off)
		if size < header || size > len(v.b)-off {
			break
		}
		e := view{v.b[off : off+size], v.order, 8}
		maps = append(maps, mapping{
			start: e.u64(8), end: e.u64(16), first: e.u64(24) == 0, path: e.text(path, size-path),
		})
		off += size
	}
	return maps
}
