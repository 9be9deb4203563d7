package vmcore

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// ErrAbsent is the error for what is not in the dump, or is damaged there. Other errors are those
// of the io.ReaderAt.
var ErrAbsent = errors.New("not in the dump")

func absent(addr uint64) error { return fmt.Errorf("%w: memory at %#x", ErrAbsent, addr) }

// Memory is the memory of a crashed machine.
type Memory interface {
	// ReadMemory reads len(p) bytes at addr. The error is ErrAbsent if the dump does not have
	// all of them.
	ReadMemory(p []byte, addr uint64) error
}

// Segment is a piece of memory that is stored in a file.
type Segment struct{ Addr, Off, Len uint64 }

// Segments returns the memory that is stored in segments of a file, which may overlap. It sorts
// and keeps list.
func Segments(r io.ReaderAt, list []Segment) Memory {
	slices.SortStableFunc(list, func(a, b Segment) int { return cmp.Compare(a.Addr, b.Addr) })
	// What an earlier segment covers is cut off, so that a search finds the only candidate.
	kept, end := list[:0], uint64(0)
	for _, s := range list {
		s.Len = min(s.Len, math.MaxUint64-s.Addr)
		if s.Addr < end {
			cut := min(end-s.Addr, s.Len)
			s.Addr, s.Off, s.Len = s.Addr+cut, s.Off+cut, s.Len-cut
		}
		if s.Len > 0 && s.Off <= math.MaxInt64 {
			kept, end = append(kept, s), s.Addr+s.Len
		}
	}
	return &segments{r, kept}
}

type segments struct {
	r    io.ReaderAt
	list []Segment // sorted and disjoint
}

func (m *segments) ReadMemory(p []byte, addr uint64) error {
	for len(p) > 0 {
		i, found := slices.BinarySearchFunc(m.list, addr, func(s Segment, a uint64) int { return cmp.Compare(s.Addr, a) })
		if !found {
			i--
		}
		if i < 0 || addr-m.list[i].Addr >= m.list[i].Len {
			return absent(addr)
		}
		s := m.list[i]
		d := addr - s.Addr
		n := int(min(uint64(len(p)), s.Len-d))
		if d > math.MaxInt64-s.Off {
			return absent(addr)
		}
		if err := readFull(m.r, p[:n], int64(s.Off+d)); err != nil {
			return err
		}
		p, addr = p[n:], addr+uint64(n)
	}
	return nil
}

// readFull reads all of p. The end of a file that is cut short is absent memory.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: the file ends at offset %d", ErrAbsent, off+int64(n))
	}
	return err
}
