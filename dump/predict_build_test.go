package dump

import "debug/elf"

import "fmt"

// synthProcess describes a Linux core with objects that were loaded late. Each link_map is in a
// separate page, far from the others.
type synthProcess struct {
	class   int
	order   byteOrder
	machine elf.Machine
	objects int
	mips    bool // r_debug is found by DT_MIPS_RLD_MAP_REL
	table   bool // the dynamic linker has an array of the objects
	cycle   bool // the last link_map points to the first one
}

const (
	synthExe    = 0x400000
	synthLinker = 0x10000000
	synthHeap   = 0x20000000
	synthMods   = 0x40000000
	synthGap    = 0x100000 // distance between link_maps
)

func (p synthProcess) mapAt(i int) uint64 { return synthHeap + uint64(i)*synthGap + 0x40 }

func (p synthProcess) build() elfFile {
	w := p.class / 8
	e := elfFile{class: p.class, order: p.order, machine: p.machine}
	aux := fieldWriter{order: p.order, word: w}
	for _, v := range []uint64{AuxPhdr, synthExe + 64, 5, 2, AuxBase, synthLinker, 0, 0} {
		aux.long(v)
	}
	notes := linuxNotes(e, e.elfMachine())
	notes = appendNote(notes, p.order, "CORE", ntAuxv, aux.b)
	notes = appendNote(notes, p.order, "CORE", ntFile, p.files())
	e.segments = []elfSegment{
		noteSegment(notes),
		p.executable(), // program headers; the dynamic section is in the fifth page
		p.linker(),
		{Segment: Segment{Type: SegmentLoad, Flags: 6, Vaddr: synthHeap, Offset: 0x100000, Filesz: uint64(p.objects+2) * synthGap}, content: p.heap()},
	}
	for i := range p.objects {
		mod := loadSegment(synthMods+uint64(i)*0x10000, make([]byte, 4096))
		mod.Flags = 4
		e.segments = append(e.segments, mod)
	}
	return e
}

func (e elfFile) elfMachine() string {
	return (&ELF{Class: e.class, Order: e.order, Machine: e.machine}).machineName()
}

// files returns NT_FILE with the start of each module.
func (p synthProcess) files() []byte {
	f := fieldWriter{order: p.order, word: p.class / 8}
	f.long(uint64(p.objects))
	f.long(4096)
	for i := range p.objects {
		at := uint64(synthMods + i*0x10000)
		f.long(at)
		f.long(at + 0x1000)
		f.long(0)
	}
	for i := range p.objects {
		f.b = append(f.b, fmt.Sprintf("/lib/%d.so\x00", i)...)
	}
	return f.b
}

func (p synthProcess) executable() elfSegment {
	w := p.class / 8
	e := elfFile{class: p.class, order: p.order}
	b := make([]byte, 64, 5*4096)
	b = append(b, e.phdr(Segment{Type: 6, Vaddr: synthExe + 64})...)
	b = append(b, e.phdr(Segment{Type: 2, Vaddr: synthExe + 4*4096, Memsz: uint64(4 * w)})...)
	b = b[:4*4096]
	d := fieldWriter{order: p.order, word: w}
	if p.mips {
		d.long(uint64(elf.DT_MIPS_RLD_MAP_REL))
		d.long(3 * uint64(w)) // immediately after the section
		d.long(0)
		d.long(synthLinker + 0x5000)
	} else {
		d.long(uint64(elf.DT_DEBUG))
		d.long(synthLinker + 0x5000)
		d.long(0)
		d.long(0)
	}
	seg := loadSegment(synthExe, append(b, d.b...))
	seg.Flags = 4
	return seg
}

// linker returns the dynamic linker's data: a pointer to the array of objects in the first page,
// and struct r_debug in the sixth.
func (p synthProcess) linker() elfSegment {
	w := p.class / 8
	s := newStructure(6*4096, p.order, w)
	if p.table {
		s.long(8*w, synthHeap+0x8000)
	}
	s.u32(0x5000, 1).long(0x5000+w, p.mapAt(0))
	return loadSegment(synthLinker, s.b)
}

func (p synthProcess) heap() []byte {
	w := p.class / 8
	s := newStructure((p.objects+1)*synthGap, p.order, w)
	for i := range p.objects {
		at := int(p.mapAt(i) - synthHeap)
		s.long(at, synthMods+uint64(i)*0x10000).long(at+w, p.mapAt(i)+0x10000).long(at+2*w, synthMods+uint64(i)*0x10000)
		if i+1 < p.objects {
			s.long(at+3*w, p.mapAt(i+1))
		} else if p.cycle {
			s.long(at+3*w, p.mapAt(0))
		}
		if i > 0 {
			s.long(at+4*w, p.mapAt(i-1))
		}
		entry := 0x8000 + 3*w + 4*w*i // after a header, as in glibc
		s.long(entry, synthMods+uint64(i)*0x10000).long(entry+w, synthMods+uint64(i)*0x10000+0x1000).long(entry+2*w, p.mapAt(i))
	}
	return s.b
}
