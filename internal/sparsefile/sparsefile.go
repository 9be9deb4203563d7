// Package sparsefile writes files with holes in place of blocks of zeros. Most of a dump is
// zeros.
package sparsefile

import (
	"bytes"
	"io"
)

// blockSize is the length and the alignment of the smallest hole.
const blockSize = 4096

// IsZero reports whether p contains only zeros.
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

// WriteAt writes p to w at off, except for blocks of zeros, where w must not have been written
// to. A file that may end in such a block must be truncated to its size afterwards.
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

// run returns the length of the first part of p, which is at offset off of a file, that lies
// only in blocks of zeros or only in other blocks. zero reports which of the two.
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

// Writer writes a stream to an empty file with WriteAt.
type Writer struct {
	w   io.WriterAt
	off int64
}

// NewWriter returns a Writer that starts at the beginning of w.
func NewWriter(w io.WriterAt) *Writer { return &Writer{w: w} }

func (w *Writer) Write(p []byte) (int, error) {
	if err := WriteAt(w.w, p, w.off); err != nil {
		return 0, err
	}
	w.off += int64(len(p))
	return len(p), nil
}
