package corpus

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/store"
)

// Directory describes the contents of a dump's directory in the store.
type Directory struct {
	ID      dump.ID
	Entries []store.Entry // in byte order; empty if the directory does not exist
	Dump    *Dump         // the dump as described by its document; nil if there is none

	at time.Time // when the store was asked
}

// Unreadable reports whether the document exists but could not be read.
func (d *Directory) Unreadable() bool { return d.Dump != nil && d.Dump.Damage != d.Dump.Doc.Damage() }

// Directory reads the directory of a dump from the store. It does not change the catalogue.
func (c *Corpus) Directory(ctx context.Context, id dump.ID) (*Directory, error) {
	d := &Directory{ID: id, at: c.now()}
	var err error
	if d.Entries, err = c.listDir(ctx, id.String()); err != nil && !errors.Is(err, store.ErrNotExist) {
		return nil, err
	}
	if !slices.ContainsFunc(d.Entries, func(e store.Entry) bool { return e.Name == InfoName && !e.Dir }) {
		return d, nil
	}
	o, err := c.fetchDocument(ctx, id, "")
	if err == nil && o.Kind == catalog.Found {
		d.Dump = o.Dump
	}
	return d, err
}

// Adopt records the document of d in the catalogue.
func (c *Corpus) Adopt(ctx context.Context, d *Directory) {
	c.Stale(d.ID)
	c.tryObserve(ctx, catalog.Observation{ID: d.ID, At: d.at, Kind: catalog.Found, Dump: d.Dump})
}

// Create stores the first document of a dump. It returns store.ErrConflict if there already is one.
func (c *Corpus) Create(ctx context.Context, id dump.ID, raw []byte) error {
	at := c.now()
	attr, err := c.store.Put(ctx, store.Ref{Key: catalog.InfoKey(id)}, bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return err
	}
	c.setClock(attr.ModTime)
	c.changes.Add(id, attr.ETag)
	c.Adopt(ctx, &Directory{ID: id, Dump: catalog.NewDump(id, raw, attr, ""), at: at})
	return nil
}

// Remove removes the version etag of the document of a dump, so that its directory is that of an
// unfinished upload; the objects in it stay. It returns store.ErrConflict if there is another version.
func (c *Corpus) Remove(ctx context.Context, id dump.ID, etag string) error {
	err := c.store.Remove(ctx, store.Ref{Key: catalog.InfoKey(id), ETag: etag})
	if err == nil || errors.Is(err, store.ErrNotExist) {
		c.Removed(ctx, id)
	}
	return err
}

// Removed records that a dump has no document any more, here and for other clients.
func (c *Corpus) Removed(ctx context.Context, id dump.ID) {
	c.changes.Add(id, "") // no document has this version
	at := c.now()
	c.checked.set(id, at)
	c.tryObserve(ctx, catalog.Observation{ID: id, At: at.Add(catalog.AfterStored), Kind: catalog.Absent, Wait: max(c.o.Poll, 10*time.Second)})
}

// Deleted records that the directory of a dump has been deleted.
func (c *Corpus) Deleted(ctx context.Context, id dump.ID) {
	c.tryObserve(ctx, catalog.Observation{ID: id, At: c.now(), Kind: catalog.Gone})
}
