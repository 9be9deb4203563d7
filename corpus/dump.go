package corpus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/query"
	"thothfs/store"
	"time"
)

// InfoName is the name of the document in a dump's directory.
const InfoName = "info.json"

// maxInfo is how large a document may be to be read.
const maxInfo = document.MaxSize

// Dump is one dump of the corpus as its document describes it. It is shared; do
// not change it.
type Dump struct {
	ID      dump.ID
	ETag    string    // version of info.json
	Size    int64     // of info.json
	ModTime time.Time // of info.json
	// Doc is the document as stored; an empty one when it is too large to be read.
	Doc *document.Document
	// Damage says in words what is wrong with the document, "" nothing.
	Damage string

	// "": not set, or not a single value.
	Type, Cmd, Node, Platform, Ticket, Signature string
	// Time is that of the dump; zero when unknown.
	Time time.Time

	checked time.Time // when the store was last asked
}

// Ref is the version of the document that this describes.
func (d *Dump) Ref() store.Ref { return store.Ref{Key: infoKey(d.ID), ETag: d.ETag} }

// Fields is what specifications look at: the document, with the hash as "id"
// whatever the document says.
func (d *Dump) Fields() query.Fields { return docFields{d.Doc, d.ID} }

func infoKey(id dump.ID) string { return id.String() + "/" + InfoName }

// docFields adds to a document what is known without it.
type docFields struct {
	*document.Document
	id dump.ID
}

// Lookup is that of the document, but for "id".
func (f docFields) Lookup(path string) (string, []string, bool) {
	if path == "id" {
		return f.id.String(), nil, true
	}
	return f.Document.Lookup(path)
}

// newDump reads a document into a Dump. With damage the document was not to be had.
func newDump(id dump.ID, raw []byte, attr store.Attr, damage string) *Dump {
	d := &Dump{ID: id, ETag: attr.ETag, Size: attr.Size, ModTime: attr.ModTime, Doc: document.Parse(raw), Damage: damage}
	if damage == "" {
		d.Damage = d.Doc.Damage()
	}
	for _, f := range [...]struct {
		name Field
		to   *string
	}{{TypeField, &d.Type}, {Cmd, &d.Cmd}, {Node, &d.Node}, {Platform, &d.Platform}, {Ticket, &d.Ticket}, {Signature, &d.Signature}} {
		if text, list, ok := d.Doc.Lookup(string(f.name)); ok && list == nil {
			*f.to = text
		}
	}
	d.Time, _ = d.Doc.Time()
	return d
}

// Cached returns what the catalogue knows of a dump, without asking the store.
// One that it does not know is store.ErrNotExist.
func (c *Corpus) Cached(ctx context.Context, id dump.ID) (*Dump, error) {
	d, err := c.cat.dump(ctx, id)
	if err == nil && d == nil {
		err = notExist("get", infoKey(id))
	}
	return d, err
}

// Resolve finds the dump that a hash, or a prefix of one, means. What is no such
// prefix, or of no dump, is store.ErrNotExist; a prefix of several is
// ErrAmbiguous. The store is asked for a whole hash that is not known, and for any prefix
// while the catalogue does not know the whole corpus.
func (c *Corpus) Resolve(ctx context.Context, prefix string) (dump.ID, error) {
	if id, err := dump.ParseID(prefix); err == nil {
		if _, err := c.Cached(ctx, id); err == nil {
			return id, nil
		}
		_, err := c.Dump(ctx, id)
		return id, err
	}
	low, high, ok := span(prefix)
	if !ok {
		return dump.ID{}, notExist("stat", prefix)
	}
	ids, err := c.cat.idsBetween(ctx, low, high, 2)
	if err == nil && len(ids) < 2 && !c.Synced() {
		ids, err = c.listPrefix(ctx, prefix)
	}
	switch {
	case err != nil:
		return dump.ID{}, err
	case len(ids) == 0:
		return dump.ID{}, notExist("stat", prefix)
	case len(ids) > 1:
		return dump.ID{}, fmt.Errorf("%s is the beginning of several hashes: %w", prefix, ErrAmbiguous)
	}
	return ids[0], nil
}

// listPrefix returns the dumps whose hash begins with prefix, up to two, as the store has
// them.
func (c *Corpus) listPrefix(ctx context.Context, prefix string) (ids []dump.ID, err error) {
	for e, err := range c.store.List(ctx, "", prefix) {
		if err != nil && !errors.Is(err, store.ErrNotExist) {
			return nil, err
		}
		if err != nil || !strings.HasPrefix(e.Name, prefix) || len(ids) == 2 {
			break
		}
		id, perr := dump.ParseID(e.Name)
		if perr != nil || !e.Dir {
			continue
		}
		switch _, err := c.Dump(ctx, id); {
		case err == nil:
			ids = append(ids, id)
		case !errors.Is(err, store.ErrNotExist):
			return nil, err
		}
	}
	return ids, nil
}

// span returns the first and the last hash that begin with prefix.
func span(prefix string) (low, high dump.ID, ok bool) {
	if prefix == "" || len(prefix) > 2*len(low) {
		return low, high, false
	}
	const zeros, efs = "00000000000000000000000000000000", "ffffffffffffffffffffffffffffffff"
	low, err := dump.ParseID(prefix + zeros[len(prefix):])
	if err != nil {
		return low, high, false
	}
	high, err = dump.ParseID(prefix + efs[len(prefix):])
	return low, high, err == nil
}

func notExist(op, key string) error {
	return &store.Error{Op: op, Key: key, Kind: store.ErrNotExist}
}
