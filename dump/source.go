package dump

import (
	"errors"
	"io"
)

const (
	// firstRead is read at once when a dump is looked into. A Linux kernel puts
	// headers and notes of up to some 35 threads there, so most dumps need no
	// second read before their modules.
	firstRead = 128 << 10

	// maxHeld and maxHeldRanges bound what a source keeps.
	maxHeld       = 64 << 20
	maxHeldRanges = 16
)

// source reads a dump in few and large reads, and keeps what it has read of
// headers and notes, which are looked at twice: for the hash and for the facts.
type source struct {
	r    io.ReaderAt
	size int64

	held      []heldRange
	heldBytes int64
}

type heldRange struct {
	off  int64
	data []byte
}

// newSource reads the beginning of r. A size that is not the truth shows as
// io.ErrUnexpectedEOF in some read.
func newSource(r io.ReaderAt, size int64) (*source, error) {
	s := &source{r: r, size: max(size, 0)}
	_, err := s.hold(0, firstRead)
	return s, err
}

// head returns up to n bytes of the beginning of the file.
func (s *source) head(n int) []byte {
	if len(s.held) == 0 {
		return nil
	}
	b := s.held[0].data
	return b[:min(n, len(b))]
}

// clip returns how many of the n bytes at off the file has.
func (s *source) clip(off, n int64) int64 {
	if off < 0 || off >= s.size || n <= 0 {
		return 0
	}
	return min(n, s.size-off)
}

// fill reads len(p) bytes at off, with zeros for what is beyond the end of the
// file, and returns how many bytes the file had.
func (s *source) fill(p []byte, off int64) (int, error) {
	n := int(s.clip(off, int64(len(p))))
	clear(p[n:])
	if n == 0 {
		return 0, nil
	}
	if b := s.lookup(off, int64(n)); b != nil {
		return copy(p, b), nil
	}
	return n, s.readFull(p[:n], off)
}

// hold returns the n bytes at off, fewer where the file ends, and keeps them for
// the next one who asks as far as the budget goes. The caller does not change them.
func (s *source) hold(off, n int64) ([]byte, error) {
	n = s.clip(off, n)
	if n == 0 {
		return nil, nil
	}
	if b := s.lookup(off, n); b != nil {
		return b, nil
	}
	b := make([]byte, n)
	if err := s.readFull(b, off); err != nil {
		return nil, err
	}
	if len(s.held) < maxHeldRanges && s.heldBytes+n <= maxHeld {
		s.held = append(s.held, heldRange{off, b})
		s.heldBytes += n
	}
	return b, nil
}

func (s *source) lookup(off, n int64) []byte {
	for _, h := range s.held {
		if off >= h.off && off+n <= h.off+int64(len(h.data)) {
			return h.data[off-h.off:][:n]
		}
	}
	return nil
}

// readFull reads bytes that the file is known to have: an end of file is an error.
func (s *source) readFull(p []byte, off int64) error {
	n, err := s.r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
