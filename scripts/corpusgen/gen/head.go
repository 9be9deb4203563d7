package gen

import (
	"encoding/binary"
	"math/rand/v2"
	"thothfs/dump/document"
)

const (
	page    = 4096
	minDump = 16 * page

	prstatusSize = 336 // struct elf_prstatus of x86_64
	prpsinfoSize = 136 // struct elf_prpsinfo
	registers    = 112 // offset of r15; rip is the 17th register, rsp the 20th
	ehdrSize     = 64
	phdrSize     = 56
)

var le = binary.LittleEndian

// coreHead returns the headers and notes of a Linux core for x86_64 (elf(5), linux/elfcore.h)
// that is size bytes long, with three segments of memory and one to four threads.
func coreHead(r *rand.Rand, number uint64, pid, signal int, cmd, psargs string, size int64) []byte {
	var notes []byte
	sp := 0x7ffc_0000_0000 + r.Uint64N(1<<20)*page
	for t := range 1 + r.IntN(4) {
		status := make([]byte, prstatusSize)
		le.PutUint16(status[12:], uint16(signal))
		le.PutUint32(status[32:], uint32(pid+t))
		le.PutUint64(status[registers:], number) // makes the dump unique
		le.PutUint64(status[registers+16*8:], 0x40_0000+r.Uint64N(4*page))
		le.PutUint64(status[registers+19*8:], sp+page/2)
		notes = appendNote(notes, 1, status)
		if t == 0 {
			notes = appendNote(notes, 3, prpsinfo(pid, cmd, psargs))
		}
	}
	const segments = 4
	head := ehdr(segments)
	end := int64(ehdrSize + segments*phdrSize)
	head = appendPhdr(head, 4, 0, end, 0, int64(len(notes)), 0)
	at, each := int64(2*page), (size-2*page)/3/page*page
	for _, vaddr := range []uint64{0x40_0000, 0x7f00_0000_0000, sp} {
		head = appendPhdr(head, 1, 6, at, vaddr, each, page)
		at += each
	}
	return append(head, notes...)
}

func ehdr(segments int) []byte {
	h := make([]byte, ehdrSize)
	copy(h, "\x7fELF\x02\x01\x01")
	le.PutUint16(h[16:], 4)  // ET_CORE
	le.PutUint16(h[18:], 62) // EM_X86_64
	le.PutUint32(h[20:], 1)
	le.PutUint64(h[32:], ehdrSize)
	le.PutUint16(h[52:], ehdrSize)
	le.PutUint16(h[54:], phdrSize)
	le.PutUint16(h[56:], uint16(segments))
	return h
}

func appendPhdr(b []byte, typ, flags uint32, off int64, vaddr uint64, size, align int64) []byte {
	b = le.AppendUint32(le.AppendUint32(b, typ), flags)
	for _, v := range []uint64{uint64(off), vaddr, 0, uint64(size), uint64(size), uint64(align)} {
		b = le.AppendUint64(b, v)
	}
	return b
}

func appendNote(b []byte, typ uint32, desc []byte) []byte {
	b = le.AppendUint32(b, 5)
	b = le.AppendUint32(b, uint32(len(desc)))
	b = le.AppendUint32(b, typ)
	b = append(b, "CORE\x00\x00\x00\x00"...)
	return append(b, desc...) // all lengths are multiples of four
}

func prpsinfo(pid int, cmd, psargs string) []byte {
	p := make([]byte, prpsinfoSize)
	le.PutUint32(p[24:], uint32(pid))
	copy(p[40:55], cmd)
	copy(p[56:135], psargs)
	return p
}

// crashHead returns the header of a compressed illumos crash dump: dumphdr_t of sys/dumphdr.h,
// for DUMP_VERSION 10 and a 64-bit kernel.
func crashHead(f *document.Fields, panicked string) []byte {
	const utsname, field = 56, 257
	h := make([]byte, 2*page)
	le.PutUint32(h, 0xdefec8ed)
	le.PutUint32(h[4:], 10)
	le.PutUint32(h[8:], 2|8) // complete, compressed
	le.PutUint32(h[12:], 64)
	le.PutUint32(h[16:], page)
	for i, text := range []string{"SunOS", f.Node, "5.11", f.Platform, "i86pc"} {
		copy(h[utsname+i*field:utsname+(i+1)*field-1], text)
	}
	copy(h[1598:1797], panicked)
	le.PutUint64(h[1800:], uint64(f.Time.Unix()))
	le.PutUint64(h[1808:], 12) // page shift
	copy(h[1868:1904], f.Properties["uuid"])
	return h
}
