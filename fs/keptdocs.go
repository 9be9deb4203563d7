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

// Large documents are kept after they were read, each with a map of its properties. A
// program that asks for one attribute or property asks for all of them, and parsing the
// document for each takes time that grows with the square of its size.
const (
	keptDocFrom  = 8 << 10  // bytes of a document that is kept, at least
	maxKeptBytes = 16 << 20 // bytes of all that are kept
)

// keptDocs are the large documents that were last read.
type keptDocs struct {
	mu   sync.Mutex // guards list
	list []keptDoc  // the oldest first
}

type keptDoc struct {
	dump       *corpus.Dump
	generation uint64    // of the corpus before it was read
	compared   time.Time // when the store was last asked for it; zero: not known
	names      func() map[string]document.Value
	xattrs     func() string // xattrList
}

// find returns a dump that was read at that generation, and compared with the store at or
// after since.
func (k *keptDocs) find(id dump.ID, generation uint64, since time.Time) *corpus.Dump {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, d := range k.list {
		if d.dump.ID == id && d.generation == generation && !d.compared.Before(since) {
			return d.dump
		}
	}
	return nil
}

// keep keeps a dump if its document is large, in the place of what was kept of it.
func (k *keptDocs) keep(d *corpus.Dump, generation uint64, compared time.Time) {
	size := len(d.Doc.Raw())
	if size < keptDocFrom {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = slices.DeleteFunc(k.list, func(o keptDoc) bool { return o.dump.ID == d.ID })
	for _, o := range k.list {
		size += len(o.dump.Doc.Raw())
	}
	for len(k.list) > 0 && size > maxKeptBytes {
		size -= len(k.list[0].dump.Doc.Raw())
		k.list = slices.Delete(k.list, 0, 1)
	}
	names := sync.OnceValue(func() map[string]document.Value { return propertiesByName(d.Doc) })
	xattrs := sync.OnceValue(func() string { return xattrList(d.Doc) })
	k.list = append(k.list, keptDoc{d, generation, compared, names, xattrs})
}

// xattrList returns the names of a document's attributes.
func (k *keptDocs) xattrList(doc *document.Document) string {
	if kept, ok := k.of(doc); ok {
		return kept.xattrs()
	}
	return xattrList(doc)
}

// of returns what is kept of a document.
func (k *keptDocs) of(doc *document.Document) (kept keptDoc, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.IndexFunc(k.list, func(o keptDoc) bool { return o.dump.Doc == doc })
	if i < 0 {
		return keptDoc{}, false
	}
	return k.list[i], true
}

// examine has f look at a document, and returns when it has, or with an error when c ends
// before: f goes on then. To walk through a large document that is nested deeply takes
// seconds.
func (t *tree) examine(c context.Context, doc *document.Document, f func()) error {
	if len(doc.Raw()) < keptDocFrom {
		f()
		return nil
	}
	done := make(chan struct{})
	t.background.Go(func(context.Context) {
		defer close(done)
		f()
	})
	select {
	case <-done:
		return nil
	case <-c.Done():
		return c.Err()
	}
}

// properties returns the custom properties of a document by the names of their files.
func (k *keptDocs) properties(doc *document.Document) map[string]document.Value {
	if kept, ok := k.of(doc); ok {
		return kept.names()
	}
	return propertiesByName(doc)
}

// cached returns a dump as the catalogue has it. Of one that the catalogue does
// not know, the store is asked: it may have come this moment.
func (t *tree) cached(ctx context.Context, id dump.ID) (*corpus.Dump, error) {
	generation := t.o.Corpus.Generation()
	if d := t.docs.find(id, generation, time.Time{}); d != nil {
		return d, nil
	}
	d, err := t.o.Corpus.Cached(ctx, id)
	if errors.Is(err, store.ErrNotExist) {
		return t.current(ctx, id)
	}
	if err == nil {
		t.docs.keep(d, generation, time.Time{})
	}
	return d, err
}

// current returns a dump with its document, compared with the store when it is older than
// the attribute timeout.
func (t *tree) current(ctx context.Context, id dump.ID) (*corpus.Dump, error) {
	generation, now := t.o.Corpus.Generation(), time.Now()
	if d := t.docs.find(id, generation, now.Add(-t.o.AttrTimeout)); d != nil {
		return d, nil
	}
	d, err := t.o.Corpus.Dump(ctx, id)
	if err == nil {
		t.docs.keep(d, generation, now)
	}
	return d, err
}
