package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"thothfs/corpus/catalog"
	"thothfs/corpus/history"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/internal/withctx"
	"thothfs/store"
)

// ErrReadOnlyField means that a field is not meant to be edited by people.
var ErrReadOnlyField = errors.New("this field cannot be edited")

// Edit applies edits to the document of a dump, either all or none, and returns the resulting dump.
// When it returns, the document is stored, and the catalogue, Generation and subscribers have the
// change. Edits that others make at the same time are kept. A document that would not change is not
// stored again.
//
// Edit takes one round trip if the version in the catalogue is current, or if the document would
// not change; otherwise two, or three if the document changed within AttrTimeout; and more while
// others are changing it.
//
// Edit returns ErrReadOnlyField if document.Writable does not allow a path, errors of
// document.Document.Apply, store.ErrNotExist if the dump does not exist, store.ErrConflict if
// others keep changing the document until the deadline of ctx, or for two minutes, and other errors
// of the store. If the error is one of the store other than ErrConflict, or if ctx is done, the
// edit may have been made.
//
// A condition (document.IfAbsent, document.IfPresent, Edit.Was) applies to exactly the version of
// the document that the edit replaces. If the connection breaks while the document is being stored,
// and another client edits it before it is read back, this edit cannot be distinguished from
// others: the error is then document.ErrPresent although the edit was made.
func (c *Corpus) Edit(ctx context.Context, id dump.ID, edits ...document.Edit) (*Dump, error) {
	if err := CheckWritable(edits); err != nil {
		return nil, err
	}
	return c.Amend(ctx, id, edits...)
}

// CheckWritable returns ErrReadOnlyField unless document.Writable allows all edits.
func CheckWritable(edits []document.Edit) error {
	for _, e := range edits {
		if !document.Writable(e.Path) {
			return fmt.Errorf("%q: %w", e.Path, ErrReadOnlyField)
		}
	}
	return nil
}

// Amend is like Edit but allows any field. It is for uploads, which describe the dump itself.
func (c *Corpus) Amend(ctx context.Context, id dump.ID, edits ...document.Edit) (*Dump, error) {
	a := &editAttempt{c: c, id: id, edits: edits}
	a.change = func(d *document.Document) ([]byte, bool, error) { return d.Apply(a.edits...) }
	d, err := c.amend(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("edit %s: %w", id, err)
	}
	return d, nil
}

// amend makes an edit while no other goroutine of this process edits the same dump.
func (c *Corpus) amend(ctx context.Context, a *editAttempt) (*Dump, error) {
	unlock, err := c.editLocks.Lock(ctx, catalog.InfoKey(a.id))
	if err != nil {
		return nil, err
	}
	defer unlock()
	a.record = c.newEdit(ctx, a.id)
	d, err := a.run(ctx)
	if a.seen != nil { // and no later document was stored
		c.tryObserve(ctx, *a.seen)
		a.setChecked(a.seen.At)
	}
	if !a.maybeMade && len(a.record.Changes) > 0 { // it failed, or another client made the same edit
		if voided := c.recorder.Void(a.record); err == nil {
			err = voided(ctx)
		}
	}
	return d, err
}

// editAttempt is an edit in progress.
type editAttempt struct {
	c     *Corpus
	id    dump.ID
	edits []document.Edit
	known *Dump                // latest version seen, or nil
	seen  *catalog.Observation // observation of known, unless the catalogue has it

	// change returns the edited document, like document.Document.Apply.
	change    func(*document.Document) (raw []byte, changed bool, err error)
	record    *history.Edit // record of the latest attempt
	maybeMade bool          // an attempt was stored, or may have been
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

// tryKnown edits the version in the catalogue. If that may be outdated, it reads the document from
// the store at the same time. If tryKnown returns neither a dump nor an error, known is the version
// in the store, and has not been edited.
func (a *editAttempt) tryKnown(ctx context.Context) (d *Dump, err error) {
	if a.known, err = a.c.cat.Lookup(ctx, a.id); err != nil {
		return nil, err
	}
	if a.known == nil {
		return nil, a.refetch(ctx)
	}
	raw, changed, err := a.apply()
	if err != nil || !changed { // the version may be outdated
		return nil, a.refetch(ctx)
	}
	if a.c.isFresh(a.id, a.known) {
		d, err = a.put(ctx, raw)
		if errors.Is(err, store.ErrConflict) {
			return nil, a.refetch(ctx)
		}
		return d, err
	}
	fetched, stop := a.startFetch(ctx)
	defer stop()
	d, err = a.put(ctx, raw)
	if errors.Is(err, store.ErrConflict) {
		r := <-fetched
		return nil, a.setKnown(r.observed, r.err)
	}
	return d, err
}

// try edits known, which has just been read from the store.
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
	if d := a.known; d.Damage != d.Doc.Damage() { // it could not be read
		return nil, false, &document.DamagedError{Damage: d.Damage}
	}
	return a.change(a.known.Doc)
}

// put stores a document over the known version, and a record of what it replaces in the history.
func (a *editAttempt) put(ctx context.Context, raw []byte) (*Dump, error) {
	c, began := a.c, a.c.now()
	d := catalog.NewDump(a.id, raw, store.Attr{}, "")
	if c.recorder != nil {
		a.record.Changes = history.DocumentChanges(a.known.Doc, d.Doc)
	}
	recorded := c.recorder.Begin(a.record)
	attr, err := c.store.Put(ctx, a.known.Ref(), bytes.NewReader(raw), int64(len(raw)))
	c.wrote(err)
	a.maybeMade = a.maybeMade || !refused(err)
	if err != nil {
		return nil, err
	}
	c.setClock(attr.ModTime)
	c.changes.Add(a.id, attr.ETag)
	d.ETag, d.Size, d.ModTime, d.Checked = attr.ETag, attr.Size, attr.ModTime, c.now().Add(catalog.AfterStored)
	a.seen = nil
	changed := c.tryObserve(ctx, catalog.Observation{ID: a.id, At: d.Checked, Kind: catalog.Found, Dump: d, Replaced: a.known, Began: began})
	a.setChecked(d.Checked)
	if !changed {
		// Another process may have recorded the document first, without notifying the subscribers
		// of this one.
		if _, err := c.readJournal(ctx); err != nil {
			c.log.Debug("the catalogue cannot be read", "error", err)
		}
	}
	return d, recorded(ctx)
}

// refetch sets known to the version in the store.
func (a *editAttempt) refetch(ctx context.Context) error {
	return a.setKnown(a.c.fetchDocument(ctx, a.id, etagOf(a.known)))
}

func (a *editAttempt) setKnown(o catalog.Observation, err error) error {
	if err != nil {
		return err
	}
	switch {
	case o.Kind == catalog.Found:
		a.known, a.seen = o.Dump, &o
	case o.Kind == catalog.Absent:
		if a.known != nil {
			a.seen = &o
		}
		return notExist("get", catalog.InfoKey(a.id))
	default:
		a.setChecked(o.At)
	}
	return nil
}

// setChecked records when the document was checked, provided that the catalogue has the result.
func (a *editAttempt) setChecked(at time.Time) {
	if !a.c.unwritable.Load() {
		a.c.checked.set(a.id, at)
	}
}

// startFetch starts reading the document. The caller must call stop, which ends that.
func (a *editAttempt) startFetch(ctx context.Context) (fetched <-chan fetchResult, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	c, id, etag := a.c, a.id, etagOf(a.known)
	results, done := make(chan fetchResult, 1), make(chan struct{})
	go func() { // stopped by stop
		defer close(done)
		o, err := c.fetchDocument(ctx, id, etag)
		results <- fetchResult{observed: o, err: err}
	}()
	return results, func() { cancel(); <-done }
}

// relaxRemovals lets removals succeed if there is nothing left to remove, since an earlier attempt
// that ended in a conflict may have removed it.
func (a *editAttempt) relaxRemovals() {
	a.edits = slices.Clone(a.edits)
	for i := range a.edits {
		if e := &a.edits[i]; e.Value == nil && e.If == document.IfPresent {
			e.If = document.Always
		}
	}
}

const (
	// conflictTimeout is how long an edit without a deadline is retried.
	conflictTimeout  = 2 * time.Minute
	maxConflictPause = time.Second
	minConflictPause = time.Millisecond
)

// conflictBackoff is a randomized pause after a write conflict. One of the competing writers always
// succeeds, so there is progress even without a pause; the pause only avoids useless attempts. It
// lasts up to a few times the duration of an attempt. It does not grow without bound, since the
// writer that has lost most often would then try least often.
type conflictBackoff struct {
	until time.Time
	began time.Time // start of the latest attempt
	lost  int
}

func newConflictBackoff(ctx context.Context) *conflictBackoff {
	now := time.Now()
	b := &conflictBackoff{until: now.Add(conflictTimeout), began: now}
	if end, ok := ctx.Deadline(); ok {
		b.until = end
	}
	return b
}

// wait pauses. It returns false if there is no time for another attempt.
func (b *conflictBackoff) wait(ctx context.Context) bool {
	b.lost++
	now := time.Now()
	took := now.Sub(b.began)
	longest := time.Duration(min(b.lost, 8)) * took
	pause := rand.N(min(max(longest, minConflictPause), maxConflictPause)) + 1
	if now.Add(pause+took).After(b.until) || withctx.Sleep(ctx, pause) != nil {
		return false
	}
	b.began = time.Now()
	return true
}
