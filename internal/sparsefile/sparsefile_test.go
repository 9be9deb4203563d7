package sparsefile

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func TestIsZero(t *testing.T) {
	for _, n := range []int{0, 1, 70, blockSize, blockSize + 1, 3 * blockSize} {
		p := make([]byte, n)
		if !IsZero(p) {
			t.Errorf("%d zeros", n)
		}
		for i := 0; i < n; i += 1 + i/100 {
			p[i] = 1
			if IsZero(p) {
				t.Errorf("%d bytes with a one at %d", n, i)
			}
			p[i] = 0
		}
	}
}

// file is an io.WriterAt in memory that counts the bytes written to it.
type file struct {
	data    []byte
	written int
	fail    error
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if f.fail != nil {
		return 0, f.fail
	}
	f.written += len(p)
	return copy(f.data[off:], p), nil
}

// sample returns the given blocks, where '0' is a block of zeros, followed by part of a block.
func sample(blocks string) []byte {
	var b []byte
	for _, c := range blocks {
		p := make([]byte, blockSize)
		if c != '0' {
			p[blockSize-1] = byte(c)
		}
		b = append(b, p...)
	}
	return append(b, 1, 0, 2)
}

func TestHoles(t *testing.T) {
	for _, blocks := range []string{"", "0", "1", "0012000", "10203", "000"} {
		data := sample(blocks)
		full := 3
		for _, c := range blocks {
			if c != '0' {
				full += blockSize
			}
		}
		for _, piece := range []int{len(data), blockSize, 2 * blockSize} {
			f := &file{data: make([]byte, len(data))}
			w := NewWriter(f)
			if _, err := io.CopyBuffer(w, struct{ io.Reader }{bytes.NewReader(data)}, make([]byte, piece)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(f.data, data) || f.written != full {
				t.Errorf("%q in pieces of %d: %d bytes written, %d are not zeros", blocks, piece, f.written, full)
			}
		}
	}
}

// TestUnaligned checks that writes that do not begin at a block boundary leave holes for the
// blocks of zeros in them.
func TestUnaligned(t *testing.T) {
	data := sample("1000")
	for _, piece := range []int{1, 1000, 5000} {
		f := &file{data: make([]byte, len(data))}
		if _, err := io.CopyBuffer(NewWriter(f), struct{ io.Reader }{bytes.NewReader(data)}, make([]byte, piece)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.data, data) || f.written > 2*blockSize {
			t.Errorf("pieces of %d: %d bytes written", piece, f.written)
		}
	}
}

func TestErrors(t *testing.T) {
	bad := errors.New("bad disk")
	f := &file{data: make([]byte, blockSize), fail: bad}
	if n, err := NewWriter(f).Write([]byte{0, 1}); n != 0 || !errors.Is(err, bad) {
		t.Error(n, err)
	}
	if n, err := NewWriter(f).Write([]byte{0, 0}); n != 2 || err != nil {
		t.Error(n, err)
	}
}
