package corpus

import (
	"context"
	"errors"
	"iter"
	"time"

	"thothfs/corpus/history"
	"thothfs/dump"
	"thothfs/store"
)

type howKey struct{}

// WithHow returns a context under which edits have how in the history, such as
// "mount: unlink properties/x".
func WithHow(ctx context.Context, how string) context.Context {
	return context.WithValue(ctx, howKey{}, how)
}

// History yields the edits since a time, the latest first. See [history.History.Edits].
func (c *Corpus) History(ctx context.Context, since time.Time) iter.Seq2[*history.Edit, error] {
	return c.history.Edits(ctx, since)
}

// CompactHistory packs the history, and removes edits older than keep. See
// [history.History.Compact].
func (c *Corpus) CompactHistory(ctx context.Context, keep time.Duration) error {
	return c.history.Compact(ctx, c.storeNow().Add(-keep))
}

// newEdit returns an edit for the history that begins now. A zero id stands for an analyzer.
func (c *Corpus) newEdit(ctx context.Context, id dump.ID) *history.Edit {
	how, ok := ctx.Value(howKey{}).(string)
	if !ok {
		how = c.o.How
	}
	return history.NewEdit(c.recorder.EditTime(c.storeNow()), c.o.By, c.o.With, how, id)
}

// refused reports whether err, of a change to the store, says that the change was not made.
func refused(err error) bool {
	kind := store.Kind(err)
	return kind != nil && kind != store.ErrUnavailable && !errors.Is(err, store.ErrUnknownOutcome)
}

// storeNow returns the time by the store's clock, which all clients share: this machine's
// clock, corrected by what setClock learned.
func (c *base) storeNow() time.Time { return c.now().Add(time.Duration(c.skew.Load())) }

// setClock sets the store's clock to the modification time of an object that was just
// stored. A zero time leaves the clock alone.
func (c *base) setClock(stored time.Time) {
	if !stored.IsZero() {
		c.skew.Store(int64(stored.Sub(c.now())))
	}
}
