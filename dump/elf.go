package dump

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// ELF is the header of an ELF dump and the location of everything in the file. Offsets are as
// stated in the file, and may lie beyond its end.
type ELF struct {
	Class    int // 32 or 64
	Order    binary.ByteOrder
	OSABI    byte
	Machine  elf.Machine
	Segments []Segment // in file order
	Auxv     []Aux     // of the process; nil if the notes do not contain it

	SegmentTable Range // program headers
	SectionTable Range // section headers; empty if there are none

	fileType                                     elf.Type
	phoff, shoff                                 uint64
	phentsize, phnum, shentsize, shnum, shstrndx int

	loads []Segment // loaded segments with bytes in the file, sorted by address
}

// Segment is a program header.
type Segment struct {
	Type, Flags                                uint32
	Offset, Vaddr, Paddr, Filesz, Memsz, Align uint64
}

// Aux is an entry of the auxiliary vector.
type Aux struct{ Type, Value uint64 }

// Range is a range of the file in bytes.
type Range struct{ Off, Len uint64 }

// Segment types.
const (
	SegmentLoad = 1
	SegmentNote = 4
)

// Types of Aux entries.
const (
	AuxPhdr   = 3
	AuxBase   = 7
	AuxEntry  = 9
	AuxExecFn = 31
)

const (
	elfMagic = "\x7fELF"
	pnXnum   = 0xffff

	// maxSegments is more than any kernel writes: the default vm.max_map_count is 65,530.
	maxSegments = 1 << 20
	// maxTable is the maximum size of a table of headers in bytes.
	maxTable = maxSegments * 64
)

// layout holds the sizes of headers, which depend on the class.
type layout struct{ ehdr, phdr, shdr int }

func layoutOf(class int) layout {
	if class == 32 {
		return layout{52, 32, 40}
	}
	return layout{64, 56, 64}
}

// parseEhdr parses the file header of an ELF file from its first bytes. ok is false if the file
// is not ELF. The segments are not parsed.
func parseEhdr(head []byte) (e *ELF, ok bool) {
	if len(head) < 18 || string(head[:4]) != elfMagic {
		return nil, false
	}
	class, order := head[4], head[5]
	if class < 1 || class > 2 || order < 1 || order > 2 {
		return nil, false
	}
	e = &ELF{OSABI: head[7], Class: 32 * int(class), Order: binary.LittleEndian}
	if order == 2 {
		e.Order = binary.BigEndian
	}
	v, w := e.view(head), e.Class/8
	e.fileType, e.Machine = elf.Type(v.u16(16)), elf.Machine(v.u16(18))
	e.phoff, e.shoff = v.long(24+w), v.long(24+2*w)
	half := func(i int) int { return int(v.u16(30 + 3*w + 2*i)) }
	e.phentsize, e.phnum, e.shentsize, e.shnum, e.shstrndx = half(0), half(1), half(2), half(3), half(4)
	return e, true
}

func (e *ELF) view(b []byte) structView { return structView{b, e.Order, e.Class / 8} }

// segment parses one program header.
func (e *ELF) segment(b []byte) Segment {
	v, w := e.view(b), e.Class/8
	flags, align := 4, 6*w
	if e.Class == 32 {
		flags, align = 24, 7*w
	}
	return Segment{
		Type: v.u32(0), Flags: v.u32(flags), Offset: v.long(w), Vaddr: v.long(2 * w),
		Paddr: v.long(3 * w), Filesz: v.long(4 * w), Memsz: v.long(5 * w), Align: v.long(align),
	}
}

// parseSegments parses up to n program headers from a table.
func (e *ELF) parseSegments(table []byte, stride, n int) []Segment {
	size := layoutOf(e.Class).phdr
	var segs []Segment
	for ; len(table) >= size && len(segs) < n; table = table[min(stride, len(table)):] {
		segs = append(segs, e.segment(table))
	}
	return segs
}

// locateTables sets SegmentTable and SectionTable. If there are more than 65,534 program headers,
// their number is in the first section header.
func (e *ELF) locateTables(r *bufReader) error {
	l := layoutOf(e.Class)
	e.SectionTable = Range{e.shoff, uint64(e.shnum) * uint64(e.shentsize)}
	n := uint64(e.phnum)
	if n == pnXnum && e.shoff > 0 && e.shoff < math.MaxInt64 {
		shdr, err := r.hold(int64(e.shoff), int64(l.shdr))
		if err != nil {
			return err
		}
		v := e.view(shdr)
		n = max(n, uint64(v.u32(12+4*v.word)))
	}
	stride := uint64(e.phentsize)
	e.SegmentTable = Range{e.phoff, n * stride}
	if n > 0 && e.phentsize < l.phdr {
		return fmt.Errorf("%w: program headers of %d bytes", ErrDamaged, stride)
	}
	return nil
}

// readSegments reads all program headers that are in the file.
func (e *ELF) readSegments(r *bufReader) error {
	tbl, err := r.holdRange(e.SegmentTable, maxTable)
	if err != nil {
		return err
	}
	e.Segments = e.parseSegments(tbl, e.phentsize, maxSegments)
	for _, seg := range e.Segments {
		if seg.Type == SegmentLoad && seg.Filesz > 0 {
			e.loads = append(e.loads, seg)
		}
	}
	slices.SortStableFunc(e.loads, func(a, b Segment) int { return cmp.Compare(a.Vaddr, b.Vaddr) })
	return nil
}

// FileRange returns the range of the file that holds the memory from addr to the end of its
// segment. ok is false if the memory is not in the dump. The range may lie beyond the end of a
// truncated file.
func (e *ELF) FileRange(addr uint64) (r Range, ok bool) {
	i, _ := slices.BinarySearchFunc(e.loads, addr, func(s Segment, a uint64) int {
		if s.Vaddr <= a {
			return -1
		}
		return 1
	})
	if i == 0 {
		return Range{}, false
	}
	seg := e.loads[i-1]
	d := addr - seg.Vaddr
	if d >= seg.Filesz || seg.Offset > math.MaxInt64 || d > math.MaxInt64-seg.Offset {
		return Range{}, false
	}
	return Range{seg.Offset + d, seg.Filesz - d}, true
}

// memory reads up to n bytes at addr: fewer at the end of the segment or file, and none if addr
// is not in the dump.
func (e *ELF) memory(r *bufReader, addr uint64, n int) ([]byte, error) {
	at, ok := e.FileRange(addr)
	if !ok {
		return nil, nil
	}
	b := make([]byte, r.clip(int64(at.Off), int64(min(uint64(n), at.Len))))
	_, err := r.fill(b, int64(at.Off))
	return b, err
}

// needed returns the length of a file that contains everything its headers describe. exact is
// false if there are more headers than were read.
func (e *ELF) needed(r *bufReader) (n int64, exact bool, err error) {
	end := max(uint64(layoutOf(e.Class).ehdr), e.SegmentTable.end(), e.SectionTable.end())
	for _, seg := range e.Segments {
		end = max(end, Range{seg.Offset, seg.Filesz}.end())
	}
	sections, err := e.sectionsEnd(r)
	exact = e.SegmentTable.Len <= maxTable && len(e.Segments) < maxSegments && e.SectionTable.Len <= maxTable
	return int64(min(max(end, sections), math.MaxInt64)), exact, err
}

// end returns the end offset of the range, without overflow.
func (r Range) end() uint64 {
	if r.Len == 0 {
		return 0
	}
	if r.Off > math.MaxUint64-r.Len {
		return math.MaxUint64
	}
	return r.Off + r.Len
}

// sectionsEnd returns the end of the last section with bytes in the file, since illumos places
// symbol tables after the last segment.
func (e *ELF) sectionsEnd(r *bufReader) (uint64, error) {
	if e.shentsize < layoutOf(e.Class).shdr {
		return 0, nil
	}
	tbl, err := r.holdRange(e.SectionTable, maxTable)
	if err != nil {
		return 0, err
	}
	var end uint64
	for _, s := range e.sections(tbl) {
		if s.inFile() {
			end = max(end, s.end())
		}
	}
	return end, nil
}

// section is a section header.
type section struct {
	Range
	kind  elf.SectionType
	flags elf.SectionFlag
}

// inFile reports whether the section has bytes in the file.
func (s section) inFile() bool {
	return s.kind != elf.SHT_NULL && s.kind != elf.SHT_NOBITS
}

// sections parses the section headers in a table.
func (e *ELF) sections(table []byte) []section {
	l, stride := layoutOf(e.Class), e.shentsize
	var all []section
	for ; stride >= l.shdr && len(table) >= l.shdr; table = table[min(stride, len(table)):] {
		v := e.view(table)
		all = append(all, section{Range{v.long(8 + 2*v.word), v.long(8 + 3*v.word)}, elf.SectionType(v.u32(4)), elf.SectionFlag(v.long(8))})
	}
	return all
}
