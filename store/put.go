package store

import (
	"bytes"
	"context"
	"errors"
	"io"
)

// Overwrite stores data at key and replaces any existing object. It returns ErrConflict if
// another client changes the object at the same time.
func Overwrite(ctx context.Context, s Store, key string, data []byte) error {
	ref := Ref{Key: key}
	_, err := s.Put(ctx, ref, bytes.NewReader(data), int64(len(data)))
	if !errors.Is(err, ErrConflict) {
		return err
	}
	attr, err := s.Stat(ctx, key)
	if err != nil {
		return err
	}
	ref.ETag = attr.ETag
	_, err = s.Put(ctx, ref, bytes.NewReader(data), int64(len(data)))
	return err
}

// TrackReads wraps src, which has size bytes, so that each ReadAt calls progress with the end
// offset of the data read and with size. If progress is nil, it returns src itself.
func TrackReads(src io.ReaderAt, size int64, progress func(done, total int64)) io.ReaderAt {
	if progress == nil {
		return src
	}
	return &trackedReader{src, size, progress}
}

type trackedReader struct {
	src      io.ReaderAt
	size     int64
	progress func(done, total int64)
}

func (t *trackedReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := t.src.ReadAt(p, off)
	if n > 0 {
		t.progress(off+int64(n), t.size)
	}
	return n, err
}
