package dump

import "slices"

const (
	// headerBytes is what is looked at of the first page of a segment: the headers
	// of a file that was mapped. Segments that do not begin at a page are common
	// on illumos.
	headerBytes = 1024

	// smallData is how large a writable segment is at most to be the data of a
	// library, in which debuggers look up what libthread_db asks for: in the
	// second page as often as in the first.
	smallData = 32 << 10

	segmentWritable = 2 // a flag

	// stackAbove and stackBelow are what is read around a stack pointer: the frames
	// of a backtrace, and the red zone. Fewer where threads are many.
	stackAbove = 16 << 10
	stackBelow = 128
	maxStacks  = 6 << 20

	// tcbBytes is the thread's structure of the C library, as far as libthread_db
	// looks: struct pthread of glibc.
	tcbBytes = 0x910

	// maxVDSO is the code that the kernel maps into each process.
	maxVDSO = 16 << 10

	// maxNoteReads and maxTableReads leave room for what is found by them.
	maxNoteReads  = 8 << 20
	maxTableReads = 4 << 20
)

// elf foretells the reads of an ELF dump.
func (f *forecast) elf(e *ELF) error {
	if err := e.checkCore(); err != nil {
		return err
	}
	if e.phnum() == pnXnum {
		f.tellRange(Range{e.shoff(), uint64(layoutOf(e.Class).shdr)})
	}
	if err := e.locateTables(f.s); err != nil {
		return err
	}
	f.tellRange(e.SegmentTable)
	f.tellRange(Range{e.SectionTable.Off, min(e.SectionTable.Len, maxTableReads)})
	if e.SegmentTable.Len > maxTableReads {
		return nil
	}
	if err := e.readSegments(f.s); err != nil {
		return err
	}
	c := &elfCore{s: f.s, elf: e, info: &Info{Machine: e.machineName(), ELF: e, Properties: map[string]string{}}}
	return f.core(c)
}

// core foretells what the segments tell, then what the notes do, then what is
// only found in memory.
func (f *forecast) core(c *elfCore) error {
	ranges := f.noteRanges(c.elf)
	f.firstPages(c.elf)
	c.notes = notes{order: c.elf.Order, word: c.elf.Class / 8}
	for _, r := range ranges {
		c.notes.segments = append(c.notes.segments, f.hold(r))
	}
	c.facts()
	f.sectionNames(c.elf)
	m := memory{f, c.elf}
	m.auxv()
	m.threads(c.info)
	m.kernel(c.kernel)
	if c.kernel == nil {
		m.chase(c)
		m.signals(c.info)
	}
	if c.info.OS == "illumos" {
		m.symbols(c)
	}
	return f.err
}

// noteRanges foretells the notes and returns where they are.
func (f *forecast) noteRanges(e *ELF) []Range {
	var all []Range
	budget := uint64(maxNoteReads)
	for _, seg := range e.Segments {
		if seg.Type != SegmentNote || seg.Filesz == 0 || budget == 0 {
			continue
		}
		r := Range{seg.Offset, min(seg.Filesz, budget)}
		f.tellRange(r)
		budget -= r.Len
		all = append(all, r)
	}
	return all
}

// firstPages: every debugger looks for a file's header in each segment.
func (f *forecast) firstPages(e *ELF) {

	for _, seg := range e.Segments {
		if seg.Type != SegmentLoad || seg.Filesz == 0 {
			continue
		}
		n := uint64(headerBytes)
		if seg.Flags&segmentWritable != 0 && seg.Filesz <= smallData {
			n = readsPage + headerBytes
		}
		f.tellRange(Range{seg.Offset, min(seg.Filesz, n)})
	}
}

// sectionNames foretells the names of the sections, which a dump has that a
// debugger wrote.
func (f *forecast) sectionNames(e *ELF) {
	f.sections = e.view(f.hold(Range{e.SectionTable.Off, min(e.SectionTable.Len, maxTableReads)}))
	l := layoutOf(e.Class)
	if s := f.section(e, int(e.ehdr.u16(l.shnum+2))); s.kind != 0 {
		f.tellRange(s.Range)
	}
}

// section is a section header.
type section struct {
	Range
	kind  uint32
	flags uint64
}

func (f *forecast) section(e *ELF, i int) section {
	l, stride := layoutOf(e.Class), e.shentsize()
	if i >= e.shnum() || stride < l.shdr {
		return section{}
	}
	v := f.sections
	v.b = v.at(i*stride, l.shdr)
	return section{Range{v.long(l.shOffset), v.long(l.shSize)}, v.u32(4), v.long(8)}
}

// memory is what the process had in its memory.
type memory struct {
	*forecast
	elf *ELF
}

// want foretells n bytes at addr, fewer where the segment ends.
func (m memory) want(addr, n uint64) {
	if r, ok := m.elf.FileRange(addr); ok {
		m.tellRange(Range{r.Off, min(r.Len, n)})
	}
}

// wantAround foretells the memory from before addr to behind it, as far as it is
// in one segment.
func (m memory) wantAround(addr, before, behind uint64) {
	for ; before >= 8; before /= 2 { // the segment may begin in between
		if r, ok := m.elf.FileRange(addr - before); ok && addr >= before && r.Len > before {
			m.tellRange(Range{r.Off, min(r.Len, before+behind)})
			return
		}
	}
	m.want(addr, behind)
}

// read returns up to n bytes at addr, as many as were told and are in the page
// of the file that addr is in and the next ones.
func (m memory) read(addr uint64, n int) view {
	r, ok := m.elf.FileRange(addr)
	if !ok {
		return m.elf.view(nil)
	}
	n = int(min(uint64(n), r.Len))
	b := make([]byte, 0, n)
	for off := int64(r.Off); len(b) < n; {
		p := m.page(off &^ (readsPage - 1))
		i := int(off & (readsPage - 1))
		if i >= len(p) {
			break
		}
		p = p[i:min(len(p), i+n-len(b))]
		b = append(b, p...)
		off += int64(len(p))
	}
	return m.elf.view(b)
}

// auxv foretells what the kernel told the process of: program headers, entry,
// names, random bytes, and the code that it lent.
func (m memory) auxv() {
	const sysinfoEhdr = 33
	for _, a := range m.elf.Auxv {
		if a.Type == sysinfoEhdr {
			m.want(a.Value, maxVDSO)
		} else {
			m.want(a.Value, 64)
		}
	}
}

// threads foretells stacks, thread structures and the code where threads stood.
func (m memory) threads(info *Info) {
	window := stackWindow(info)
	for _, t := range info.Threads {
		m.wantAround(t.SP, stackBelow, window)
		m.thread(t.TLS)
		m.want(t.PC, 16)
	}
}

func stackWindow(info *Info) uint64 {
	n := uint64(max(len(info.Threads), 1))
	return min(stackAbove, max(maxStacks/n, 1024))
}

// thread foretells the structure of a thread, which lies at the thread pointer,
// or below it, or below it by a bias: the ABI of each machine says (variants I
// and II of ELF Handling For Thread-Local Storage).
func (m memory) thread(tls uint64) {
	switch m.elf.Machine {
	case emX86_64, em386, emS390, emSPARC, emSPARC32P, emSPARCV9:
		m.wantAround(tls, 16, tcbBytes)
	case emPPC, emPPC64, emMIPS:
		m.want(tls-0x7000-tcbBytes, tcbBytes+16)
	default:
		m.wantAround(tls, tcbBytes, 16)
	}
}

// hasAddr tells whether an address is in the dump.
func (m memory) hasAddr(addr uint64) bool {
	_, ok := m.elf.FileRange(addr)
	return ok
}

// symbols foretells what mdb reads of an illumos core (Pcore.c): the symbol tables
// and types that the kernel or gcore put behind the segments.
func (m memory) symbols(c *elfCore) {
	const null, nobits, alloc = 0, 8, 2
	var all []section
	for i := range c.elf.shnum() {
		if s := m.section(c.elf, i); s.kind != null && s.kind != nobits && s.flags&alloc == 0 {
			all = append(all, s)
		}
	}
	// Small tables first: what the bound leaves out is of the largest objects.
	slices.SortStableFunc(all, func(a, b section) int { return int(min(a.Len, 1<<30)) - int(min(b.Len, 1<<30)) })
	for _, s := range all {
		m.tellRange(s.Range)
	}
}
