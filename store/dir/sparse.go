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

// pieceSize is the number of bytes copied between two checks of ctx.
const pieceSize = 1 << 20

// errSource marks an error of the source, as opposed to an error of the disk.
type errSource struct{ err error }

func (e errSource) Error() string { return e.err.Error() }
func (e errSource) Unwrap() error { return e.err }

// sums holds checksums of the written data: the MD5 for the Attr, and one that is ten times
// faster, used for the comparison with the data read back.
type sums struct {
	md5   []byte
	quick uint64 // XXH64
}

// fill writes size bytes of src to the file, syncs it, and returns the checksums.
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
	if err := t.f.Truncate(size); err != nil { // the file may end in a hole
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

// verify reads the file back and compares it with want. It first asks the kernel to drop its
// cached pages, so that the data comes from the disk, if possible.
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
