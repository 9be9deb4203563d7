package dump

import (
	"debug/elf"
	"encoding/binary"
	"io"
)

// byteOrder reads, writes and appends numbers.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

var (
	le byteOrder = binary.LittleEndian
	be byteOrder = binary.BigEndian
)

// elfFile describes a synthetic core. Segments with content are placed at their Offset, or one
// after another if it is 0.
type elfFile struct {
	class    int
	order    byteOrder
	machine  elf.Machine
	osabi    byte
	flags    uint32
	segments []elfSegment
	stride   int // stride of the program headers; 0 means their size
	phnum    int // count in the file header; 0 means the real number
	phoff    uint64
	xnum     bool // PN_XNUM: the count is in the first section header
}

type elfSegment struct {
	Segment
	content []byte
}

func noteSegment(content []byte) elfSegment {
	return elfSegment{Segment: Segment{Type: SegmentNote}, content: content}
}

func loadSegment(vaddr uint64, content []byte) elfSegment {
	return elfSegment{Segment: Segment{Type: SegmentLoad, Flags: 6, Vaddr: vaddr, Memsz: uint64(len(content)), Align: 4096}, content: content}
}

// fieldWriter writes consecutive fixed-width fields.
type fieldWriter struct {
	b     []byte
	order byteOrder
	word  int
}

func (f *fieldWriter) u16(v uint16) { f.b = f.order.AppendUint16(f.b, v) }
func (f *fieldWriter) u32(v uint32) { f.b = f.order.AppendUint32(f.b, v) }
func (f *fieldWriter) long(v uint64) {
	if f.word == 8 {
		f.b = f.order.AppendUint64(f.b, v)
	} else {
		f.b = f.order.AppendUint32(f.b, uint32(v))
	}
}

// build returns the file. It is sparse, because content may be placed anywhere.
func (e elfFile) build() *sparseFile {
	l := layoutOf(e.class)
	stride := e.stride
	if stride == 0 {
		stride = l.phdr
	}
	hdr := 64
	if e.class == 32 {
		hdr = 52
	}
	phoff := e.phoff
	if phoff == 0 {
		phoff = uint64(hdr)
	}
	at := phoff + uint64(stride*len(e.segments))
	shoff := uint64(0)
	if e.xnum {
		shoff = at
		at += uint64(l.shdr)
	}
	s := &sparseFile{}
	var table []byte
	for _, seg := range e.segments {
		if seg.content != nil {
			if seg.Offset == 0 {
				seg.Offset = at
				at += uint64(len(seg.content)+15) &^ 15
			}
			if seg.Filesz == 0 {
				seg.Filesz = uint64(len(seg.content))
			}
			s.put(int64(seg.Offset), seg.content)
		}
		p := e.phdr(seg.Segment)
		table = append(table, append(p, make([]byte, max(stride-len(p), 0))...)[:stride]...)
	}
	s.put(int64(phoff), table)
	s.put(0, e.ehdr(hdr, phoff, shoff, stride))
	if e.xnum {
		shdr := make([]byte, l.shdr)
		e.order.PutUint32(shdr[12+e.class/2:], uint32(len(e.segments)))
		s.put(int64(shoff), shdr)
	}
	return s
}

func (e elfFile) ehdr(size int, phoff, shoff uint64, stride int) []byte {
	data, phnum, shnum := byte(1), e.phnum, 0
	if e.order == be {
		data = 2
	}
	if phnum == 0 {
		phnum = len(e.segments)
	}
	if e.xnum {
		phnum, shnum = pnXnum, 1
	}
	f := fieldWriter{order: e.order, word: e.class / 8}
	f.b = append(f.b, 0x7f, 'E', 'L', 'F', byte(e.class/32), data, 1, e.osabi, 0, 0, 0, 0, 0, 0, 0, 0)
	f.u16(4)
	f.u16(uint16(e.machine))
	f.u32(1)
	f.long(0)
	f.long(phoff)
	f.long(shoff)
	f.u32(e.flags)
	f.u16(uint16(size))
	f.u16(uint16(stride))
	f.u16(uint16(phnum))
	f.u16(uint16(layoutOf(e.class).shdr))
	f.u16(uint16(shnum))
	f.u16(0)
	return f.b
}

func (e elfFile) phdr(s Segment) []byte {
	f := fieldWriter{order: e.order, word: e.class / 8}
	f.u32(s.Type)
	if e.class == 64 {
		f.u32(s.Flags)
	}
	for _, v := range []uint64{s.Offset, s.Vaddr, s.Paddr, s.Filesz, s.Memsz} {
		f.long(v)
	}
	if e.class == 32 {
		f.u32(s.Flags)
	}
	f.long(s.Align)
	return f.b
}

// appendNote appends a note to a note segment.
func appendNote(b []byte, order byteOrder, owner string, typ uint32, desc []byte) []byte {
	b = order.AppendUint32(b, uint32(len(owner)+1))
	b = order.AppendUint32(b, uint32(len(desc)))
	b = order.AppendUint32(b, typ)
	pad := func(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }
	b = pad(append(append(b, owner...), 0))
	return pad(append(b, desc...))
}

// structure is a C structure whose fields are at given offsets.
type structure struct {
	b     []byte
	order byteOrder
	word  int
}

func newStructure(size int, order byteOrder, word int) *structure {
	return &structure{make([]byte, size), order, word}
}

func (s *structure) u16(off int, v uint16) *structure { s.order.PutUint16(s.b[off:], v); return s }
func (s *structure) u32(off int, v uint32) *structure { s.order.PutUint32(s.b[off:], v); return s }
func (s *structure) u64(off int, v uint64) *structure { s.order.PutUint64(s.b[off:], v); return s }
func (s *structure) text(off int, v string) *structure {
	copy(s.b[off:], v)
	return s
}
func (s *structure) long(off int, v uint64) *structure {
	if s.word == 8 {
		return s.u64(off, v)
	}
	return s.u32(off, uint32(v))
}

// sparseFile is a file of any length with a few pieces that are not zero.
type sparseFile struct {
	pieces []heldRange
	size   int64
	reads  int
	bytes  int64
}

func (s *sparseFile) put(off int64, b []byte) {
	s.pieces = append(s.pieces, heldRange{off, b})
	s.size = max(s.size, off+int64(len(b)))
}

func (s *sparseFile) ReadAt(p []byte, off int64) (int, error) {
	s.reads++
	s.bytes += int64(len(p))
	if off >= s.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), s.size-off))
	clear(p[:n])
	for _, h := range s.pieces {
		from, to := max(h.off, off), min(h.off+int64(len(h.data)), off+int64(n))
		if from < to {
			copy(p[from-off:to-off], h.data[from-h.off:])
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// dense returns the full content of a small file.
func (s *sparseFile) dense() []byte {
	b, _ := io.ReadAll(io.NewSectionReader(s, 0, s.size))
	return b
}

// linuxNotes returns the notes of a process with two threads on the given machine.
func linuxNotes(e elfFile, machine string) []byte {
	arch, word := archOf(machine, e.class/8), e.class/8
	sizes := map[int]int{64: 600, 32: 400}
	n := 136
	if word == 4 {
		n = 124
	}
	var b []byte
	for i := range 2 {
		st := newStructure(sizes[e.class], e.order, arch.word)
		st.u16(12, uint16([]int{11, 0}[i])).u32(arch.pid, uint32(4242+i))
		for _, r := range []struct {
			off int
			v   uint64
		}{{arch.pc, 0x1000}, {arch.sp, 0x2000}, {arch.tls, 0x3000}} {
			if r.off != 0 {
				st.long(r.off, r.v+uint64(i))
			}
		}
		b = appendNote(b, e.order, "CORE", ntPrstatus, st.b)
		if i == 0 {
			ps := newStructure(n, e.order, word).u32(n-112, 4242).text(n-96, "svc.startd").text(n-80, "/lib/svc/bin/svc.startd -d   ")
			b = appendNote(b, e.order, "CORE", ntPrpsinfo, ps.b)
		}
	}
	return b
}
