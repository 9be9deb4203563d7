package corpus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"thothfs/store"
)

const (
	// staleAfter is how long Whole waits for a store that does not answer when an earlier
	// process has read the whole corpus.
	staleAfter = 2 * time.Second
	// hopeless is how long it waits for one when nothing else will do.
	hopeless = time.Minute
	// heardEvery is how often it looks.
	heardEvery = 100 * time.Millisecond
)

// errPartial says that the catalogue does not know the whole corpus.
var errPartial = &store.Error{Op: "list", Kind: store.ErrUnavailable, Err: errors.New("the corpus has not been read to its end")}

// Whole returns when the catalogue knows the whole corpus: every document was read once,
// and this process has asked the store what has changed since. Until then a list of dumps
// would be too short. If nobody else reads the corpus, Whole does, for as long as anybody
// waits for it.
//
// A catalogue that an earlier process has completed will do as it is when the store fails
// or does not answer. Without one the error is what kept the corpus from being read.
func (c *Corpus) Whole(ctx context.Context) error {
	for {
		if err := c.noticeReset(ctx); err != nil {
			return err
		}
		whole := c.state.wholeness()
		select {
		case <-whole:
			return nil
		default:
		}
		w := c.joinReading()
		err := c.awaitWhole(ctx, whole, w)
		c.leaveReading(w)
		// The other caller's patience is not ours.
		if ctx.Err() != nil || !errors.Is(err, context.Canceled) {
			return err
		}
	}
}

// noticeReset forgets what was known of a catalogue that has been replaced.
func (c *Corpus) noticeReset(ctx context.Context) error {
	if c.cat.resetCount() == c.state.resetCount() {
		return nil
	}
	return c.tail(ctx)
}

func (c *Corpus) awaitWhole(ctx context.Context, whole <-chan struct{}, w *wholeReading) error {
	tick := time.NewTicker(heardEvery)
	defer tick.Stop()
	for {
		select {
		case <-whole:
			return nil
		case <-w.done:
			select {
			case <-whole:
				return nil
			default:
				return w.err
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		silent := time.Since(later(w.began, c.outage.lastHeard()))
		switch {
		case silent >= staleAfter && c.Synced():
			c.state.setCurrent()
		case silent >= hopeless:
			return fmt.Errorf("%w: no answer for %s", errPartial, hopeless)
		}
	}
}

// wholeReading is a reading of the corpus that those who wait for it share.
type wholeReading struct {
	began  time.Time
	cancel context.CancelFunc
	done   chan struct{} // closed when err is there
	err    error

	waiting int // guarded by Corpus.wholing
}

// joinReading returns the reading that goes on, or begins one. leaveReading follows.
func (c *Corpus) joinReading() *wholeReading {
	c.wholing.Lock()
	defer c.wholing.Unlock()
	if c.whole == nil {
		ctx, cancel := context.WithCancel(context.Background())
		w := &wholeReading{began: time.Now(), cancel: cancel, done: make(chan struct{})}
		c.whole = w
		c.reading.Go(func() { // ends with the reading, or when the last has left
			w.err = c.readWhole(ctx)
			c.endReading(w)
			close(w.done)
		})
	}
	c.whole.waiting++
	return c.whole
}

func (c *Corpus) leaveReading(w *wholeReading) {
	c.wholing.Lock()
	defer c.wholing.Unlock()
	if w.waiting--; w.waiting > 0 {
		return
	}
	w.cancel()
	if c.whole == w {
		c.whole = nil
	}
}

// endReading has the next to come begin another.
func (c *Corpus) endReading(w *wholeReading) {
	c.wholing.Lock()
	defer c.wholing.Unlock()
	if c.whole == w {
		c.whole = nil
	}
}

// readWhole reads what is not known of the corpus, unless somebody does so before its
// turn comes. A store that has just failed is not asked again.
func (c *Corpus) readWhole(ctx context.Context) error {
	if _, err := c.TakeSnapshot(ctx, nil); err != nil && (ctx.Err() != nil || errors.Is(err, store.ErrUnavailable)) {
		return err
	}
	err := c.inTurn(ctx, func() error {
		if c.state.isWhole() {
			return nil
		}
		if err := c.outage.lately(c.now()); err != nil {
			return err
		}
		return c.reconcileInTurn(ctx, round{due: c.now(), again: 256}, nil)
	})
	if err == nil && !c.Synced() {
		err = errPartial
	}
	return err
}

// inTurn runs f while no other reconciliation of this process goes on.
func (c *Corpus) inTurn(ctx context.Context, f func() error) error {
	select {
	case c.syncing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.syncing }()
	return f()
}
