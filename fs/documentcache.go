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
	largeDocument     = 8 << 10  // size from which documents are cached, in bytes
	documentCacheSize = 16 << 20 // bytes of all cached documents
)

// documentCache has the large documents that were read last, each with a map of its
// properties. A program that asks for one attribute or property asks for all of them,
// and parsing the document for each takes time that grows with the square of its size.
type documentCache struct {
	mu   sync.Mutex       // guards list
	list []cachedDocument // the oldest first
}

type cachedDocument struct {
	dump       *corpus.Dump
	generation uint64    // of the corpus before it was read
	compared   time.Time // with the store; zero: not known
	names      func() map[string]document.Value
	xattrs     func() string // xattrList
}

// find returns a dump that was read at that generation and compared with the store not
// before since, or nil.
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

// add adds a dump if its document is large, and replaces an earlier one.
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
	names := sync.OnceValue(func() map[string]document.Value { return propertiesByName(d.Doc) })
	xattrs := sync.OnceValue(func() string { return xattrList(d.Doc) })
	k.list = append(k.list, cachedDocument{d, generation, compared, names, xattrs})
}

// xattrList returns the names of the attributes of a document.
func (k *documentCache) xattrList(doc *document.Document) string {
	if cached, ok := k.of(doc); ok {
		return cached.xattrs()
	}
	return xattrList(doc)
}

// of returns the cached document whose parsed form doc is.
func (k *documentCache) of(doc *document.Document) (cached cachedDocument, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.IndexFunc(k.list, func(o cachedDocument) bool { return o.dump.Doc == doc })
	if i < 0 {
		return cachedDocument{}, false
	}
	return k.list[i], true
}

// examine calls f, which reads a document, and waits for it until ctx ends; f goes on
// then. Walking through a large document that is nested deeply takes seconds.
func (t *Tree) examine(ctx context.Context, doc *document.Document, f func()) error {
	if len(doc.Raw()) < largeDocument {
		f()
		return nil
	}
	done := make(chan struct{})
	t.workers.Go(func(context.Context) {
		defer close(done)
		f()
	})
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// properties returns the custom properties of a document by file name.
func (k *documentCache) properties(doc *document.Document) map[string]document.Value {
	if cached, ok := k.of(doc); ok {
		return cached.names()
	}
	return propertiesByName(doc)
}

// cached returns a dump as the catalogue has it. If the catalogue does not know it, the
// store is asked: it may be new.
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

// current returns a dump after a comparison with the store, unless the last one is more
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
