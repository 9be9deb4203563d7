package dump

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"thothfs/internal/sparsefile"
)

// The flattened format of makedumpfile (see IMPLEMENTATION and makedumpfile.h in its source): a
// header of 4096 bytes, then records. A record is a 64-bit offset and a 64-bit size, both
// big-endian and signed, and the data for that place. The dump ends with a record of -1, -1.
const (
	flattenedMagic  = "makedumpfile\x00\x00\x00\x00"
	flattenedHeader = 4096

	// maxFlattened is the maximum size of the dump, that of the largest file on ext4.
	maxFlattened = 16 << 40
	// flattenedHoles is the maximum ratio of the dump's size to that of its records. Writers
	// omit only the ends of some blocks.
	flattenedHoles = 16
)

// Flattened reports whether a file that starts with head is a dump in makedumpfile's flattened
// format. 16 bytes of head are enough.
func Flattened(head []byte) bool { return bytes.HasPrefix(head, []byte(flattenedMagic)) }

// Rearrange writes the flattened dump in r to w, which must be empty, as makedumpfile -R does. It
// returns the size of the dump. It does not write zeros where nothing was written before, so w
// must read as zeros there and may end up shorter than the dump.
//
// Where records overlap, the later one wins. The error is io.ErrUnexpectedEOF if r lacks the
// record that ends the dump, and ErrDamaged if r is not in the format. Data after the end record
// is not read.
func Rearrange(w io.WriterAt, r io.Reader) (size int64, err error) {
	f := flattened{r: bufio.NewReaderSize(r, 1<<20), w: w, buf: make([]byte, 128<<10)}
	if err := f.header(); err != nil {
		return 0, err
	}
	for {
		more, err := f.record()
		if err != nil {
			return 0, err
		}
		if !more {
			break
		}
	}
	if f.size/flattenedHoles > f.data+1<<20 {
		return 0, fmt.Errorf("%w: the flattened dump is %d bytes long, but has records for %d only", ErrDamaged, f.size, f.data)
	}
	return f.size, nil
}

// flattened is the state of one Rearrange call.
type flattened struct {
	r    *bufio.Reader
	w    io.WriterAt
	buf  []byte
	data int64 // number of bytes in the records so far
	size int64 // size of the dump so far
}

func (f *flattened) header() error {
	head := f.buf[:flattenedHeader]
	if err := f.read(head); err != nil {
		return err
	}
	kind, version := binary.BigEndian.Uint64(head[16:]), binary.BigEndian.Uint64(head[24:])
	if !Flattened(head) || kind != 1 || version != 1 {
		return fmt.Errorf("%w: flattened format of type %d, version %d (only type 1, version 1 is known)", ErrDamaged, kind, version)
	}
	return nil
}

// record copies one record. more is false if the record ends the dump.
func (f *flattened) record() (more bool, err error) {
	if err := f.read(f.buf[:16]); err != nil {
		return false, err
	}
	off, n := int64(binary.BigEndian.Uint64(f.buf)), int64(binary.BigEndian.Uint64(f.buf[8:]))
	if off == -1 && n == -1 {
		return false, nil
	}
	if off < 0 || n <= 0 || off > maxFlattened || n > maxFlattened-off {
		return false, fmt.Errorf("%w: the flattened dump has a record of %d bytes at offset %d", ErrDamaged, n, off)
	}
	f.data += n
	for n > 0 {
		b := f.buf[:min(n, int64(len(f.buf)))]
		if err := f.read(b); err != nil {
			return false, err
		}
		if err := f.put(b, off); err != nil {
			return false, err
		}
		off, n = off+int64(len(b)), n-int64(len(b))
	}
	return true, nil
}

// put writes b, unless it is all zeros and nothing was written there before.
func (f *flattened) put(b []byte, off int64) error {
	fresh := off >= f.size
	f.size = max(f.size, off+int64(len(b)))
	if fresh && sparsefile.IsZero(b) {
		return nil
	}
	_, err := f.w.WriteAt(b, off)
	return err
}

func (f *flattened) read(b []byte) error {
	_, err := io.ReadFull(f.r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the flattened dump is cut short, its end marker is missing: %w", io.ErrUnexpectedEOF)
	}
	return err
}
