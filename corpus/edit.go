package corpus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"thothfs/corpus/history"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
)

// ErrReadOnlyField is an edit of a field that is not for people to edit.
var ErrReadOnlyField = errors.New("this field cannot be edited")

// Edit edits the document of a dump, all edits or none, and returns the dump as it is
// then. It returns once that is stored, and the catalogue, Generation and subscribers
// know. Edits that others make at the same time are kept, however many there are.
// What is so already is not stored again.
//
// It takes one round trip when the version that the catalogue knows is current, and
// to find that everything is so already; else two, or three if the document changed
// within AttrTimeout; and more when others change it at that very time.
//
// Errors are ErrReadOnlyField, unless document.Writable allows the paths; those of
// document.Document.Apply; store.ErrNotExist for a dump that is not there;
// store.ErrConflict, when others keep changing the document until ctx's deadline, or
// for two minutes; and the others of the store. After one of these, but for
// ErrConflict, or the end of ctx, the edit may have been made.
//
// A condition (document.IfAbsent, document.IfPresent, Edit.Was) is judged on the very document that the
// edit replaces. When the connection breaks in the middle, and somebody edits the
// document before it can be read back, an edit that was made cannot be told from
// somebody else's: then it is document.ErrPresent although it was ours.
func (c *Corpus) Edit(ctx context.Context, id dump.ID, edits ...document.Edit) (*Dump, error) {
	if err := writable(edits); err != nil {
		return nil, err
	}
	return c.editAny(ctx, id, edits...)
}

func writable(edits []document.Edit) error {
	for _, e := range edits {
		if !document.Writable(e.Path) {
			return fmt.Errorf("%q: %w", e.Path, ErrReadOnlyField)
		}
	}
	return nil
}

// editAny is Edit for any field, for those who know a dump better than its document
// does: analyzers.
func (c *Corpus) editAny(ctx context.Context, id dump.ID, edits ...document.Edit) (*Dump, error) {
	a := &editAttempt{c: c, id: id, edits: edits}
	a.change = func(d *document.Document) ([]byte, bool, error) { return d.Apply(a.edits...) }
	d, err := c.amend(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("edit %s: %w", id, err)
	}
	return d, nil
}

// amend makes an amendment, in its turn.
func (c *Corpus) amend(ctx context.Context, a *editAttempt) (*Dump, error) {
	leave, err := c.editLocks.lock(ctx, infoKey(a.id))
	if err != nil {
		return nil, err
	}
	defer leave()
	a.record = c.newEdit(ctx, a.id)
	d, err := a.run(ctx)
	if a.seen != nil { // and nothing was built on it
		c.recordObservations(ctx, *a.seen)
		a.setChecked(a.seen.at)
	}
	if !a.maybeMade && len(a.record.Changes) > 0 { // err, or somebody else made the same edit
		if voided := c.recorder.Void(a.record); err == nil {
			err = voided(ctx)
		}
	}
	return d, err
}

// editAttempt is an edit under way.
type editAttempt struct {
	c     *Corpus
	id    dump.ID
	edits []document.Edit
	known *Dump        // the latest that was seen; nil none
	seen  *observation // how, unless the catalogue knows

	// change makes the new document of one, as document.Document.Apply does.
	change    func(*document.Document) (raw []byte, changed bool, err error)
	record    *history.Edit // of the latest try
	maybeMade bool          // some attempt was stored, or may have been
}

func (a *editAttempt) run(ctx context.Context) (*Dump, error) {
	y := newConflictBackoff(ctx)
	d, err := a.tryKnown(ctx)
	for d == nil && err == nil {
		d, err = a.try(ctx)
		if !errors.Is(err, store.ErrConflict) {
			break
		}
		if !y.wait(ctx) {
			return nil, errors.Join(err, ctx.Err())
		}
		a.relaxRemovals()
		d, err = nil, a.refetch(ctx)
	}
	return d, err
}

// tryKnown edits what the catalogue knows, hoping that it is current. If it may be old
// the store is asked at the same time. nil without an error says that the hope was
// vain, or that there was none, and that known is what the store has.
func (a *editAttempt) tryKnown(ctx context.Context) (d *Dump, err error) {
	if a.known, err = a.c.cat.dump(ctx, a.id); err != nil {
		return nil, err
	}
	if a.known == nil {
		return nil, a.refetch(ctx)
	}
	raw, changed, err := a.apply()
	if err != nil || !changed { // by what is known, which may be old
		return nil, a.refetch(ctx)
	}
	if a.c.isFresh(a.id, a.known) {
		d, err = a.put(ctx, raw)
		if errors.Is(err, store.ErrConflict) {
			return nil, a.refetch(ctx)
		}
		return d, err
	}
	looked, stop := a.startFetch(ctx)
	defer stop()
	d, err = a.put(ctx, raw)
	if errors.Is(err, store.ErrConflict) {
		g := <-looked
		return nil, a.setKnown(g.observed, g.err)
	}
	return d, err
}

// try edits what is known, which is what the store has, or had a moment ago.
func (a *editAttempt) try(ctx context.Context) (*Dump, error) {
	raw, changed, err := a.apply()
	if err != nil {
		return nil, err
	}
	if !changed {
		return a.known, nil
	}
	return a.put(ctx, raw)
}

func (a *editAttempt) apply() (raw []byte, changed bool, err error) {
	if d := a.known; d.Damage != d.Doc.Damage() { // it was not to be had
		return nil, false, &document.DamagedError{Damage: d.Damage}
	}
	return a.change(a.known.Doc)
}

// put stores a document in the place of the one that is known, and what it replaces in
// the history.
func (a *editAttempt) put(ctx context.Context, raw []byte) (*Dump, error) {
	c, began := a.c, a.c.now()
	if c.recorder != nil {
		a.record.Changes = history.DocumentChanges(a.known.Doc, raw)
	}
	recorded := c.recorder.Begin(a.record)
	attr, err := c.store.Put(ctx, a.known.Ref(), bytesAt(raw), int64(len(raw)))
	c.wrote(err)
	a.maybeMade = a.maybeMade || !refused(err)
	if err != nil {
		return nil, err
	}
	c.setClock(attr.ModTime)
	c.changes.Add(a.id, attr.ETag)
	f := observation{id: a.id, at: c.now().Add(afterStored), kind: found, raw: raw, attr: attr, replaced: a.known.ETag, began: began}
	a.seen = nil
	told := c.recordObservations(ctx, f)
	a.setChecked(f.at)
	if !told {
		// Somebody was faster to note it. If that was another process, subscribers
		// are to know before we return nevertheless.
		if err := c.readJournal(ctx); err != nil {
			c.log.Debug("the catalogue cannot be read", "error", err)
		}
	}
	d := newDump(a.id, raw, attr, "")
	d.checked = f.at
	return d, recorded(ctx)
}

// refetch finds out what the store has.
func (a *editAttempt) refetch(ctx context.Context) error {
	return a.setKnown(a.c.fetchDocument(ctx, a.id, a.etag()))
}

func (a *editAttempt) etag() string {
	if a.known == nil {
		return ""
	}
	return a.known.ETag
}

// setKnown makes what was found known.
func (a *editAttempt) setKnown(f observation, err error) error {
	if err != nil {
		return err
	}
	switch {
	case f.kind == found:
		a.known, a.seen = newDump(a.id, f.raw, f.attr, f.damage), &f
		a.known.checked = f.at
	case f.kind == absent:
		if a.known != nil {
			a.seen = &f
		}
		return notExist("get", infoKey(a.id))
	default:
		a.setChecked(f.at)
	}
	return nil
}

// setChecked says when the store was asked, if the catalogue knows what it said.
func (a *editAttempt) setChecked(at time.Time) {
	if !a.c.unwritable.Load() {
		a.c.revalidations.set(a.id, at)
	}
}

// startFetch begins a look of its own. stop ends it; it must be called.
func (a *editAttempt) startFetch(ctx context.Context) (looked <-chan fetchResult, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	c, id, etag := a.c, a.id, a.etag()
	results, done := make(chan fetchResult, 1), make(chan struct{})
	go func() { // ended by stop
		defer close(done)
		f, err := c.fetchDocument(ctx, id, etag)
		results <- fetchResult{observed: f, err: err}
	}()
	return results, func() { cancel(); <-done }
}

// relaxRemovals has removals that were refused by a conflict succeed when there is nothing
// left to remove: that may be our own doing.
func (a *editAttempt) relaxRemovals() {
	a.edits = slices.Clone(a.edits)
	for i := range a.edits {
		if e := &a.edits[i]; e.Value == nil && e.If == document.IfPresent {
			e.If = document.Always
		}
	}
}
