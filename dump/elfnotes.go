package dump

import (
	"encoding/binary"
	"iter"
	"math"
)

// maxNotes is how much of the notes is looked at for facts. A thread takes some
// 3 KB on most machines, 15 KB with the largest vector registers.
const maxNotes = 256 << 20

// maxThreads is more threads than any kernel lets live at once in practice.
const maxThreads = 1 << 20

// note is one note: what it means is known by its owner and type together.
type note struct {
	owner   string
	typ     uint32
	view        // the description
	segment int // which segment of notes it is from, counted from 0
}

// notes are the note segments of a dump, as much as the file has of them.
type notes struct {
	segments [][]byte
	order    binary.ByteOrder
	word     int
}

// readNotes reads the segments of notes, up to maxNotes in all.
func (e *ELF) readNotes(s *source) (notes, error) {
	n := notes{order: e.Order, word: e.Class / 8}
	budget := int64(maxNotes)
	for _, seg := range e.Segments {
		if seg.Type != SegmentNote || seg.Offset > math.MaxInt64 || budget == 0 {
			continue
		}
		b, err := s.hold(int64(seg.Offset), int64(min(seg.Filesz, uint64(budget))))
		if err != nil {
			return notes{}, err
		}
		budget -= int64(len(b))
		n.segments = append(n.segments, b)
	}
	return n, nil
}

// all yields the notes in file order. A note that its segment cuts short ends it;
// its beginning is yielded. Name and description are each padded to 4 bytes, on
// 64-bit machines too (elf(5); Linux and illumos agree).
func (n notes) all() iter.Seq[note] {
	return func(yield func(note) bool) {
		for i, b := range n.segments {
			for len(b) >= 12 {
				var one note
				one, b = n.cut(b)
				one.segment = i
				if !yield(one) {
					return
				}
			}
		}
	}
}

// cut takes the first note off b.
func (n notes) cut(b []byte) (note, []byte) {
	namesz, descsz, typ := n.order.Uint32(b), n.order.Uint32(b[4:]), n.order.Uint32(b[8:])
	name, b := take(b[12:], namesz)
	desc, b := take(b, descsz)
	return note{owner: owner(name), typ: typ, view: view{desc, n.order, n.word}}, b
}

// take splits n bytes and their padding off b.
func take(b []byte, n uint32) (first, rest []byte) {
	if uint64(n) >= uint64(len(b)) {
		return b, nil
	}
	pad := min((uint64(n)+3)&^3, uint64(len(b)))
	return b[:n], b[pad:]
}

// owner is the name of a note. The longest that means anything is 24 bytes.
func owner(name []byte) string {
	return cstring(name[:min(len(name), 64)])
}

// auxv reads an auxiliary vector, up to its end or 1,024 entries.
func (v view) auxv() []Aux {
	var out []Aux
	for off := 0; off+2*v.word <= len(v.b) && len(out) < 1024; off += 2 * v.word {
		a := Aux{v.long(off), v.long(off + v.word)}
		if v.word == 8 {
			a.Type &= math.MaxUint32 // an int, with padding on illumos
		}
		if a.Type == 0 {
			break
		}
		out = append(out, a)
	}
	return out
}

// Aux returns the value of an entry of the auxiliary vector.
func (e *ELF) Aux(typ uint64) (uint64, bool) {
	for _, a := range e.Auxv {
		if a.Type == typ {
			return a.Value, true
		}
	}
	return 0, false
}
