package dump

import (
	"debug/elf"
	"slices"
	"strconv"
	"strings"

	"thothfs/dump/vmcore"
)

const (
	// headerBytes is the number of bytes read from the first page of a segment, for the
	// headers of a mapped file. On illumos many segments do not start on a page boundary.
	headerBytes = 1024

	// smallData is the maximum size of a writable segment that is assumed to be the data of a
	// library. Debuggers look up the symbols requested by libthread_db there, in the second
	// page as often as in the first.
	smallData = 32 << 10

	segmentWritable = 2 // flag in Segment.Flags

	// stackAbove and stackBelow are the numbers of bytes read around a stack pointer: the
	// frames of a backtrace, and the red zone. maxStacks is the limit for the frames of all
	// threads.
	stackAbove = 16 << 10
	stackBelow = 128
	maxStacks  = 6 << 20

	// tcbBytes is the size of the part of the C library's thread structure that libthread_db
	// reads: struct pthread of glibc.
	tcbBytes = 0x910

	// maxVDSO is the maximum size of the code that the kernel maps into each process.
	maxVDSO = 16 << 10

	// maxNoteReads and maxTableReads leave room for the ranges to which notes and tables
	// lead.
	maxNoteReads  = 8 << 20
	maxTableReads = 4 << 20

	// maxKernelSymbols is the maximum number of symbols in VMCOREINFO that are predicted.
	maxKernelSymbols = 256
)

// elf predicts the reads of an ELF dump.
func (p *predictor) elf() error {
	e, err := parseCore(p.r)
	if err != nil {
		return err
	}
	if e.phnum == pnXnum {
		p.wantRange(Range{e.shoff, uint64(layoutOf(e.Class).shdr)})
	}
	if err := e.locateTables(p.r); err != nil {
		return err
	}
	p.wantRange(e.SegmentTable)
	p.wantRange(Range{e.SectionTable.Off, min(e.SectionTable.Len, maxTableReads)})
	if e.SegmentTable.Len > maxTableReads {
		return nil
	}
	if err := e.readSegments(p.r); err != nil {
		return err
	}
	c := &elfCore{r: p.r, elf: e, info: &Info{Machine: e.machineName(), ELF: e, Properties: map[string]string{}}}
	return p.core(c)
}

// core predicts ranges from the segments, then from the notes, then from memory.
func (p *predictor) core(c *elfCore) error {
	ranges := p.noteRanges(c.elf)
	p.firstPages(c.elf)
	c.notes = notes{order: c.elf.Order, word: c.elf.Class / 8}
	for _, r := range ranges {
		c.notes.segments = append(c.notes.segments, p.hold(r))
	}
	c.noteReader()(c)
	p.sectionNames(c.elf)
	m := memoryPredictor{p, c.elf}
	m.auxv()
	m.threads(c.info)
	if c.kernel != nil {
		m.kernelSymbols(c.kernel)
	} else {
		m.linkMaps(c)
		m.signalFrames(c.info)
	}
	if c.info.OS == "illumos" {
		m.symbols()
	}
	return p.err
}

// noteRanges predicts the notes and returns their ranges.
func (p *predictor) noteRanges(e *ELF) []Range {
	var all []Range
	budget := uint64(maxNoteReads)
	for _, seg := range e.Segments {
		if seg.Type != SegmentNote || seg.Filesz == 0 || budget == 0 {
			continue
		}
		r := Range{seg.Offset, min(seg.Filesz, budget)}
		p.wantRange(r)
		budget -= r.Len
		all = append(all, r)
	}
	return all
}

// firstPages predicts the start of each segment, where debuggers look for a file header.
func (p *predictor) firstPages(e *ELF) {
	for _, seg := range e.Segments {
		if seg.Type != SegmentLoad || seg.Filesz == 0 {
			continue
		}
		n := uint64(headerBytes)
		if seg.Flags&segmentWritable != 0 && seg.Filesz <= smallData {
			n = predictPage + headerBytes
		}
		p.wantRange(Range{seg.Offset, min(seg.Filesz, n)})
	}
}

// sectionNames predicts the section names, which exist in dumps written by a debugger.
func (p *predictor) sectionNames(e *ELF) {
	p.sections = e.sections(p.hold(Range{e.SectionTable.Off, min(e.SectionTable.Len, maxTableReads)}))
	if i := e.shstrndx; i < len(p.sections) && p.sections[i].kind != 0 {
		p.wantRange(p.sections[i].Range)
	}
}

// symbols predicts what mdb reads from an illumos core (Pcore.c): the symbol tables and types
// that the kernel or gcore wrote after the segments.
func (p *predictor) symbols() {
	all := slices.DeleteFunc(p.sections, func(s section) bool { return !s.inFile() || s.flags&elf.SHF_ALLOC != 0 })
	// Small tables come first, so that the limits affect only the largest objects.
	slices.SortStableFunc(all, func(a, b section) int { return int(min(a.Len, 1<<30)) - int(min(b.Len, 1<<30)) })
	for _, s := range all {
		p.wantRange(s.Range)
	}
}

// memoryPredictor predicts ranges from addresses in the process.
type memoryPredictor struct {
	*predictor
	elf *ELF
}

// wantAddr predicts n bytes at addr, or fewer at the end of the segment.
func (m memoryPredictor) wantAddr(addr, n uint64) {
	if r, ok := m.elf.FileRange(addr); ok {
		m.wantRange(Range{r.Off, min(r.Len, n)})
	}
}

// wantAround predicts the memory around addr that is in the same segment.
func (m memoryPredictor) wantAround(addr, before, behind uint64) {
	for ; before >= 8; before /= 2 { // the segment may start in between
		if r, ok := m.elf.FileRange(addr - before); ok && addr >= before && r.Len > before {
			m.wantRange(Range{r.Off, min(r.Len, before+behind)})
			return
		}
	}
	m.wantAddr(addr, behind)
}

// read returns up to n bytes at addr, or fewer at the end of the segment or of the reported
// ranges.
func (m memoryPredictor) read(addr uint64, n int) structView {
	r, ok := m.elf.FileRange(addr)
	if !ok {
		return m.elf.view(nil)
	}
	n = int(min(uint64(n), r.Len))
	b := make([]byte, 0, n)
	for off := int64(r.Off); len(b) < n; {
		p := m.page(off &^ (predictPage - 1))
		i := int(off & (predictPage - 1))
		if i >= len(p) {
			break
		}
		p = p[i:min(len(p), i+n-len(b))]
		b = append(b, p...)
		off += int64(len(p))
	}
	return m.elf.view(b)
}

// hasAddr reports whether the dump contains the memory at addr.
func (m memoryPredictor) hasAddr(addr uint64) bool {
	_, ok := m.elf.FileRange(addr)
	return ok
}

// auxv predicts what the entries of the auxiliary vector point to: program headers, entry point,
// names, random bytes, and the vDSO.
func (m memoryPredictor) auxv() {
	const sysinfoEhdr = 33
	for _, a := range m.elf.Auxv {
		if a.Type == sysinfoEhdr {
			m.wantAddr(a.Value, maxVDSO)
		} else {
			m.wantAddr(a.Value, 64)
		}
	}
}

// threads predicts the stack, the thread structure and the code of each thread.
func (m memoryPredictor) threads(info *Info) {
	window := stackWindow(info)
	for _, t := range info.Threads {
		m.wantAround(t.SP, stackBelow, window)
		m.threadStructure(t.TLS)
		m.wantAddr(t.PC, 16)
	}
}

func stackWindow(info *Info) uint64 {
	n := uint64(max(len(info.Threads), 1))
	return min(stackAbove, max(maxStacks/n, 1024))
}

// threadStructure predicts the structure of a thread. Depending on the machine's ABI it is
// located at the thread pointer, below it, or below it by a bias (variants I and II of ELF
// Handling For Thread-Local Storage).
func (m memoryPredictor) threadStructure(tls uint64) {
	switch m.elf.Machine {
	case elf.EM_X86_64, elf.EM_386, elf.EM_S390, elf.EM_SPARC, elf.EM_SPARC32PLUS, elf.EM_SPARCV9:
		m.wantAround(tls, 16, tcbBytes)
	case elf.EM_PPC, elf.EM_PPC64, elf.EM_MIPS:
		m.wantAddr(tls-0x7000-tcbBytes, tcbBytes+16)
	default:
		m.wantAround(tls, tcbBytes, 16)
	}
}

// kernelSymbols predicts the variables of a Linux kernel that are listed in VMCOREINFO and mapped
// in the dump.
func (m memoryPredictor) kernelSymbols(info vmcore.Info) {
	var addrs []uint64
	for key, value := range info {
		addr, err := strconv.ParseUint(value, 16, 64)
		if err == nil && strings.HasPrefix(key, "SYMBOL(") {
			addrs = append(addrs, addr)
		}
	}
	slices.Sort(addrs)
	for _, addr := range addrs[:min(len(addrs), maxKernelSymbols)] {
		m.wantAddr(addr, 512)
	}
}
