package corpus

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"thothfs/dump"
	"thothfs/store"
)

// compareStep is how many bytes are compared at a time.
const compareStep = 1 << 20

// ErrAttached is a file that the dump's directory already has under that name, with other
// content. Nothing was stored.
var ErrAttached = errors.New("the dump has another file of that name")

// Attach stores a file beside a dump, under name: the kernel's vmlinux, a log. It reports
// whether anything was stored: a file that is there with the same content is left alone.
// One with other content is replaced if replace is set, and is ErrAttached if not. progress, if not nil,
// is called with the bytes sent.
//
// A name that would hide the document or the dump, or that no file can have, is
// store.ErrInvalid; a dump that is not there is store.ErrNotExist.
func (c *Corpus) Attach(ctx context.Context, id dump.ID, name string, file io.ReaderAt, size int64, replace bool, progress func(done, total int64)) (stored bool, err error) {
	key, err := c.attachedKey(ctx, "put", id, name)
	if err != nil {
		return false, err
	}
	attr, err := c.store.Stat(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotExist):
		attr = store.Attr{}
	case err != nil:
		return false, err
	case attr.Dir:
		return false, errDirectory("put", key)
	default:
		same, err := c.sameObject(ctx, key, attr, file, size)
		if err != nil || same {
			return false, err
		}
		if !replace {
			return false, fmt.Errorf("%w: %s has %d bytes, this file %d", ErrAttached, key, attr.Size, size)
		}
	}
	defer c.dropListing(ctx, id) // whatever came of it, it may have happened
	_, err = c.store.Put(ctx, store.Ref{Key: key, ETag: attr.ETag}, &sending{file, size, progress}, size)
	return err == nil, err
}

// Detach removes a file that Attach stored. One that is not there is store.ErrNotExist.
func (c *Corpus) Detach(ctx context.Context, id dump.ID, name string) error {
	key, err := c.attachedKey(ctx, "remove", id, name)
	if err != nil {
		return err
	}
	defer c.dropListing(ctx, id)
	return c.store.Remove(ctx, store.Ref{Key: key})
}

// attachedKey is the key of a file beside a dump. The name must not be that of the
// document, of the dump or of an object of thothfs's own.
func (c *Corpus) attachedKey(ctx context.Context, op string, id dump.ID, name string) (string, error) {
	key := id.String() + "/" + name
	invalid := func(why string) error {
		return &store.Error{Op: op, Key: key, Kind: store.ErrInvalid, Err: errors.New(why)}
	}
	switch {
	case name == "" || name == "." || name == ".." || strings.Contains(name, "/") || len(name) > 255 ||
		!utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "", invalid(fmt.Sprintf("%q is not a valid file name", name))
	case name == InfoName || strings.HasPrefix(name, ".thothfs"):
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
	is, there := pickDump(entries, named)
	would, _ := pickDump(append(without(entries, name), store.Entry{Name: name}), named)
	if there && (is.Name == name || would.Name != is.Name) || !there && looksLikeDump(name) || path.Base(named) == name {
		return "", invalid(fmt.Sprintf("%s would be taken for the dump itself", name))
	}
	return key, nil
}

// sameObject reports whether an object has the content of a file: by its MD5, or byte by
// byte where the store knows none.
func (c *Corpus) sameObject(ctx context.Context, key string, attr store.Attr, file io.ReaderAt, size int64) (bool, error) {
	if attr.Size != size {
		return false, nil
	}
	if len(attr.MD5) > 0 {
		sum := md5.New()
		_, err := copyContext(ctx, sum, io.NewSectionReader(file, 0, size))
		return err == nil && bytes.Equal(sum.Sum(nil), attr.MD5), err
	}
	mine, theirs := make([]byte, min(size, compareStep)), make([]byte, min(size, compareStep))
	for off := int64(0); off < size; off += int64(len(mine)) {
		mine, theirs = mine[:min(int64(len(mine)), size-off)], theirs[:min(int64(len(mine)), size-off)]
		if n, err := file.ReadAt(mine, off); n < len(mine) {
			return false, err
		}
		if _, err := c.store.ReadAt(ctx, store.Ref{Key: key, ETag: attr.ETag}, theirs, off); err != nil {
			return false, err
		}
		if !bytes.Equal(mine, theirs) {
			return false, nil
		}
	}
	return true, nil
}
