package corpus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"thothfs/store"
)

const (
	// wholeStaleAfter is how long Whole waits for a store that does not answer when an earlier
	// process has read the whole corpus.
	wholeStaleAfter = 2 * time.Second
	// wholeTimeout is how long it waits for one when nothing else will do.
	wholeTimeout = time.Minute
	// wholeCheckEvery is how often it looks.
	wholeCheckEvery = 100 * time.Millisecond
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
		if err := c.checkReset(ctx); err != nil {
			return err
		}
		whole := c.state.wholeness()
		select {
		case <-whole:
			return nil
		default:
		}
		w := c.joinWholeRun()
		err := c.awaitWhole(ctx, whole, w)
		c.leaveWholeRun(w)
		// The other caller's patience is not ours.
		if ctx.Err() != nil || !errors.Is(err, context.Canceled) {
			return err
		}
	}
}

// checkReset forgets what was known of a catalogue that has been replaced.
func (c *Corpus) checkReset(ctx context.Context) error {
	if c.cat.resetCount() == c.state.resetCount() {
		return nil
	}
	return c.readJournal(ctx)
}

func (c *Corpus) awaitWhole(ctx context.Context, whole <-chan struct{}, w *wholeRun) error {
	tick := time.NewTicker(wholeCheckEvery)
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
		silent := min(time.Since(w.began), time.Since(c.availability.lastAnswer()))
		switch {
		case silent >= wholeStaleAfter && c.Synced():
			c.state.setCurrent()
		case silent >= wholeTimeout:
			return fmt.Errorf("%w: no answer for %s", errPartial, wholeTimeout)
		}
	}
}

// wholeRun is a reading of the corpus that those who wait for it share.
type wholeRun struct {
	began  time.Time
	cancel context.CancelFunc
	done   chan struct{} // closed when err is there
	err    error

	waiting int // guarded by Corpus.wholing
}

// joinWholeRun returns the reading that goes on, or begins one. leaveReading follows.
func (c *Corpus) joinWholeRun() *wholeRun {
	c.wholeMu.Lock()
	defer c.wholeMu.Unlock()
	if c.wholeRun == nil {
		ctx, cancel := context.WithCancel(context.Background())
		w := &wholeRun{began: time.Now(), cancel: cancel, done: make(chan struct{})}
		c.wholeRun = w
		c.wholeRuns.Go(func() { // ends with the reading, or when the last has left
			w.err = c.readWhole(ctx)
			c.endWholeRun(w)
			close(w.done)
		})
	}
	c.wholeRun.waiting++
	return c.wholeRun
}

func (c *Corpus) leaveWholeRun(w *wholeRun) {
	c.wholeMu.Lock()
	defer c.wholeMu.Unlock()
	if w.waiting--; w.waiting > 0 {
		return
	}
	w.cancel()
	if c.wholeRun == w {
		c.wholeRun = nil
	}
}

// endWholeRun has the next to come begin another.
func (c *Corpus) endWholeRun(w *wholeRun) {
	c.wholeMu.Lock()
	defer c.wholeMu.Unlock()
	if c.wholeRun == w {
		c.wholeRun = nil
	}
}

// readWhole reads what is not known of the corpus, unless somebody does so before its
// turn comes. A store that has just failed is not asked again.
func (c *Corpus) readWhole(ctx context.Context) error {
	if _, err := c.TakeSnapshot(ctx, nil); err != nil && (ctx.Err() != nil || errors.Is(err, store.ErrUnavailable)) {
		return err
	}
	err := c.exclusively(ctx, func() error {
		if c.state.isWhole() {
			return nil
		}
		if err := c.availability.recentError(c.now()); err != nil {
			return err
		}
		return c.reconcileLocked(ctx, syncOptions{due: c.now(), maxUnfinished: 256}, nil)
	})
	if err == nil && !c.Synced() {
		err = errPartial
	}
	return err
}

// exclusively runs f while no other reconciliation of this process goes on.
func (c *Corpus) exclusively(ctx context.Context, f func() error) error {
	select {
	case c.syncing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.syncing }()
	return f()
}
