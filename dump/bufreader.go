package dump

import (
	"errors"
	"io"
	"math"
)

const (
	// firstRead is the size of the first read of every dump. A Linux kernel puts headers and
	// the notes of about 35 threads there, so most dumps need no second read before their
	// modules are read.
	firstRead = 128 << 10

	// maxHeld and maxHeldRanges limit what a bufReader keeps.
	maxHeld       = 64 << 20
	maxHeldRanges = 16
)

// bufReader reads a dump in a few large reads. It keeps headers and notes, which are read both
// for the hash and for the Info.
type bufReader struct {
	r    io.ReaderAt
	size int64

	held      []heldRange
	heldBytes int64
}

type heldRange struct {
	off  int64
	data []byte
}

// newBufReader reads the start of r. If size is too large, a later read fails with
// io.ErrUnexpectedEOF.
func newBufReader(r io.ReaderAt, size int64) (*bufReader, error) {
	b := &bufReader{r: r, size: max(size, 0)}
	_, err := b.hold(0, firstRead)
	return b, err
}

// head returns up to n bytes from the start of the file.
func (r *bufReader) head(n int) []byte {
	if len(r.held) == 0 {
		return nil
	}
	b := r.held[0].data
	return b[:min(n, len(b))]
}

// clip returns how many of the n bytes at off are within the file.
func (r *bufReader) clip(off, n int64) int64 {
	if off < 0 || off >= r.size || n <= 0 {
		return 0
	}
	return min(n, r.size-off)
}

// fill reads len(p) bytes at off, with zeros beyond the end of the file. It returns the number of
// bytes that were within the file.
func (r *bufReader) fill(p []byte, off int64) (int, error) {
	n := int(r.clip(off, int64(len(p))))
	clear(p[n:])
	if n == 0 {
		return 0, nil
	}
	if b := r.lookup(off, int64(n)); b != nil {
		return copy(p, b), nil
	}
	return n, r.readFull(p[:n], off)
}

// hold returns the n bytes at off, or fewer at the end of the file, and keeps them if the limits
// allow. The caller must not change them.
func (r *bufReader) hold(off, n int64) ([]byte, error) {
	n = r.clip(off, n)
	if n == 0 {
		return nil, nil
	}
	if b := r.lookup(off, n); b != nil {
		return b, nil
	}
	b := make([]byte, n)
	if err := r.readFull(b, off); err != nil {
		return nil, err
	}
	if len(r.held) < maxHeldRanges && r.heldBytes+n <= maxHeld {
		r.held = append(r.held, heldRange{off, b})
		r.heldBytes += n
	}
	return b, nil
}

// holdRange is like hold for a range stated by a header, but reads at most limit bytes.
func (r *bufReader) holdRange(at Range, limit uint64) ([]byte, error) {
	if at.Off > math.MaxInt64 {
		return nil, nil
	}
	return r.hold(int64(at.Off), int64(min(at.Len, limit)))
}

func (r *bufReader) lookup(off, n int64) []byte {
	for _, h := range r.held {
		if off >= h.off && off+n <= h.off+int64(len(h.data)) {
			return h.data[off-h.off:][:n]
		}
	}
	return nil
}

// readFull reads bytes that are within the file, so an end of file is an error.
func (r *bufReader) readFull(p []byte, off int64) error {
	n, err := r.r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
