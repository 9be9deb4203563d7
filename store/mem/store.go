package mem

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"thothfs/store"
)

var _ store.Store = (*objects)(nil)

func fail(op, key string, kind error) error { return &store.Error{Op: op, Key: key, Kind: kind} }

// findLocked returns the object at key, which must not be a directory.
func (o *objects) findLocked(op, key string) (*memObject, error) {
	x := o.byKey[key]
	switch {
	case !store.ValidKey(key):
		return nil, fail(op, key, store.ErrInvalid)
	case x == nil:
		return nil, fail(op, key, store.ErrNotExist)
	case x.attr.Dir:
		return nil, fail(op, key, store.ErrInvalid)
	}
	return x, nil
}

func (o *objects) ReadAt(ctx context.Context, ref store.Ref, p []byte, off int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	o.mu.Lock()
	x, err := o.findLocked("read", ref.Key)
	o.mu.Unlock()
	switch {
	case ref.ETag == "" || off < 0:
		return 0, fail("read", ref.Key, store.ErrInvalid)
	case err != nil:
		return 0, err
	case x.attr.ETag != ref.ETag:
		return 0, fail("read", ref.Key, store.ErrStale)
	}
	return bytes.NewReader(x.data).ReadAt(p, off)
}

func (o *objects) Get(ctx context.Context, known store.Ref, limit int64) ([]byte, store.Attr, error) {
	if err := ctx.Err(); err != nil {
		return nil, store.Attr{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	x, err := o.findLocked("get", known.Key)
	switch {
	case err != nil:
		return nil, store.Attr{}, err
	case x.attr.ETag == known.ETag:
		return nil, o.attrLocked(x), fail("get", known.Key, store.ErrNotModified)
	case x.attr.Size > limit:
		return nil, o.attrLocked(x), fail("get", known.Key, store.ErrTooLarge)
	}
	return append([]byte{}, x.data...), o.attrLocked(x), nil
}

func (o *objects) Stat(ctx context.Context, key string) (store.Attr, error) {
	if err := ctx.Err(); err != nil {
		return store.Attr{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if x := o.byKey[key]; x != nil {
		return o.attrLocked(x), nil
	}
	if !store.ValidKey(key) {
		return store.Attr{}, fail("stat", key, store.ErrInvalid)
	}
	return store.Attr{}, fail("stat", key, store.ErrNotExist)
}

// List yields from a copy, so that no lock is held during yield.
func (o *objects) List(ctx context.Context, dir, from string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(store.Entry{}, err)
			return
		}
		entries, err := o.entries(dir, from)
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				yield(store.Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (o *objects) entries(dir, from string) ([]store.Entry, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	d := o.byKey[dir]
	switch {
	case !store.ValidKey(dir), d != nil && !d.attr.Dir:
		return nil, fail("list", dir, store.ErrInvalid)
	case d == nil:
		return nil, fail("list", dir, store.ErrNotExist)
	}
	names := o.childrenLocked(dir)
	first, _ := slices.BinarySearch(names, from)
	var entries []store.Entry
	for _, name := range names[first:] {
		entries = append(entries, store.Entry{Name: name, Attr: o.attrLocked(o.byKey[join(dir, name)])})
	}
	return entries, nil
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

func (o *objects) Put(ctx context.Context, old store.Ref, src io.ReaderAt, size int64) (store.Attr, error) {
	if !store.ValidKey(old.Key) || old.Key == "" || size < 0 {
		return store.Attr{}, fail("put", old.Key, store.ErrInvalid)
	}
	data, err := readAll(ctx, src, size)
	if err != nil {
		return store.Attr{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	x, now := o.byKey[old.Key], ""
	if x != nil {
		now = x.attr.ETag
	}
	switch {
	case x != nil && x.attr.Dir:
		return store.Attr{}, fail("put", old.Key, store.ErrInvalid)
	case now != old.ETag:
		return store.Attr{}, fail("put", old.Key, store.ErrConflict)
	case !o.mkdirsLocked(old.Key):
		return store.Attr{}, fail("put", old.Key, store.ErrInvalid)
	}
	x = o.objectLocked(data, time.Now())
	o.putLocked(old.Key, x)
	a := x.attr
	a.MD5 = bytes.Clone(a.MD5)
	return a, nil
}

// readAll reads src in pieces, like a store that sends it over a network.
func readAll(ctx context.Context, src io.ReaderAt, size int64) ([]byte, error) {
	data := make([]byte, 0, min(size, 1<<20))
	for off := int64(0); off < size; off = int64(len(data)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		data = slices.Grow(data, int(min(size-off, 1<<20)))
		p := data[off : off+min(size-off, 1<<20)]
		n, err := src.ReadAt(p, off)
		data = data[:off+int64(n)]
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if n < len(p) {
			return nil, fmt.Errorf("source at %d: %w", off+int64(n), err)
		}
	}
	return data, ctx.Err()
}

func (o *objects) Remove(ctx context.Context, ref store.Ref) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	x := o.byKey[ref.Key]
	switch {
	case !store.ValidKey(ref.Key) || ref.Key == "":
		return fail("remove", ref.Key, store.ErrInvalid)
	case x == nil:
		return fail("remove", ref.Key, store.ErrNotExist)
	case x.attr.Dir && len(o.names[ref.Key]) > 0,
		!x.attr.Dir && ref.ETag != "" && ref.ETag != x.attr.ETag:
		return fail("remove", ref.Key, store.ErrConflict)
	}
	o.dropLocked(ref.Key)
	return nil
}
