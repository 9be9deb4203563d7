package dir

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"thothfs/store"
)

// ReadAt reads from the object version ref.
func (s *Store) ReadAt(ctx context.Context, ref store.Ref, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, invalid("read", ref.Key, errors.New("negative offset"))
	}
	f, attr, err := s.openVersion(ctx, ref)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := f.ReadAt(p, off)
	if !unchanged(f, attr) {
		return 0, &store.Error{Op: "read", Key: ref.Key, Kind: store.ErrStale}
	}
	if err == io.EOF {
		return n, io.EOF
	}
	return n, failure("read", ref.Key, err)
}

// OpenLocal opens the object version ref for reading. A replacement does not affect the open
// file; a change in place, which thothfs never makes, does.
func (s *Store) OpenLocal(ctx context.Context, ref store.Ref) (*os.File, error) {
	f, _, err := s.openVersion(ctx, ref)
	return f, err
}

// Get reads a small object whole.
func (s *Store) Get(ctx context.Context, known store.Ref, limit int64) ([]byte, store.Attr, error) {
	for range 10 { // repeat if it was changed in place meanwhile
		data, attr, err := s.getOnce(ctx, known, limit)
		if !errors.Is(err, store.ErrStale) {
			return data, attr, err
		}
	}
	return nil, store.Attr{}, &store.Error{Op: "get", Key: known.Key, Kind: store.ErrUnavailable,
		Err: errors.New("it is being changed all the time")}
}

func (s *Store) getOnce(ctx context.Context, known store.Ref, limit int64) ([]byte, store.Attr, error) {
	fail := func(kind error) ([]byte, store.Attr, error) {
		return nil, store.Attr{}, &store.Error{Op: "get", Key: known.Key, Kind: kind}
	}
	f, attr, err := s.open(ctx, "get", known.Key)
	if err != nil {
		return nil, store.Attr{}, err
	}
	defer f.Close()
	switch {
	case attr.ETag == known.ETag:
		return fail(store.ErrNotModified)
	case attr.Size > limit:
		return fail(store.ErrTooLarge)
	}
	data := make([]byte, attr.Size)
	n, err := f.ReadAt(data, 0)
	switch {
	case !unchanged(f, attr) || err == io.EOF && n < len(data):
		return fail(store.ErrStale)
	case err != nil && err != io.EOF:
		return nil, store.Attr{}, failure("get", known.Key, err)
	}
	return data, attr, nil
}

// openVersion opens ref, which must have an ETag, and checks its version.
func (s *Store) openVersion(ctx context.Context, ref store.Ref) (*os.File, store.Attr, error) {
	if ref.ETag == "" {
		return nil, store.Attr{}, invalid("read", ref.Key, errors.New("no version given"))
	}
	f, attr, err := s.open(ctx, "read", ref.Key)
	if err != nil {
		return nil, attr, err
	}
	if attr.ETag != ref.ETag {
		f.Close()
		return nil, attr, &store.Error{Op: "read", Key: ref.Key, Kind: store.ErrStale}
	}
	return f, attr, nil
}

// open opens the regular file at key. It stats the file first, since opening a device can have
// side effects and opening a pipe can block. A file that replaces it in between is opened without
// blocking, and rejected.
func (s *Store) open(ctx context.Context, op, key string) (*os.File, store.Attr, error) {
	if err := ctx.Err(); err != nil {
		return nil, store.Attr{}, err
	}
	name, err := existing(op, key)
	if err != nil {
		return nil, store.Attr{}, err
	}
	attr, err := s.describe(op, key, name)
	if err != nil {
		return nil, attr, err
	}
	if attr.Dir {
		return nil, attr, invalid(op, key, errDirectory)
	}
	f, err := s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, attr, failure(op, key, err)
	}
	attr, err = describeOpen(op, key, f)
	if err != nil {
		f.Close()
	}
	return f, attr, err
}

// describeOpen returns the attributes of an open file. Anything but a regular file is an error.
func describeOpen(op, key string, f *os.File) (store.Attr, error) {
	fi, err := f.Stat()
	if err != nil {
		return store.Attr{}, failure(op, key, err)
	}
	attr, err := describeInfo(op, key, fi)
	if err == nil && attr.Dir {
		err = invalid(op, key, errDirectory)
	}
	return attr, err
}

// unchanged reports whether f still has the size and mtime in attr. The ctime may differ, since
// it changes when the next version replaces the name.
func unchanged(f *os.File, attr store.Attr) bool {
	fi, err := f.Stat()
	return err == nil && fi.Size() == attr.Size && fi.ModTime().Equal(attr.ModTime)
}
