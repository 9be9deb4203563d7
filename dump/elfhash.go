package dump

import (
	"crypto/md5"
	"fmt"
	"hash"
	"math"
	"strconv"
)

const (
	// maxHashed is the maximum number of bytes in one hash, apart from the JSON. The original
	// cannot read a note of 2 GiB, and real notes are smaller than that in total.
	maxHashed = 1<<31 - 1

	// hashChunk is the number of bytes read at a time from a note that is not held in memory.
	hashChunk = 1 << 20
)

// elfHasher computes the hash that identifies an ELF core in Thoth: the MD5 of each program
// header, in the JSON text that Node prints for it, followed by the bytes of the segment if it
// holds notes.
//
// The bugs of the original affect the hash and must be reproduced. A 64-bit offset or size is
// int32(high half) + low half, so that beyond 4 GiB the wrong bytes are hashed, but always the
// same ones (see jsNumber). A header count of 65,535 is taken literally even where it means
// "more" (PN_XNUM). Bytes beyond the end of the file are zeros.
type elfHasher struct {
	r     *bufReader
	e     *ELF
	sum   hash.Hash
	limit int64 // bytes that may still be hashed
	text  []byte
	chunk []byte
	pos   int64 // current position in the file
}

func hashELF(r *bufReader) (ID, error) {
	e, err := parseCore(r)
	if err != nil {
		return ID{}, err
	}
	return e.hash(r, maxHashed)
}

// hash computes the hash of an ELF dump that has at most limit bytes of notes.
func (e *ELF) hash(r *bufReader, limit int64) (ID, error) {
	h := &elfHasher{r: r, e: e, sum: md5.New(), limit: limit}
	stride, n := e.phentsize, e.phnum
	size := layoutOf(e.Class).phdr
	if n > 0 && stride < size {
		return ID{}, fmt.Errorf("%w: program headers of %d bytes", ErrDamaged, stride)
	}
	if int64(stride)*int64(n) > maxHashed {
		return ID{}, fmt.Errorf("%w: %d bytes of program headers", ErrDamaged, int64(stride)*int64(n))
	}
	table := int64(stride) * int64(n)
	off := h.seek(jsNumber(e.phoff, e.Class), table)
	if r.clip(off, table) <= maxTable {
		if _, err := r.hold(off, table); err != nil {
			return ID{}, err
		}
	}
	phdr := make([]byte, size)
	for i := range int64(n) {
		if _, err := r.fill(phdr, off+i*int64(stride)); err != nil {
			return ID{}, err
		}
		if err := h.segment(e.segment(phdr)); err != nil {
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
	off = h.seek(off, n)
	if most := min(n, hashChunk); int64(len(h.chunk)) < most {
		h.chunk = make([]byte, most)
	}
	for done := int64(0); done < n; done += hashChunk {
		p := h.chunk[:min(n-done, hashChunk)]
		if _, err := h.r.fill(p, off+done); err != nil {
			return err
		}
		h.sum.Write(p)
	}
	return nil
}

// seek returns the file offset that Node uses to read n bytes at the position off. A negative
// position means the current position of the file, which only such reads advance. Node 8, used by
// the published builds, accepted any negative position; since about version 15, Node rejects those
// below -1.
func (h *elfHasher) seek(off, n int64) int64 {
	if off >= 0 {
		return off
	}
	off = h.pos
	h.pos += h.r.clip(off, n)
	return off
}

// jsNumber returns the original's value for an offset or size. It is correct below 4 GiB; above,
// it is (hi << 32) + lo in JavaScript, where a shift by 32 is a shift by 0 and makes hi a signed
// 32-bit number.
func jsNumber(v uint64, class int) int64 {
	if class == 32 {
		return int64(v & math.MaxUint32)
	}
	return int64(int32(v>>32)) + int64(v&math.MaxUint32)
}

// appendPhdrJSON appends a program header in the format of JSON.stringify.
func appendPhdrJSON(b []byte, s Segment, class int) []byte {
	if class == 32 {
		return fmt.Appendf(b, `{"p_type":%d,"p_offset":%d,"p_vaddr":%d,"p_paddr":%d,"p_filesz":%d,"p_memsz":%d,"p_flags":%d,"p_align":%d}`,
			s.Type, s.Offset, s.Vaddr, s.Paddr, s.Filesz, s.Memsz, s.Flags, s.Align)
	}
	b = fmt.Appendf(b, `{"p_type":%d,"p_flags":%d`, s.Type, s.Flags)
	names := [...]string{"offset", "vaddr", "paddr", "filesz", "memsz", "align"}
	for i, v := range [...]uint64{s.Offset, s.Vaddr, s.Paddr, s.Filesz, s.Memsz, s.Align} {
		b = append(append(append(b, `,"p_`...), names[i]...), `":[`...)
		b = append(strconv.AppendUint(b, v>>32, 10), ',')
		b = append(strconv.AppendUint(b, v&math.MaxUint32, 10), ']')
	}
	return append(b, '}')
}
