package dump

import (
	"encoding/binary"
	"iter"
	"math"
)

// maxNotes is the maximum number of bytes of notes that are read for Info. A thread takes about 3
// KB on most machines, 15 KB with the largest vector registers.
const maxNotes = 256 << 20

// maxOwner is the maximum length of a note's owner. The longest known one has 24 bytes.
const maxOwner = 64

// maxThreads is more than the number of threads in any real process.
const maxThreads = 1 << 20

// note is one note. Its owner and type together determine its meaning.
type note struct {
	owner      string
	typ        uint32
	structView // the description
}

// notes holds the note segments of a dump, as far as they are in the file.
type notes struct {
	segments [][]byte
	order    binary.ByteOrder
	word     int
}

// readNotes reads the note segments, up to maxNotes bytes in total.
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

// all yields the notes in file order. If the last note of a segment is cut short, the available
// part is yielded. Name and description are each padded to 4 bytes, even on 64-bit machines
// (elf(5); Linux and illumos agree).
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

// cut removes the first note from b.
func (n notes) cut(b []byte) (note, []byte) {
	namesz, descsz, typ := n.order.Uint32(b), n.order.Uint32(b[4:]), n.order.Uint32(b[8:])
	name, b := take(b[12:], namesz)
	desc, b := take(b, descsz)
	return note{owner: cstring(name[:min(len(name), maxOwner)]), typ: typ, structView: structView{desc, n.order, n.word}}, b
}

// take removes n bytes and their padding from b.
func take(b []byte, n uint32) (first, rest []byte) {
	if uint64(n) >= uint64(len(b)) {
		return b, nil
	}
	pad := min((uint64(n)+3)&^3, uint64(len(b)))
	return b[:n], b[pad:]
}

// auxv parses an auxiliary vector, up to its end or 1,024 entries.
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

// Aux returns the value of an entry in the auxiliary vector.
func (e *ELF) Aux(typ uint64) (uint64, bool) {
	for _, a := range e.Auxv {
		if a.Type == typ {
			return a.Value, true
		}
	}
	return 0, false
}
