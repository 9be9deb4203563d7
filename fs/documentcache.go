package fs

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
)

const (
	largeDocument     = 8 << 10  // minimum size of a cached document, in bytes
	documentCacheSize = 16 << 20 // maximum total size of cached documents, in bytes
)

// documentCache holds the most recently read large documents, each with a map of its properties. A
// program that asks for one attribute or property usually asks for all of them, and parsing the
// document for each one would take time quadratic in its size.
type documentCache struct {
	mu   sync.Mutex       // guards list
	list []cachedDocument // oldest first
}

type cachedDocument struct {
	dump       *corpus.Dump
	generation uint64    // generation of the corpus before the document was read
	compared   time.Time // time of the comparison with the store; zero if unknown
	names      func() map[string]document.Value
	xattrs     func() string // returns xattrList
}

// find returns a dump that was read at the given generation and compared with the store at or after
// since, or nil.
func (k *documentCache) find(id dump.ID, generation uint64, since time.Time) *corpus.Dump {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, d := range k.list {
		if d.dump.ID == id && d.generation == generation && !d.compared.Before(since) {
			return d.dump
		}
	}
	return nil
}

// add caches a dump if its document is large, replacing any earlier entry.
func (k *documentCache) add(d *corpus.Dump, generation uint64, compared time.Time) {
	size := len(d.Doc.Raw())
	if size < largeDocument {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = slices.DeleteFunc(k.list, func(o cachedDocument) bool { return o.dump.ID == d.ID })
	for _, o := range k.list {
		size += len(o.dump.Doc.Raw())
	}
	for len(k.list) > 0 && size > documentCacheSize {
		size -= len(k.list[0].dump.Doc.Raw())
		k.list = slices.Delete(k.list, 0, 1)
	}
	c := cacheDocument(d.Doc)
	c.dump, c.generation, c.compared = d, generation, compared
	k.list = append(k.list, c)
}

// of returns the entry for a document, cached or not.
func (k *documentCache) of(doc *document.Document) cachedDocument {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.IndexFunc(k.list, func(o cachedDocument) bool { return o.dump.Doc == doc })
	if i < 0 {
		return cacheDocument(doc)
	}
	return k.list[i]
}

// cacheDocument returns an entry without its dump.
func cacheDocument(doc *document.Document) cachedDocument {
	return cachedDocument{
		names:  sync.OnceValue(func() map[string]document.Value { return propertiesByName(doc) }),
		xattrs: sync.OnceValue(func() string { return xattrList(doc) }),
	}
}

// examine returns the result of f, which reads a document. If ctx ends first, examine returns and f
// continues in the background: walking a large, deeply nested document takes seconds.
func (t *Tree) examine(ctx context.Context, doc *document.Document, f func() (string, bool)) (text string, ok bool, err error) {
	if len(doc.Raw()) < largeDocument {
		text, ok = f()
		return text, ok, nil
	}
	done := make(chan struct{})
	var found string
	var has bool
	t.workers.Go(func(context.Context) {
		defer close(done)
		found, has = f()
	})
	select {
	case <-done:
		return found, has, nil
	case <-ctx.Done():
		return "", false, ctx.Err()
	}
}

// cached returns a dump from the catalogue, or from the store if the catalogue does not contain it,
// since it may be new.
func (t *Tree) cached(ctx context.Context, id dump.ID) (*corpus.Dump, error) {
	generation := t.o.Corpus.Generation()
	if d := t.docs.find(id, generation, time.Time{}); d != nil {
		return d, nil
	}
	d, err := t.o.Corpus.Cached(ctx, id)
	if errors.Is(err, store.ErrNotExist) {
		return t.current(ctx, id)
	}
	if err == nil {
		t.docs.add(d, generation, time.Time{})
	}
	return d, err
}

// current returns a dump after comparing it with the store, unless the last comparison is more
// recent than the attribute timeout.
func (t *Tree) current(ctx context.Context, id dump.ID) (*corpus.Dump, error) {
	generation, now := t.o.Corpus.Generation(), time.Now()
	if d := t.docs.find(id, generation, now.Add(-t.o.AttrTimeout)); d != nil {
		return d, nil
	}
	d, err := t.o.Corpus.Dump(ctx, id)
	if err == nil {
		t.docs.add(d, generation, now)
	}
	return d, err
}
