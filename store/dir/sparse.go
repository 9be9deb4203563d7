package dir

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"

	"thothfs/internal/sparsefile"
	"thothfs/store"
)

// pieceSize is how many bytes are copied between two checks of ctx.
const pieceSize = 1 << 20

// errSource marks an error of the source, as opposed to one of our disk.
type errSource struct{ err error }

func (e errSource) Error() string { return e.err.Error() }
func (e errSource) Unwrap() error { return e.err }

// sums are the checksums of what was written: the MD5 for the Attr, and one that is ten times
// faster, for comparing with what the disk returns.
type sums struct {
	md5   []byte
	quick uint64 // XXH64
}

// fill writes size bytes of src to the file, syncs it, and returns their sums.
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
		if err := sparsefile.WriteAt(t.f, buf, off); err != nil {
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

// verify reads the file back and compares. It first asks the kernel to drop its cached pages,
// so that the bytes come from the disk, as far as a program can know.
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
