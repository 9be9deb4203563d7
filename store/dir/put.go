package dir

import (
	"context"
	"errors"
	"io"
	"path"

	"golang.org/x/sys/unix"

	"thothfs/store"
)

// Put stores a new version of old.Key. ErrUnavailable means that nothing changed, unless the
// directory could not be synced: then the new version is present but may not survive a crash of
// the machine.
func (s *Store) Put(ctx context.Context, old store.Ref, src io.ReaderAt, size int64) (store.Attr, error) {
	if err := ctx.Err(); err != nil {
		return store.Attr{}, err
	}
	name, err := writable("put", old.Key)
	if err != nil {
		return store.Attr{}, err
	}
	if size < 0 {
		return store.Attr{}, invalid("put", old.Key, errors.New("negative size"))
	}
	if err := s.expect(old, name); err != nil { // check before writing the data
		return store.Attr{}, err
	}
	attr, err := s.put(ctx, old, name, src, size)
	var source errSource
	if errors.As(err, &source) {
		return store.Attr{}, source.err
	}
	return attr, failure("put", old.Key, err)
}

func (s *Store) put(ctx context.Context, old store.Ref, name string, src io.ReaderAt, size int64) (store.Attr, error) {
	t, err := s.newTemp()
	if err != nil {
		return store.Attr{}, err
	}
	defer t.discard()
	sum, err := t.fill(ctx, src, size)
	if err != nil {
		return store.Attr{}, err
	}
	if err := t.verify(ctx, old.Key, sum); err != nil {
		return store.Attr{}, err
	}
	if err := s.publish(ctx, t, old, name); err != nil {
		return store.Attr{}, err
	}
	attr, err := describeOpen("put", old.Key, t.f)
	attr.MD5 = sum.md5
	return attr, err
}

// expect returns ErrConflict unless the current version is old.
func (s *Store) expect(old store.Ref, name string) error {
	attr, err := s.describe("put", old.Key, name)
	switch {
	case errors.Is(err, store.ErrNotExist):
		attr, err = store.Attr{}, nil
	case err != nil:
		return err
	case attr.Dir:
		return invalid("put", old.Key, errDirectory)
	}
	if attr.ETag != old.ETag {
		return &store.Error{Op: "put", Key: old.Key, Kind: store.ErrConflict}
	}
	return err
}

// publish moves t into place. If the directory is removed between its creation and its use,
// publish creates it again. It makes many tries, because a process that does nothing but remove
// the directory wins most of them, up to 99 of 100 on a busy machine.
func (s *Store) publish(ctx context.Context, t *temp, old store.Ref, name string) error {
	for range 5000 {
		err := s.publishOnce(ctx, t, old, name)
		if !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return invalid("put", old.Key, errors.New("its directory cannot be made, or goes away all the time"))
}

func (s *Store) publishOnce(ctx context.Context, t *temp, old store.Ref, name string) error {
	if err := s.makeDirs(path.Dir(name)); err != nil {
		if errors.Is(err, unix.ENOTDIR) {
			return invalid("put", old.Key, errNotDir)
		}
		return err
	}
	p, err := s.lockParent(ctx, name)
	if err != nil {
		return err
	}
	defer p.close()
	if err := s.expect(old, name); err != nil {
		return err
	}
	if err := p.move(t.dir, t.name, old.ETag != ""); err != nil {
		return err
	}
	return p.sync()
}
