package ingest

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"thothfs/dump"
	"thothfs/internal/sparsefile"
	"thothfs/internal/withctx"
)

// Spool copies r, such as standard input, to a private file in dir that has no name, so that it is gone
// when it is closed or the process is killed. dir "" means os.TempDir().
func Spool(ctx context.Context, r io.Reader, dir string) (*os.File, error) {
	f, err := tempFile(dir)
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(sparsefile.NewWriter(f), withctx.Reader(ctx, r))
	if err == nil {
		err = f.Truncate(n)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// tempFile creates a private file without a name in dir.
func tempFile(dir string) (*os.File, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	f, err := os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o600)
	if err == nil || !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EINVAL) {
		return f, err
	}
	// Not every file system has O_TMPFILE.
	if f, err = os.CreateTemp(dir, "thothfs-upload-*"); err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// IsDump reports whether a file, which may be compressed, begins like a dump that Upload takes.
func IsDump(f io.ReaderAt) (bool, error) {
	head := make([]byte, dump.HeadSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	head = head[:n]
	if kind := dump.Compression(head); kind != "" {
		r, err := dump.Decompress(io.NewSectionReader(f, 0, 1<<62), kind)
		if err != nil {
			return false, nil // damaged
		}
		defer r.Close()
		head = head[:cap(head)]
		n, _ := io.ReadFull(r, head)
		head = head[:n]
	}
	return dump.Flattened(head) || dump.BeginsLikeDump(head), nil
}
