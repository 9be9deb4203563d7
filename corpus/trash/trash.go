// Package trash removes dumps from a corpus so that they can be restored.
//
// A directory without info.json is not a dump to thothfs and to the original Thoth, but an unfinished
// upload. So a dump is removed by moving its document into the trash, which takes two requests
// whatever the size of the dump:
//
//	.thothfs/trash/HASH-SUM    the document, with who removed it and when, as JSON; SUM is its XXH64
//
// The other objects stay in the directory of the dump until the trash is emptied. Each step stores
// before it removes, so that after a kill at any point the dump is in the corpus, in the trash or in
// both, and repeating the call completes it.
package trash

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"thothfs/corpus"
	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
)

// Dir is the directory of the trash.
const Dir = ".thothfs/trash"

const (
	maxEntry = document.MaxSize*4/3 + 4096 // bytes; the document is in base64
	inFlight = 32
	// settled is the age at which the Remove that stored an entry has ended.
	settled = time.Hour
)

// Entry is a removed dump.
type Entry struct {
	ID   dump.ID   `json:"id"`
	At   time.Time `json:"at"`
	By   string    `json:"by"`   // USER@HOST
	Dump string    `json:"dump"` // name of the object that is the dump; "" if it had been purged
	Size int64     `json:"size"` // bytes of that object
	// Document is info.json as it was.
	Document []byte `json:"document"`

	// Restored reports whether the corpus has the dump again, by an upload or an interrupted Restore.
	// Only List sets it.
	Restored bool `json:"-"`
	ref      store.Ref
}

// Doc returns the document.
func (e *Entry) Doc() *document.Document { return document.Parse(e.Document) }

var (
	// ErrThere means that the corpus has the dump.
	ErrThere = errors.New("the corpus has this dump")
	// ErrEmptied means that emptying the trash has begun to delete the dump.
	ErrEmptied = errors.New("the dump has already been deleted in part")
)

// Remove moves a dump into the trash. It returns store.ErrNotExist if there is no such dump.
func Remove(ctx context.Context, c *corpus.Corpus, id dump.ID) (*Entry, error) {
	for tries := 3; ; tries-- {
		e, err := remove(ctx, c, id)
		if !errors.Is(err, store.ErrConflict) || tries == 1 {
			return e, err
		}
	}
}

// remove returns store.ErrConflict if somebody edits the document meanwhile.
func remove(ctx context.Context, c *corpus.Corpus, id dump.ID) (*Entry, error) {
	s := c.Options().Store
	raw, attr, err := s.Get(ctx, store.Ref{Key: catalog.InfoKey(id)}, document.MaxSize)
	if errors.Is(err, store.ErrNotExist) {
		c.Removed(ctx, id) // this catalogue may not know yet
	}
	if err != nil {
		return nil, err
	}
	e := &Entry{ID: id, At: time.Now().UTC(), By: c.Options().By, Document: raw}
	if object, ok, err := dumpOf(ctx, s, id, e.Doc()); err != nil {
		return nil, err
	} else if ok {
		e.Dump, e.Size = object.Name, object.Size
	}
	if err := e.store(ctx, s); err != nil {
		return nil, err
	}
	err = c.Remove(ctx, id, attr.ETag)
	if errors.Is(err, store.ErrConflict) { // its new version is removed next
		return nil, err
	}
	return e, ignoreAbsent(err)
}

// store stores the entry. An entry with the same document, left by an interrupted call or by a restore
// and another removal, gets the new time.
func (e *Entry) store(ctx context.Context, s store.Store) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	e.ref.Key = fmt.Sprintf("%s/%s-%016x", Dir, e.ID, xxhash.Sum64(e.Document))
	attr, err := s.Put(ctx, e.ref, bytes.NewReader(text), int64(len(text)))
	if errors.Is(err, store.ErrConflict) {
		var old store.Attr
		if old, err = s.Stat(ctx, e.ref.Key); err == nil {
			attr, err = s.Put(ctx, store.Ref{Key: e.ref.Key, ETag: old.ETag}, bytes.NewReader(text), int64(len(text)))
		}
		if errors.Is(err, store.ErrNotExist) {
			err = &store.Error{Op: "put", Key: e.ref.Key, Kind: store.ErrConflict}
		}
	}
	e.ref.ETag = attr.ETag
	return err
}

// dumpOf returns the object that is the dump.
func dumpOf(ctx context.Context, s store.Store, id dump.ID, doc *document.Document) (store.Entry, bool, error) {
	var entries []store.Entry
	for e, err := range s.List(ctx, id.String(), "") {
		if errors.Is(err, store.ErrNotExist) {
			break
		}
		if err != nil {
			return store.Entry{}, false, err
		}
		entries = append(entries, e)
	}
	e, ok := corpus.PickDump(entries, doc.String("dump"))
	return e, ok, nil
}

// List returns the removed dumps, the oldest first. It skips objects that are not entries.
func List(ctx context.Context, c *corpus.Corpus) ([]*Entry, error) {
	all, err := read(ctx, c.Options().Store, "")
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		_, err := c.Cached(ctx, e.ID)
		e.Restored = err == nil
	}
	return all, nil
}

// Of returns the entries of a dump, the oldest first.
func Of(ctx context.Context, c *corpus.Corpus, id dump.ID) ([]*Entry, error) {
	return read(ctx, c.Options().Store, id.String())
}

// read returns the entries whose names begin with prefix, the oldest first.
func read(ctx context.Context, s store.Store, prefix string) ([]*Entry, error) {
	var found []*Entry
	for o, err := range s.List(ctx, Dir, prefix) {
		if errors.Is(err, store.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(o.Name, prefix) {
			break
		}
		hash, sum, _ := strings.Cut(o.Name, "-")
		if id, err := dump.ParseID(hash); err == nil && sum != "" && !o.Dir {
			found = append(found, &Entry{ID: id, ref: store.Ref{Key: Dir + "/" + o.Name}})
		}
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for i, e := range found {
		group.Go(func() error {
			ok, err := e.read(gctx, s)
			if !ok {
				found[i] = nil
			}
			return err
		})
	}
	err := group.Wait()
	found = slices.DeleteFunc(found, func(e *Entry) bool { return e == nil })
	slices.SortStableFunc(found, func(a, b *Entry) int { return a.At.Compare(b.At) })
	return found, err
}

// read reads an entry. It returns false if the entry is gone or useless.
func (e *Entry) read(ctx context.Context, s store.Store) (bool, error) {
	text, attr, err := s.Get(ctx, e.ref, maxEntry)
	switch {
	case errors.Is(err, store.ErrNotExist), errors.Is(err, store.ErrTooLarge):
		return false, nil
	case err != nil:
		return false, err
	}
	id := e.ID
	if json.Unmarshal(text, e) != nil || e.ID != id {
		return false, nil
	}
	e.ref.ETag = attr.ETag
	return true, nil
}

// Restore moves a dump back into the corpus. It returns ErrThere if the corpus has the dump with
// another document, and ErrEmptied if the dump itself is no longer there.
func Restore(ctx context.Context, c *corpus.Corpus, e *Entry) error {
	s := c.Options().Store
	if err := e.dumpThere(ctx, s); err != nil {
		return err
	}
	err := c.Create(ctx, e.ID, e.Document)
	if errors.Is(err, store.ErrConflict) {
		d, derr := c.Directory(ctx, e.ID)
		switch {
		case derr != nil:
			return derr
		case d.Dump == nil:
			return err
		case !bytes.Equal(d.Dump.Doc.Raw(), e.Document):
			return ErrThere
		}
		c.Adopt(ctx, d) // an interrupted call has stored it
		err = nil
	}
	if err != nil {
		return err
	}
	if err := e.dumpThere(ctx, s); errors.Is(err, ErrEmptied) { // meanwhile, by another client
		return errors.Join(err, e.withdraw(ctx, c))
	} else if err != nil {
		return err
	}
	return ignoreAbsent(s.Remove(ctx, e.ref))
}

// dumpThere returns ErrEmptied unless the store has the whole dump.
func (e *Entry) dumpThere(ctx context.Context, s store.Store) error {
	if e.Dump == "" {
		return nil
	}
	attr, err := s.Stat(ctx, e.ID.String()+"/"+e.Dump)
	if errors.Is(err, store.ErrNotExist) || err == nil && attr.Size < e.Size {
		return ErrEmptied
	}
	return err
}

// withdraw removes the document that Restore has stored, unless it has been edited since.
func (e *Entry) withdraw(ctx context.Context, c *corpus.Corpus) error {
	raw, attr, err := c.Options().Store.Get(ctx, store.Ref{Key: catalog.InfoKey(e.ID)}, document.MaxSize)
	if err == nil && bytes.Equal(raw, e.Document) {
		err = c.Remove(ctx, e.ID, attr.ETag)
	}
	return ignoreAbsent(err)
}

// Empty deletes a removed dump for good and returns how many bytes that freed. It deletes only the
// entry if the corpus has the dump again, or if there is a later entry of the same dump. The entry of
// a dump in the corpus stays for an hour, since somebody may just be removing it. Empty does nothing if
// e.Restored is set and the dump has been removed once more.
func Empty(ctx context.Context, c *corpus.Corpus, e *Entry) (freed int64, err error) {
	s := c.Options().Store
	_, err = s.Stat(ctx, catalog.InfoKey(e.ID))
	switch {
	case err == nil && time.Since(e.At) < settled:
		return 0, nil
	case err != nil && !errors.Is(err, store.ErrNotExist):
		return 0, err
	case err != nil && e.Restored:
		return 0, nil
	case err != nil:
		others, err := Of(ctx, c, e.ID)
		if err != nil {
			return 0, err
		}
		if n := len(others); n > 0 && others[n-1].ref.Key == e.ref.Key {
			if freed, err = deleteObjects(ctx, s, e.ID); err != nil {
				return freed, err
			}
			c.Deleted(ctx, e.ID)
		}
	}
	if err := s.Remove(ctx, e.ref); !errors.Is(err, store.ErrConflict) { // ErrConflict: it was removed once more
		return freed, ignoreAbsent(err)
	}
	return freed, nil
}

// deleteObjects deletes what is in the directory of a dump that has no document, and the directory.
func deleteObjects(ctx context.Context, s store.Store, id dump.ID) (freed int64, err error) {
	dir := id.String()
	var objects []store.Entry
	for o, err := range s.List(ctx, dir, "") {
		if errors.Is(err, store.ErrNotExist) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		if o.Name == corpus.InfoName {
			return 0, ErrThere
		}
		objects = append(objects, o)
	}
	// A list takes many requests if there are many objects.
	if _, err := s.Stat(ctx, catalog.InfoKey(id)); !errors.Is(err, store.ErrNotExist) {
		return 0, cmp.Or(err, ErrThere)
	}
	// The largest, which is the dump, comes first, so that Restore notices that something is missing.
	slices.SortStableFunc(objects, func(a, b store.Entry) int { return cmp.Compare(b.Size, a.Size) })
	for _, o := range objects {
		err := s.Remove(ctx, store.Ref{Key: dir + "/" + o.Name, ETag: o.ETag})
		if errors.Is(err, store.ErrNotExist) {
			continue
		}
		if err != nil {
			return freed, err
		}
		freed += o.Size
	}
	if err := s.Remove(ctx, store.Ref{Key: dir}); !errors.Is(err, store.ErrConflict) {
		return freed, ignoreAbsent(err)
	}
	return freed, ErrThere // somebody is uploading it
}

func ignoreAbsent(err error) error {
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	return err
}
