package catalog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"

	"thothfs/internal/withctx"
)

// A snapshot is the catalogue of a whole corpus in one object. It saves a new client from reading
// the document of every dump. It is little-endian:
//
//	0 magic, 16 XXH64 of all that follows, 24 time of creation in milliseconds since 1970,
//	32 dumps, 40 bytes of the database, 48 the SQLite database in one zstd frame
//
// Any client that can write a snapshot can write the documents as well, so what it says about them
// is trusted until they are checked. Its format is not trusted.
const (
	snapshotMagic = "thothfs index 1\n"
	// SnapshotHeader is the length of the header, which precedes the database, in bytes.
	SnapshotHeader = 48
	// maxDatabase is the maximum size of the database in a snapshot, in bytes.
	maxDatabase = 64 << 30
)

// Snapshot holds the header of a snapshot.
type Snapshot struct {
	Time     time.Time // time of creation
	Dumps    int64
	Size     int64  // size of the object, in bytes
	Database int64  // size of the database in it, in bytes
	Key      string // key of the object

	head []byte
}

func (s *Snapshot) header() []byte {
	b := make([]byte, SnapshotHeader)
	copy(b, snapshotMagic)
	binary.LittleEndian.PutUint64(b[24:], uint64(s.Time.UnixMilli()))
	binary.LittleEndian.PutUint64(b[32:], uint64(s.Dumps))
	binary.LittleEndian.PutUint64(b[40:], uint64(s.Database))
	return b
}

// ParseSnapshot parses the header of an object of size bytes.
func ParseSnapshot(head []byte, size int64) (*Snapshot, error) {
	if len(head) < SnapshotHeader || string(head[:16]) != snapshotMagic {
		return nil, ErrNoSnapshot
	}
	le := binary.LittleEndian
	s := &Snapshot{Time: time.UnixMilli(int64(le.Uint64(head[24:]))).UTC(), Dumps: int64(le.Uint64(head[32:])),
		Size: size, Database: int64(le.Uint64(head[40:])), head: head[:SnapshotHeader]}
	if s.Dumps < 0 || s.Database < 0 || s.Database > maxDatabase {
		return nil, fmt.Errorf("%w: a database of %d bytes", ErrNoSnapshot, s.Database)
	}
	return s, nil
}

// Pack writes the object for the database at path to a file beside it, and sets s.Size and
// s.Database. The caller must close the file.
func (s *Snapshot) Pack(ctx context.Context, path string) (*os.File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	out, err := os.OpenFile(path+".zst", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := s.pack(ctx, out, in); err != nil {
		out.Close()
		return nil, err
	}
	return out, nil
}

func (s *Snapshot) pack(ctx context.Context, out, in *os.File) error {
	fi, err := in.Stat()
	if err != nil {
		return err
	}
	s.Database = fi.Size()
	head, sum := s.header(), xxhash.New()
	sum.Write(head[24:])
	if _, err := out.Write(head); err != nil {
		return err
	}
	z, err := zstd.NewWriter(io.MultiWriter(out, sum))
	if err != nil {
		return err
	}
	if _, err := io.Copy(z, withctx.Reader(ctx, in)); err != nil {
		z.Close()
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if s.Size, err = out.Seek(0, io.SeekCurrent); err != nil {
		return err
	}
	binary.LittleEndian.PutUint64(head[16:], sum.Sum64())
	_, err = out.WriteAt(head[:24], 0)
	return err
}

// Unpack writes the database of the snapshot to a new file at path and verifies the checksum. r
// reads what follows the header.
func (s *Snapshot) Unpack(ctx context.Context, r io.Reader, path string) error {
	sum := xxhash.New()
	sum.Write(s.head[24:])
	z, err := zstd.NewReader(io.TeeReader(r, sum), zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxWindow(64<<20), zstd.WithDecoderLowmem(true))
	if err != nil {
		return err
	}
	defer z.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, withctx.Reader(ctx, io.LimitReader(z, s.Database+1)))
	if err == nil && n != s.Database {
		err = fmt.Errorf("%d bytes instead of %d", n, s.Database)
	}
	if cerr := out.Close(); cerr != nil {
		return cerr
	}
	if err == nil && sum.Sum64() != binary.LittleEndian.Uint64(s.head[16:]) {
		err = errors.New("checksum mismatch")
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: %w", ErrNoSnapshot, err)
	}
	return err
}
