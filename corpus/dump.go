package corpus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
)

// dumpReader returns dumps with documents as recent as its callers require.
type dumpReader struct {
	*lister
	// checked holds when documents were last compared with the store. Most comparisons find no
	// change, and a transaction of the catalogue for each would be too expensive.
	checked      recent[dump.ID, time.Time]
	revalidating singleflight.Group // keyed by hash
}

// Cached returns a dump from the catalogue without asking the store. It returns store.ErrNotExist
// if the dump is not in the catalogue.
func (c *dumpReader) Cached(ctx context.Context, id dump.ID) (*Dump, error) {
	d, err := c.cat.Lookup(ctx, id)
	if err != nil {
		return nil, err
	}
	return orNotExist(d, id)
}

func orNotExist(d *Dump, id dump.ID) (*Dump, error) {
	if d == nil {
		return nil, notExist("get", catalog.InfoKey(id))
	}
	return d, nil
}

// etagOf returns the version of the document of d, or "" if d is nil.
func etagOf(d *Dump) string {
	if d == nil {
		return ""
	}
	return d.ETag
}

func notExist(op, key string) error {
	return &store.Error{Op: op, Key: key, Kind: store.ErrNotExist}
}

// Resolve returns the dump whose hash is, or begins with, prefix. It returns store.ErrNotExist if
// there is none or prefix cannot begin a hash, and ErrAmbiguous if there are several. It asks the
// store about a complete hash that is not known, and about any prefix as long as the catalogue does
// not cover the whole corpus.
func (c *Corpus) Resolve(ctx context.Context, prefix string) (dump.ID, error) {
	if id, err := dump.ParseID(prefix); err == nil {
		if _, err := c.Cached(ctx, id); err == nil {
			return id, nil
		}
		_, err := c.Dump(ctx, id)
		return id, err
	}
	low, high, ok := catalog.Span(prefix)
	if !ok {
		return dump.ID{}, notExist("stat", prefix)
	}
	ids, err := c.cat.IDsBetween(ctx, low, high, 2)
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

// listPrefix returns up to two dumps in the store whose hash begins with prefix.
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

// Dump returns a dump whose document is at most AttrTimeout old. If necessary it asks the store, in
// one round trip. If there is a new version, subscribers are notified before Dump returns. While
// the store is unavailable, Dump returns what the catalogue contains. It returns store.ErrNotExist
// if the dump does not exist or has no document.
func (c *dumpReader) Dump(ctx context.Context, id dump.ID) (*Dump, error) {
	known, err := c.cat.Lookup(ctx, id)
	if err != nil {
		return nil, err
	}
	if c.isFresh(id, known) {
		return orNotExist(known, id)
	}
	return share(ctx, c.base, &c.revalidating, id.String(), func(ctx context.Context) (*Dump, error) { return c.revalidate(ctx, id, known) })
}

// isFresh reports whether a dump need not be compared with the store. known is what the catalogue
// has, or nil.
func (c *dumpReader) isFresh(id dump.ID, known *Dump) bool {
	now := c.now()
	if known != nil && c.availability.paused(now) {
		return true
	}
	last := c.checked.get(id)
	if known != nil {
		last = later(last, known.Checked)
	}
	age := now.Sub(last)
	return age >= -catalog.AfterStored && age <= c.o.AttrTimeout
}

// revalidate compares a dump with the store. known is what the catalogue has, or nil.
func (c *dumpReader) revalidate(ctx context.Context, id dump.ID, known *Dump) (*Dump, error) {
	short, cancel := c.availability.withShortTimeout(ctx, known == nil)
	o, err := c.fetchDocument(short, id, etagOf(known))
	err = shortTimeoutError(short, err)
	cancel()
	if err != nil {
		c.availability.record(c.now(), err, c.log)
		if known != nil && errors.Is(err, store.ErrUnavailable) {
			return known, nil
		}
		return nil, err
	}
	c.checked.set(id, o.At)
	switch {
	case o.Kind == catalog.Found:
		c.Stale(id) // the other objects of the dump may have changed too
		c.tryObserve(ctx, o)
		return o.Dump, nil
	case o.Kind == catalog.Absent && known == nil:
		return orNotExist(nil, id) // nothing new
	case o.Kind == catalog.Absent:
		c.tryObserve(ctx, o)
		return orNotExist(nil, id)
	}
	if o.At.Sub(known.Checked) > c.o.Revalidate/4 {
		c.tryObserve(ctx, o) // so that it is not read again in the background
	}
	return known, nil
}

// fetchDocument reads the document of a directory if its version differs from etag. Unless there is
// an error, the kind of the observation is Found, Same or Absent.
func (c *base) fetchDocument(ctx context.Context, id dump.ID, etag string) (catalog.Observation, error) {
	return c.fetchDocumentUpTo(ctx, id, etag, maxInfo)
}

// maxInfo is the maximum size of a document that is read.
const maxInfo = document.MaxSize

// fetchDocumentUpTo is like fetchDocument but, if limit is less than maxInfo, returns
// store.ErrTooLarge for a document of more than limit bytes.
func (c *base) fetchDocumentUpTo(ctx context.Context, id dump.ID, etag string, limit int64) (catalog.Observation, error) {
	o := catalog.Observation{ID: id, At: c.now(), ETag: etag, Wait: max(c.o.Poll, 10*time.Second)}
	ref := store.Ref{Key: catalog.InfoKey(id), ETag: etag}
	raw, attr, err := c.store.Get(ctx, ref, limit)
	damage := ""
	if errors.Is(err, store.ErrTooLarge) && limit == maxInfo {
		attr, err = c.store.Stat(ctx, ref.Key)
		damage = fmt.Sprintf("the document is too large to be read: %d bytes", attr.Size)
	}
	c.availability.record(c.now(), err, c.log)
	switch {
	case err == nil && damage != "" && attr.ETag == etag, errors.Is(err, store.ErrNotModified):
		o.Kind = catalog.Same
	case err == nil:
		o.Kind, o.Dump = catalog.Found, catalog.NewDump(id, raw, attr, damage)
		o.Dump.Checked = o.At
	case errors.Is(err, store.ErrNotExist), errors.Is(err, store.ErrInvalid):
		o.Kind = catalog.Absent
	default:
		return o, err
	}
	return o, nil
}
