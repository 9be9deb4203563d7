// Package sparsefile writes files with holes for blocks of zeros: most of a dump is zeros.
package sparsefile

import (
	"bytes"
	"io"
)

// blockSize is the length and the alignment of the smallest hole.
const blockSize = 4096

// IsZero reports whether p holds nothing but zeros.
func IsZero(p []byte) bool {
	for len(p) > blockSize {
		if !bytes.Equal(p[:blockSize], zeros[:]) {
			return false
		}
		p = p[blockSize:]
	}
	return bytes.Equal(p, zeros[:len(p)])
}

var zeros [blockSize]byte

// WriteAt writes p at off of w, except for blocks of zeros: there w must not have been
// written to. A file that may end in such a block needs Truncate afterwards.
func WriteAt(w io.WriterAt, p []byte, off int64) error {
	for len(p) > 0 {
		n, zero := run(p, off)
		if !zero {
			if _, err := w.WriteAt(p[:n], off); err != nil {
				return err
			}
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// run returns how many bytes at the start of p, which is at off of a file, lie in blocks
// that are all zeros, or in blocks that are not.
func run(p []byte, off int64) (n int, zero bool) {
	for n < len(p) {
		end := min(n+blockSize-int((off+int64(n))%blockSize), len(p))
		z := IsZero(p[n:end])
		if n > 0 && z != zero {
			break
		}
		n, zero = end, z
	}
	return n, zero
}

// Writer writes a stream to an empty file by WriteAt.
type Writer struct {
	w   io.WriterAt
	off int64
}

// NewWriter returns a Writer that begins at the start of w.
func NewWriter(w io.WriterAt) *Writer { return &Writer{w: w} }

func (w *Writer) Write(p []byte) (int, error) {
	if err := WriteAt(w.w, p, w.off); err != nil {
		return 0, err
	}
	w.off += int64(len(p))
	return len(p), nil
}
