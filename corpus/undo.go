package corpus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
)

// UndoHow is how the edits begin that undo others, in HistoryEdit.How.
const UndoHow = "undo"

// IsUndo reports whether the edit undid others.
func (e *HistoryEdit) IsUndo() bool { return e.How == UndoHow || strings.HasPrefix(e.How, UndoHow+" ") }

// UndoTarget is what an edit was made to: a dump, or an analyzer.
type UndoTarget struct {
	Dump     dump.ID
	Analyzer string // "": Dump
}

func (t UndoTarget) String() string {
	if t.Analyzer != "" {
		return AnalyzersDir + "/" + t.Analyzer
	}
	return t.Dump.String()
}

// Undone is what became of one change of an edit that was to be undone.
type Undone struct {
	Edit    *HistoryEdit
	Change  HistoryChange
	Outcome document.Outcome
}

// UndoTargets sorts edits, the latest first, by what they were made to.
func UndoTargets(edits []*HistoryEdit) (targets []UndoTarget, byTarget map[UndoTarget][]*HistoryEdit) {
	byTarget = map[UndoTarget][]*HistoryEdit{}
	for _, e := range edits {
		t := UndoTarget{Dump: e.Dump}
		if e.Dump == (dump.ID{}) {
			if len(e.Changes) != 1 {
				continue // an edit of an analyzer has one
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

// Undo puts back what edits of one target have replaced, by one conditional edit, which is
// in the history itself. The edits are in order, the latest first. A value that is not
// what they have left stays, and so does everything when dryRun is set. What was
// undone before stays as it is, too. An edit whose changes are not to be had is an error,
// but does not keep the others from being undone.
func (c *Corpus) Undo(ctx context.Context, t UndoTarget, edits []*HistoryEdit, dryRun bool) ([]Undone, error) {
	var all []Undone
	var lost error
	for _, e := range edits {
		changes, err := c.allChanges(ctx, e)
		if err == nil && slices.ContainsFunc(changes, func(ch HistoryChange) bool { return !ch.Old.whole() }) {
			err = errNoChanges
		}
		if err != nil {
			lost = errors.Join(lost, fmt.Errorf("edit %s: %w", e.ID, err))
			continue
		}
		for _, change := range slices.Backward(changes) {
			all = append(all, Undone{Edit: e, Change: change})
		}
	}
	if len(all) == 0 {
		return nil, lost
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
	return all, lost
}

func (c *Corpus) undoDump(ctx context.Context, id dump.ID, all []Undone, dryRun bool) error {
	var changes []document.Change
	for _, u := range all {
		changes = append(changes, u.Change.document())
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

// undoAnalyzer does with a whole script what Document.Revert does with a value.
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
		now := revertAnalyzer(wholeValue(was), all)
		switch {
		case dryRun || now.equal(wholeValue(was)):
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
	if errors.Is(err, store.ErrNotExist) { // somebody was faster
		return nil
	}
	return err
}

func revertAnalyzer(now HistoryValue, all []Undone) HistoryValue {
	for i := range all {
		all[i].Outcome = document.Differs
	}
	for more := true; more; {
		more = false
		for i := range all {
			u := &all[i]
			switch {
			case u.Outcome == document.Reverted:
			case now.equal(u.Change.New):
				now, u.Outcome, more = u.Change.Old, document.Reverted, true
			case now.equal(u.Change.Old):
				u.Outcome = document.Already
			}
		}
	}
	var latest *Undone // that was undone before
	for i := len(all) - 1; i >= 0; i-- {
		u := &all[i]
		if u.Outcome == document.Differs && latest != nil && latest.Change.New.equal(u.Change.Old) {
			u.Outcome = document.Already
		}
		if u.Outcome == document.Already {
			latest = u
		}
	}
	return now
}

// equal reports whether two values, either of which may be known by its checksum alone, are
// the same.
func (v HistoryValue) equal(w HistoryValue) bool {
	if v.Is != w.Is || v.Size != w.Size {
		return false
	}
	sum := func(v HistoryValue) string {
		if !v.whole() {
			return string(v.sum)
		}
		return string(plainSum(v.Text))
	}
	return sum(v) == sum(w)
}
