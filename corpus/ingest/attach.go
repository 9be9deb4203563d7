package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/store"
)

// compareStep is the number of bytes compared at a time.
const compareStep = 1 << 20

// ErrAttached means that the dump already has a different file of that name. Nothing was stored.
var ErrAttached = errors.New("the dump has another file of that name")

// Attach stores a file, such as the kernel's vmlinux or a log, beside a dump under name. It reports
// whether it stored anything. It leaves an existing file with the same content alone. If the
// content differs, it replaces the existing file if replace is set; otherwise it returns
// ErrAttached. progress, if not nil, is called with the number of bytes sent.
//
// Attach returns store.ErrInvalid for a name that would hide the document or the dump, or that no
// file can have, and store.ErrNotExist if the dump does not exist.
func Attach(ctx context.Context, c *corpus.Corpus, id dump.ID, name string, file io.ReaderAt, size int64, replace bool, progress func(done, total int64)) (stored bool, err error) {
	key, err := attachedKey(ctx, c, "put", id, name)
	if err != nil {
		return false, err
	}
	s := c.Options().Store
	attr, err := s.Stat(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotExist):
		attr = store.Attr{}
	case err != nil:
		return false, err
	case attr.Dir:
		return false, &store.Error{Op: "put", Key: key, Kind: store.ErrInvalid, Err: errors.New("it is a directory")}
	default:
		same, err := sameObject(ctx, s, key, attr, file, size)
		if err != nil || same {
			return false, err
		}
		if !replace {
			return false, fmt.Errorf("%w: %s has %d bytes, this file %d", ErrAttached, key, attr.Size, size)
		}
	}
	defer c.FilesChanged(ctx, id) // even after an error, since the file may have been stored
	_, err = s.Put(ctx, store.Ref{Key: key, ETag: attr.ETag}, store.TrackReads(file, size, progress), size)
	return err == nil, err
}

// Detach removes a file stored by Attach. It returns store.ErrNotExist if there is none.
func Detach(ctx context.Context, c *corpus.Corpus, id dump.ID, name string) error {
	key, err := attachedKey(ctx, c, "remove", id, name)
	if err != nil {
		return err
	}
	defer c.FilesChanged(ctx, id)
	return c.Options().Store.Remove(ctx, store.Ref{Key: key})
}

// attachedKey returns the key of a file beside a dump. The name must not be that of the document,
// the dump, or an object that thothfs itself uses.
func attachedKey(ctx context.Context, c *corpus.Corpus, op string, id dump.ID, name string) (string, error) {
	key := id.String() + "/" + name
	invalid := func(why string) error {
		return &store.Error{Op: op, Key: key, Kind: store.ErrInvalid, Err: errors.New(why)}
	}
	switch {
	case !corpus.ValidFileName(name):
		return "", invalid(fmt.Sprintf("%q is not a valid file name", name))
	case name == corpus.InfoName || strings.HasPrefix(name, ".thothfs"):
		return "", invalid(fmt.Sprintf("%s is a reserved name", name))
	}
	d, err := c.Dump(ctx, id)
	if err != nil {
		return "", err
	}
	c.Stale(id)
	entries, err := c.Files(ctx, id)
	if err != nil {
		return "", err
	}
	named := d.Doc.String("dump")
	is, exists := corpus.PickDump(entries, named)
	would, _ := corpus.PickDump(append(without(entries, name), store.Entry{Name: name}), named)
	if exists && (is.Name == name || would.Name != is.Name) || !exists && corpus.IsDumpName(name) || path.Base(named) == name {
		return "", invalid(fmt.Sprintf("%s would be taken for the dump itself", name))
	}
	return key, nil
}

// sameObject reports whether an object has the content of a file. It compares the contents if the
// store does not provide the MD5.
func sameObject(ctx context.Context, s store.Store, key string, attr store.Attr, file io.ReaderAt, size int64) (bool, error) {
	if attr.Size != size {
		return false, nil
	}
	if len(attr.MD5) > 0 {
		return hasMD5(ctx, file, size, attr.MD5)
	}
	mine, theirs := make([]byte, min(size, compareStep)), make([]byte, min(size, compareStep))
	for off := int64(0); off < size; off += int64(len(mine)) {
		mine, theirs = mine[:min(int64(len(mine)), size-off)], theirs[:min(int64(len(mine)), size-off)]
		if n, err := file.ReadAt(mine, off); n < len(mine) {
			return false, err
		}
		if _, err := s.ReadAt(ctx, store.Ref{Key: key, ETag: attr.ETag}, theirs, off); err != nil {
			return false, err
		}
		if !bytes.Equal(mine, theirs) {
			return false, nil
		}
	}
	return true, nil
}
