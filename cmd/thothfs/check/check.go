// Package check compares what a corpus contains with itself: documents, objects, packs, the published
// catalogue and the local one. It changes nothing in the store.
package check

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dustin/go-humanize/english"
	"golang.org/x/sync/errgroup"

	"thothfs/corpus"
	"thothfs/corpus/catalog"
	"thothfs/corpus/trash"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
)

const (
	dumpsInFlight = 16
	readsInFlight = 2 // dumps read to the end at once
	// uploading is the age below which a dump without a document may be one that is being uploaded.
	uploading = time.Hour
)

// Finding is something that is wrong.
type Finding struct {
	Dump    string `json:"dump,omitempty"`   // hash; "" if it does not concern a dump
	Object  string `json:"object,omitempty"` // name of an object beside the dump, or key; "" if it does not concern one
	Problem string `json:"problem"`
	Mend    string `json:"mend"` // what to do
}

// String returns the finding as one line.
func (f Finding) String() string {
	where := f.Dump
	if f.Object != "" && where != "" {
		where += "/" + f.Object
	}
	return fmt.Sprintf("%s: %s; %s", cmp.Or(where, f.Object), f.Problem, f.Mend)
}

// Report is the result of a check.
type Report struct {
	Dumps    int       `json:"dumps"`    // in the corpus
	Trashed  int       `json:"trashed"`  // in the trash
	Objects  int       `json:"objects"`  // of all of them
	Bytes    int64     `json:"bytes"`    // of these objects
	ReadData int64     `json:"readData"` // bytes read and verified
	Findings []Finding `json:"findings"` // by dump and object
}

// Options specify what to check.
type Options struct {
	IDs      []dump.ID // nil: everything
	ReadData bool      // read all objects and verify their checksums
	// Progress, if not nil, is called with the number of dumps checked. Calls do not overlap.
	Progress func(done, total int)
}

// checker is a check in progress.
type checker struct {
	Options
	corpus *corpus.Corpus
	store  store.Store
	trash  map[dump.ID][]*trash.Entry
	reads  chan struct{} // holds a value for each dump that is being read to the end

	mu  sync.Mutex // guards rep
	rep Report
}

// Run checks a corpus, whose catalogue should be up to date. It returns an error if the store is
// unavailable or ctx is done; anything else that cannot be read is a finding.
func Run(ctx context.Context, c *corpus.Corpus, o Options) (*Report, error) {
	k := &checker{Options: o, corpus: c, store: c.Options().Store, trash: map[dump.ID][]*trash.Entry{}, reads: make(chan struct{}, readsInFlight)}
	removed, err := trash.List(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, e := range removed {
		k.trash[e.ID] = append(k.trash[e.ID], e)
	}
	ids := o.IDs
	if ids == nil {
		if ids, err = k.all(ctx); err != nil {
			return nil, err
		}
	}
	if err := k.each(ctx, ids); err != nil {
		return nil, err
	}
	if o.IDs == nil {
		if err := k.wholeCorpus(ctx, ids); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(k.rep.Findings, func(a, b Finding) int { return cmp.Or(cmp.Compare(a.Dump, b.Dump), cmp.Compare(a.Object, b.Object)) })
	return &k.rep, nil
}

// all returns the directories of dumps in the store.
func (k *checker) all(ctx context.Context) (ids []dump.ID, err error) {
	for e, err := range k.store.List(ctx, "", "") {
		if errors.Is(err, store.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if id, err := dump.ParseID(e.Name); err == nil && e.Dir {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (k *checker) each(ctx context.Context, ids []dump.ID) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(dumpsInFlight)
	done := 0
	for _, id := range ids {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			err := k.dump(ctx, id)
			if ctx.Err() != nil || errors.Is(err, store.ErrUnavailable) {
				return cmp.Or(ctx.Err(), err)
			}
			if err != nil {
				k.found(id, "", "it cannot be read: "+err.Error(), "check the store")
			}
			k.mu.Lock()
			defer k.mu.Unlock()
			if done++; k.Progress != nil {
				k.Progress(done, len(ids))
			}
			return nil
		})
	}
	return group.Wait()
}

func (k *checker) found(id dump.ID, object, problem, mend string) {
	f := Finding{Object: object, Problem: problem, Mend: mend}
	if id != (dump.ID{}) {
		f.Dump = id.String()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rep.Findings = append(k.rep.Findings, f)
}

func (k *checker) count(dumps, trashed int, entries []store.Entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rep.Dumps += dumps
	k.rep.Trashed += trashed
	for _, e := range entries {
		if !e.Dir {
			k.rep.Objects++
			k.rep.Bytes += e.Size
		}
	}
}

// wholeCorpus checks what does not belong to one dump.
func (k *checker) wholeCorpus(ctx context.Context, ids []dump.ID) error {
	for id, removed := range k.trash {
		if _, there := slices.BinarySearchFunc(ids, id, catalog.CompareIDs); !there && removed[0].Dump != "" {
			k.found(id, "", "it is in the trash, but has been deleted", emptyTrash)
		}
	}
	for part, err := range k.corpus.All(ctx) {
		if err != nil {
			return err
		}
		for _, row := range part {
			if _, there := slices.BinarySearchFunc(ids, row.ID, catalog.CompareIDs); !there && k.isKnown(ctx, row.ID) {
				k.found(row.ID, "", "the local catalogue has it, but the corpus does not", refreshCatalogue)
			}
		}
	}
	err := k.corpus.CheckSnapshot(ctx, k.ReadData)
	switch {
	case errors.Is(err, catalog.ErrNoSnapshot):
		k.found(dump.ID{}, ".thothfs/index", "the published catalogue cannot be used: "+err.Error(), "thothfs index publishes it again")
	case err != nil && !errors.Is(err, store.ErrNotExist):
		return err
	}
	return nil
}

const (
	emptyTrash       = "thothfs trash empty completes that"
	refreshCatalogue = "thothfs index --verify reads every document again"
)

// isKnown reports whether the catalogue still has a dump after it was compared with the store.
func (k *checker) isKnown(ctx context.Context, id dump.ID) bool {
	if _, err := k.corpus.Dump(ctx, id); err != nil {
		return false
	}
	_, err := k.corpus.Cached(ctx, id)
	return err == nil
}

// dump checks one directory.
func (k *checker) dump(ctx context.Context, id dump.ID) error {
	var entries []store.Entry
	for e, err := range k.store.List(ctx, id.String(), "") {
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	hasDocument := slices.ContainsFunc(entries, func(e store.Entry) bool { return e.Name == corpus.InfoName && !e.Dir })
	if !hasDocument {
		return k.withoutDocument(ctx, id, entries)
	}
	k.count(1, 0, entries)
	raw, attr, err := k.store.Get(ctx, store.Ref{Key: catalog.InfoKey(id)}, document.MaxSize)
	if errors.Is(err, store.ErrTooLarge) {
		k.found(id, corpus.InfoName, fmt.Sprintf("it has more than %d bytes and cannot be read", document.MaxSize), "replace it with a smaller one")
		return nil
	}
	if errors.Is(err, store.ErrNotExist) { // removed meanwhile
		return nil
	}
	if err != nil {
		return err
	}
	doc := document.Parse(raw)
	if damage := doc.Damage(); damage != "" {
		k.found(id, corpus.InfoName, "it is damaged: "+damage, "thothfs undo puts back what an edit replaced, and upload of the dump what the dump says")
	}
	k.catalogue(ctx, id, raw, attr.ETag)
	object, ok := corpus.PickDump(entries, doc.String("dump"))
	if !ok {
		if doc.String("properties.purged") != "true" {
			k.found(id, "", "the dump is missing, only info.json is there", "thothfs upload of the dump restores it")
		}
	} else {
		k.size(id, object, doc)
	}
	k.packs(ctx, id, entries, object.Name)
	if k.ReadData {
		return k.readAll(ctx, id, entries, object.Name)
	}
	return nil
}

// withoutDocument checks a directory without a document: a removed dump, or an unfinished upload.
func (k *checker) withoutDocument(ctx context.Context, id dump.ID, entries []store.Entry) error {
	removed := k.trash[id]
	if len(removed) == 0 {
		var err error
		if removed, err = trash.Of(ctx, k.corpus, id); err != nil { // it may have been removed meanwhile
			return err
		}
	}
	if len(removed) > 0 {
		k.count(0, 1, entries)
		last := removed[len(removed)-1]
		is := func(e store.Entry) bool { return e.Name == last.Dump && e.Size >= last.Size }
		if last.Dump != "" && !slices.ContainsFunc(entries, is) {
			k.found(id, last.Dump, "it is in the trash, but has been deleted in part", emptyTrash)
		} else if k.ReadData {
			return k.readAll(ctx, id, entries, last.Dump)
		}
		return nil
	}
	size, latest := int64(0), time.Time{}
	for _, e := range entries {
		size += e.Size
		if e.ModTime.After(latest) {
			latest = e.ModTime
		}
	}
	if len(entries) == 0 { // an upload makes the directory first
		if dir, err := k.store.Stat(ctx, id.String()); err == nil {
			latest = dir.ModTime
		}
	}
	if time.Since(latest) < uploading {
		return nil
	}
	k.found(id, "", fmt.Sprintf("an upload was not completed: it has no info.json, and %d bytes in %s", size, english.Plural(len(entries), "object", "")),
		"thothfs upload of the same dump completes it; otherwise delete the directory from the store")
	return nil
}

// catalogue compares a document with the one of the same version in the local catalogue.
func (k *checker) catalogue(ctx context.Context, id dump.ID, raw []byte, etag string) {
	known, err := k.corpus.Cached(ctx, id)
	switch {
	case err != nil && !k.isKnown(ctx, id):
		k.found(id, corpus.InfoName, "the local catalogue does not have it", refreshCatalogue)
	case err == nil && known.ETag == etag && !bytes.Equal(known.Doc.Raw(), raw):
		k.found(id, corpus.InfoName, "the local catalogue has another text for the same version", "remove the directory catalogue in the cache directory; it is made again")
	}
}

// size compares the size of a dump with its document.
func (k *checker) size(id dump.ID, object store.Entry, doc *document.Document) {
	v, ok := doc.Get("size")
	if !ok {
		return // the original thoth does not record it
	}
	var size int64
	if _, err := fmt.Sscan(v.Text(), &size); err != nil || size == object.Size {
		return
	}
	mend := "thothfs refresh corrects info.json"
	if object.Size < size {
		mend = "thothfs upload of the whole dump replaces it"
	}
	k.found(id, object.Name, fmt.Sprintf("it has %d bytes, and info.json says %d", object.Size, size), mend)
}
