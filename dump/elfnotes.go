package dump

import (
	"encoding/binary"
	"iter"
	"math"
)

// maxNotes bounds the notes that are read for facts. A thread takes some 3 KB on most
// machines, 15 KB with the largest vector registers.
const maxNotes = 256 << 20

// maxThreads is more than the threads of any real process.
const maxThreads = 1 << 20

// note is one note. Owner and type together say what it means.
type note struct {
	owner      string
	typ        uint32
	structView // the description
}

// notes holds the note segments of a dump, as far as the file has them.
type notes struct {
	segments [][]byte
	order    binary.ByteOrder
	word     int
}

// readNotes reads the segments of notes, up to maxNotes in all.
func (e *ELF) readNotes(r *bufReader) (notes, error) {
	n := notes{order: e.Order, word: e.Class / 8}
	budget := int64(maxNotes)
	for _, seg := range e.Segments {
		if seg.Type != SegmentNote || budget == 0 {
			continue
		}
		b, err := r.holdRange(Range{seg.Offset, seg.Filesz}, uint64(budget))
		if err != nil {
			return notes{}, err
		}
		budget -= int64(len(b))
		n.segments = append(n.segments, b)
	}
	return n, nil
}

// all yields the notes in file order. If a segment cuts its last note short, the
// beginning of the note is yielded. Name and description are each padded to 4 bytes, on
// 64-bit machines too (elf(5); Linux and illumos agree).
func (n notes) all() iter.Seq[note] {
	return func(yield func(note) bool) {
		for _, b := range n.segments {
			for len(b) >= 12 {
				var one note
				one, b = n.cut(b)
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
	return note{owner: owner(name), typ: typ, structView: structView{desc, n.order, n.word}}, b
}

// take splits n bytes and their padding off b.
func take(b []byte, n uint32) (first, rest []byte) {
	if uint64(n) >= uint64(len(b)) {
		return b, nil
	}
	pad := min((uint64(n)+3)&^3, uint64(len(b)))
	return b[:n], b[pad:]
}

// owner returns the name of a note. The longest known one has 24 bytes.
func owner(name []byte) string {
	return cstring(name[:min(len(name), 64)])
}

// auxv reads an auxiliary vector, up to its end or 1,024 entries.
func (v structView) auxv() []Aux {
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
