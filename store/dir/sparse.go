package dir

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"

	"thothfs/store"
)

const (
	pieceSize = 1 << 20 // bytes copied between two looks at ctx
	holeSize  = 4096    // bytes of zeros that become a hole, aligned
)

// errSource marks what came from the source, not from our disk.
type errSource struct{ err error }

func (e errSource) Error() string { return e.err.Error() }
func (e errSource) Unwrap() error { return e.err }

// sums are those of what was written: the MD5 for the object's Attr, and one that is
// ten times as quick to compare with what the disk gives back.
type sums struct {
	md5   []byte
	quick uint64 // XXH64
}

// fill writes size bytes of src to the file, lets them reach the disk, and
// returns their sums.
func (t *temp) fill(ctx context.Context, src io.ReaderAt, size int64) (sums, error) {
	sum, quick := md5.New(), xxhash.New()
	buf := make([]byte, min(size, pieceSize))
	for off := int64(0); off < size; off += int64(len(buf)) {
		if err := ctx.Err(); err != nil {
			return sums{}, err
		}
		buf = buf[:min(int64(len(buf)), size-off)]
		if err := readPiece(src, buf, off); err != nil {
			return sums{}, errSource{err}
		}
		sum.Write(buf)
		quick.Write(buf)
		if err := writeSparse(t.f, buf, off); err != nil {
			return sums{}, err
		}
	}
	if err := t.f.Truncate(size); err != nil { // it may end in a hole
		return sums{}, err
	}
	if err := t.stamp(); err != nil {
		return sums{}, err
	}
	return sums{sum.Sum(nil), quick.Sum64()}, t.f.Sync()
}

func readPiece(src io.ReaderAt, buf []byte, off int64) error {
	n, err := src.ReadAt(buf, off)
	if n == len(buf) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("source at %d: %w", off+int64(n), err)
}

// writeSparse writes p except for blocks of zeros. off is a multiple of holeSize.
func writeSparse(f *os.File, p []byte, off int64) error {
	for len(p) > 0 {
		n := run(p)
		if !isZero(p[:min(holeSize, n)]) {
			if _, err := f.WriteAt(p[:n], off); err != nil {
				return err
			}
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// run is how many bytes at the start of p are in blocks that are all zeros, or
// all not.
func run(p []byte) int {
	first := isZero(p[:min(holeSize, len(p))])
	n := 0
	for n < len(p) {
		end := min(n+holeSize, len(p))
		if isZero(p[n:end]) != first {
			break
		}
		n = end
	}
	return n
}

var zeros [holeSize]byte

func isZero(block []byte) bool { return bytes.Equal(block, zeros[:len(block)]) }

// verify reads the file back and compares. The kernel is asked to forget what it
// keeps of it first, so this is what the disk has, as far as a program can see;
// what the disk itself keeps in its memory cannot be told.
func (t *temp) verify(ctx context.Context, key string, want sums) error {
	unix.Fadvise(int(t.f.Fd()), 0, 0, unix.FADV_DONTNEED)
	sum := xxhash.New()
	buf := make([]byte, pieceSize)
	for off := int64(0); ; off += pieceSize {
		store.Progress(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := t.f.ReadAt(buf, off)
		sum.Write(buf[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if sum.Sum64() != want.quick {
		return &store.Error{Op: "put", Key: key, Kind: store.ErrCorrupt,
			Err: errors.New("the disk does not give back what was written")}
	}
	return nil
}
