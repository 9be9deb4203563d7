package dump

import (
	"crypto/md5"
	"fmt"
	"hash"
	"math"
	"strconv"
)

const (
	// maxHashed bounds all that goes into one hash but for the JSON. The original
	// cannot read a note of 2 GiB; several that are as large together are not real.
	maxHashed = 1<<31 - 1

	// hashChunk is how much of a note is read at a time when it is not held.
	hashChunk = 1 << 20
)

// elfHasher computes the hash by which Thoth names an ELF core: the MD5 of each
// program header, as the JSON text that Node prints of it, followed by the bytes
// of the segment when it is one of notes.
//
// What the original did wrong is part of the name. A 64-bit offset or size is
// int32(high half) + low half, so that beyond 4 GiB the wrong bytes are hashed,
// always the same ones (see jsNumber); 65,535 headers are 65,535 even where that
// means "more" (PN_XNUM); what is beyond the end of the file is zero.
type elfHasher struct {
	s     *source
	e     *ELF
	sum   hash.Hash
	limit int64 // bytes that may still go in
	text  []byte
	chunk []byte
	pos   int64 // the file's current position
}

func hashELF(s *source, e *ELF) (ID, error) {
	return (&elfHasher{s: s, e: e, sum: md5.New(), limit: maxHashed}).run()
}

func (h *elfHasher) run() (ID, error) {
	stride, n := h.e.phentsize(), h.e.phnum()
	size := layoutOf(h.e.Class).phdr
	if n > 0 && stride < size {
		return ID{}, fmt.Errorf("%w: program headers of %d bytes", ErrDamaged, stride)
	}
	if int64(stride)*int64(n) > maxHashed {
		return ID{}, fmt.Errorf("%w: %d bytes of program headers", ErrDamaged, int64(stride)*int64(n))
	}
	off, has := h.seek(jsNumber(h.e.phoff(), h.e.Class), int64(stride)*int64(n))
	if has <= maxTable {
		if _, err := h.s.hold(off, has); err != nil {
			return ID{}, err
		}
	}
	phdr := make([]byte, size)
	for i := range int64(n) {
		at := i * int64(stride)
		in := min(max(has-at, 0), int64(size))
		if _, err := h.s.fill(phdr[:in], off+at); err != nil {
			return ID{}, err
		}
		clear(phdr[in:])
		if err := h.segment(h.e.segment(phdr)); err != nil {
			return ID{}, err
		}
	}
	return ID(h.sum.Sum(nil)), nil
}

func (h *elfHasher) segment(seg Segment) error {
	h.text = appendPhdrJSON(h.text[:0], seg, h.e.Class)
	h.sum.Write(h.text)
	if seg.Type != SegmentNote {
		return nil
	}
	off, n := jsNumber(seg.Offset, h.e.Class), jsNumber(seg.Filesz, h.e.Class)
	if n < 0 || n > h.limit {
		return fmt.Errorf("%w: %d bytes of notes", ErrDamaged, n)
	}
	h.limit -= n
	off, has := h.seek(off, n)
	return h.note(off, has, n)
}

// seek turns a position as Node takes it into an offset, and n into the number of
// bytes that are there. A negative position is the current one of the file, which
// only such reads move; Node since 15 or so refuses those below -1, the Node 8 of
// the published builds did not.
func (h *elfHasher) seek(off, n int64) (int64, int64) {
	if n == 0 {
		return 0, 0
	}
	if off >= 0 {
		return off, h.s.clip(off, n)
	}
	off = h.pos
	n = h.s.clip(off, n)
	h.pos += n
	return off, n
}

// note hashes n bytes at off, of which the file has the first ones.
func (h *elfHasher) note(off, has, n int64) error {
	if most := min(n, hashChunk); int64(len(h.chunk)) < most {
		h.chunk = make([]byte, most)
	}
	for done := int64(0); done < n; done += hashChunk {
		p := h.chunk[:min(n-done, hashChunk)]
		in := min(max(has-done, 0), int64(len(p)))
		if _, err := h.s.fill(p[:in], off+done); err != nil {
			return err
		}
		clear(p[in:])
		h.sum.Write(p)
	}
	return nil
}

// jsNumber is the number that the original makes of an offset or size: right
// below 4 GiB; above, (hi << 32) + lo in JavaScript, where shifting by 32 is
// shifting by 0 and makes hi a signed 32-bit number.
func jsNumber(v uint64, class int) int64 {
	if class == 32 {
		return int64(v & math.MaxUint32)
	}
	return int64(int32(v>>32)) + int64(v&math.MaxUint32)
}

// appendPhdrJSON appends what JSON.stringify makes of a program header.
func appendPhdrJSON(b []byte, s Segment, class int) []byte {
	num := func(name string, v uint64) {
		b = append(append(append(b, '"'), name...), `":`...)
		b = append(strconv.AppendUint(b, v, 10), ',')
	}
	wide := func(name string, v uint64) {
		if class == 32 {
			num(name, v)
			return
		}
		b = append(append(append(b, '"'), name...), `":[`...)
		b = append(strconv.AppendUint(b, v>>32, 10), ',')
		b = append(strconv.AppendUint(b, v&math.MaxUint32, 10), `],`...)
	}
	b = append(b, '{')
	num("p_type", uint64(s.Type))
	if class == 64 {
		num("p_flags", uint64(s.Flags))
	}
	wide("p_offset", s.Offset)
	wide("p_vaddr", s.Vaddr)
	wide("p_paddr", s.Paddr)
	wide("p_filesz", s.Filesz)
	wide("p_memsz", s.Memsz)
	if class == 32 {
		num("p_flags", uint64(s.Flags))
	}
	wide("p_align", s.Align)
	b[len(b)-1] = '}'
	return b
}
