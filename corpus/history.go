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

// storeNow returns the current time by the store's clock, which all clients share. It is this
// machine's clock corrected by the difference that setClock has measured.
func (c *base) storeNow() time.Time { return c.now().Add(time.Duration(c.skew.Load())) }

// setClock adjusts storeNow to the modification time of an object that was just stored. A zero time
// is ignored.
func (c *base) setClock(stored time.Time) {
	if !stored.IsZero() {
		c.skew.Store(int64(stored.Sub(c.now())))
	}
}
