package corpus

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"thothfs/corpus/history"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
)

type howKey struct{}

// WithHow returns a context that makes the history record how for edits, such as "mount: unlink
// properties/x".
func WithHow(ctx context.Context, how string) context.Context {
	return context.WithValue(ctx, howKey{}, how)
}

// History yields the edits since a time, latest first. See [history.History.Edits].
func (c *Corpus) History(ctx context.Context, since time.Time) iter.Seq2[*history.Edit, error] {
	return c.history.Edits(ctx, since)
}

// CompactHistory packs the history and removes edits older than keep. See
// [history.History.Compact].
func (c *Corpus) CompactHistory(ctx context.Context, keep time.Duration) error {
	return c.history.Compact(ctx, c.storeNow().Add(-keep))
}

// newEdit returns a history entry for an edit that begins now. A zero id stands for an analyzer.
func (c *Corpus) newEdit(ctx context.Context, id dump.ID) *history.Edit {
	how, ok := ctx.Value(howKey{}).(string)
	if !ok {
		how = c.o.How
	}
	return history.NewEdit(c.recorder.EditTime(c.storeNow()), c.o.By, c.o.With, how, id)
}

// refused reports whether err, returned by a change to the store, means that the change was not
// made.
func refused(err error) bool {
	kind := store.Kind(err)
	return kind != nil && kind != store.ErrUnavailable && !errors.Is(err, store.ErrUnknownOutcome)
}

// maxUndo limits the memory for the changes of one target that Undo reads from the store, in bytes.
const maxUndo = 256 << 20

var errUndoTooMuch = fmt.Errorf("more than %d MiB of changes cannot be undone at once", maxUndo>>20)

// UndoTarget is the target of an edit: a dump or an analyzer.
type UndoTarget struct {
	Dump     dump.ID
	Analyzer string // "" for a dump
}

func (t UndoTarget) String() string {
	if t.Analyzer != "" {
		return AnalyzersDir + "/" + t.Analyzer
	}
	return t.Dump.String()
}

// Undone is the outcome of undoing one change.
type Undone struct {
	Edit    *history.Edit
	Change  history.Change // for display; long values may be cut
	Outcome document.Outcome
}

// UndoTargets groups edits by target. The edits must be in order, latest first.
func UndoTargets(edits []*history.Edit) (targets []UndoTarget, byTarget map[UndoTarget][]*history.Edit) {
	byTarget = map[UndoTarget][]*history.Edit{}
	for _, e := range edits {
		t := UndoTarget{Dump: e.Dump}
		if e.Dump == (dump.ID{}) {
			if len(e.Changes) != 1 {
				continue // not our record: an edit of an analyzer has one change
			}
			t.Analyzer = e.Changes[0].At[1]
		}
		if byTarget[t] == nil {
			targets = append(targets, t)
		}
		byTarget[t] = append(byTarget[t], e)
	}
	return targets, byTarget
}

// Undo restores what the edits of one target replaced. It makes a single conditional edit, which
// the history records too. The edits must be in order, latest first. A value that has changed since
// an edit is left alone, as is one that was already restored. If dryRun is set, nothing is changed.
// If the changes of an edit are not available, Undo returns an error but still undoes the others.
func (c *Corpus) Undo(ctx context.Context, t UndoTarget, edits []*history.Edit, dryRun bool) ([]Undone, error) {
	if slices.ContainsFunc(edits, (*history.Edit).Large) { // one at a time, since they need much memory
		leave, err := c.editLocks.Lock(ctx, "undo")
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	all, missing := c.undoable(ctx, edits, maxUndo)
	if len(all) == 0 {
		return nil, missing
	}
	var err error
	if t.Analyzer != "" {
		err = c.undoAnalyzer(ctx, t.Analyzer, all, dryRun)
	} else {
		err = c.undoDump(ctx, t.Dump, all, dryRun)
	}
	if err != nil {
		return nil, err
	}
	for i, u := range all {
		if u.Edit.Large() {
			all[i].Change = u.Change.Gist()
		}
	}
	return all, missing
}

// undoable returns the changes of edits, latest first. It also returns an error for the edits whose
// changes are not available or exceed budget, which is in bytes of memory.
func (c *Corpus) undoable(ctx context.Context, edits []*history.Edit, budget int) (all []Undone, missing error) {
	size := 0
	for _, e := range edits {
		changes, err := e.Changes, error(nil)
		if e.Large() {
			if size > budget {
				err = errUndoTooMuch
			} else if changes, err = c.history.Changes(ctx, e); err == nil {
				for _, ch := range changes {
					size += 256 + len(ch.Old.Text) + len(ch.New.Text) // roughly, in memory
				}
			}
		}
		if err == nil && slices.ContainsFunc(changes, func(ch history.Change) bool { return !ch.Old.IsWhole() }) {
			err = history.ErrNoChanges
		}
		if err != nil {
			missing = errors.Join(missing, fmt.Errorf("edit %s: %w", e.ID, err))
			continue
		}
		for _, change := range slices.Backward(changes) {
			all = append(all, Undone{Edit: e, Change: change})
		}
	}
	return all, missing
}

func (c *Corpus) undoDump(ctx context.Context, id dump.ID, all []Undone, dryRun bool) error {
	var changes []document.Change
	for _, u := range all {
		changes = append(changes, u.Change.Document())
	}
	revert := func(d *document.Document) (raw []byte, changed bool, err error) {
		raw, changed, outcomes, err := d.Revert(changes)
		for i, o := range outcomes {
			all[i].Outcome = o
		}
		return raw, changed, err
	}
	if dryRun {
		d, err := c.Dump(ctx, id)
		if err == nil {
			_, _, err = revert(d.Doc)
		}
		return err
	}
	_, err := c.amend(ctx, &editAttempt{c: c, id: id, change: revert})
	return err
}

func (c *Corpus) undoAnalyzer(ctx context.Context, name string, all []Undone, dryRun bool) error {
	key, err := analyzerKey("put", name)
	if err != nil {
		return err
	}
	undo := func() error {
		was, attr, err := c.analyzerNow(ctx, "put", key)
		if err != nil {
			return err
		}
		if was == nil && attr.ETag != "" {
			return &store.Error{Op: "put", Key: key, Kind: store.ErrTooLarge}
		}
		now := revertAnalyzer(history.Whole(was), all)
		switch {
		case dryRun || now.Equal(history.Whole(was)):
			return nil
		case !now.Is:
			return c.dropAnalyzer(ctx, key, was, attr)
		}
		return c.replace(ctx, key, now.Text)
	}
	if dryRun {
		return undo()
	}
	err = c.changeAnalyzers(ctx, key, undo)
	if errors.Is(err, store.ErrNotExist) { // another client was faster
		return nil
	}
	return err
}

// revertAnalyzer is the equivalent of document.Document.Revert for the text of an analyzer.
func revertAnalyzer(now history.Value, all []Undone) history.Value {
	for i := range all {
		all[i].Outcome = document.Differs
	}
	for more := true; more; {
		more = false
		for i := range all {
			u := &all[i]
			switch {
			case u.Outcome == document.Reverted:
			case now.Equal(u.Change.New):
				now, u.Outcome, more = u.Change.Old, document.Reverted, true
			case now.Equal(u.Change.Old):
				u.Outcome = document.Already
			}
		}
	}
	var latest *Undone // latest change that had already been undone
	for i := len(all) - 1; i >= 0; i-- {
		u := &all[i]
		if u.Outcome == document.Differs && latest != nil && latest.Change.New.Equal(u.Change.Old) {
			u.Outcome = document.Already
		}
		if u.Outcome == document.Already {
			latest = u
		}
	}
	return now
}
