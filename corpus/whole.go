package corpus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"thothfs/store"
)

const (
	// wholeStaleAfter is how long Whole waits for a store that does not respond if an earlier
	// process has read the whole corpus.
	wholeStaleAfter = 2 * time.Second
	// wholeTimeout is how long Whole waits otherwise.
	wholeTimeout = time.Minute
	// wholeCheckEvery is the interval at which Whole checks these timeouts.
	wholeCheckEvery = 100 * time.Millisecond
)

// errPartial means that the catalogue does not cover the whole corpus.
var errPartial = &store.Error{Op: "list", Kind: store.ErrUnavailable, Err: errors.New("the corpus has not been read to its end")}

// Whole returns when the catalogue covers the whole corpus: every document has been read once, and
// this process has asked the store for changes since. Before that, a list of dumps would be
// incomplete. If nothing else is reading the corpus, Whole reads it, as long as any caller is
// waiting.
//
// If an earlier process has read the whole corpus, and the store fails or does not respond, Whole
// returns nil, since the catalogue is good enough. Otherwise it returns the reason why the corpus
// was not read.
func (s *syncer) Whole(ctx context.Context) error {
	for {
		if s.cat.Rebuilds() != s.state.get().rebuilds {
			if _, err := s.readJournal(ctx); err != nil {
				return err
			}
		}
		whole := s.state.get().whole
		if closed(whole) {
			return nil
		}
		w := s.joinWholeRun()
		err := s.awaitWhole(ctx, whole, w)
		s.leaveWholeRun(w)
		// The run may have ended because other callers left.
		if ctx.Err() != nil || !errors.Is(err, context.Canceled) {
			return err
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (s *syncer) awaitWhole(ctx context.Context, whole <-chan struct{}, w *wholeRun) error {
	tick := time.NewTicker(wholeCheckEvery)
	defer tick.Stop()
	for {
		select {
		case <-whole:
			return nil
		case <-w.done:
			if closed(whole) {
				return nil
			}
			return w.err
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		silent := time.Since(later(w.began, s.availability.lastAnswer()))
		switch {
		case silent >= wholeStaleAfter && s.Synced():
			s.state.update(func(s *syncState) { s.current = true })
		case silent >= wholeTimeout:
			return fmt.Errorf("%w: no answer for %s", errPartial, wholeTimeout)
		}
	}
}

// wholeRun reads the corpus for all callers of Whole.
type wholeRun struct {
	began  time.Time
	cancel context.CancelFunc
	done   chan struct{} // closed after err is set
	err    error

	waiting int // number of callers waiting; guarded by syncer.wholeMu
}

// joinWholeRun returns the run in progress, starting one if there is none. The caller must call
// leaveWholeRun.
func (s *syncer) joinWholeRun() *wholeRun {
	s.wholeMu.Lock()
	defer s.wholeMu.Unlock()
	w := s.wholeRun
	if w == nil || w.waiting == 0 || closed(w.done) {
		ctx, cancel := context.WithCancel(context.Background())
		w = &wholeRun{began: time.Now(), cancel: cancel, done: make(chan struct{})}
		s.wholeRun = w
		s.wholeRuns.Go(func() { // ends after reading, or when the last caller has left
			w.err = s.readWhole(ctx)
			close(w.done)
		})
	}
	w.waiting++
	return w
}

func (s *syncer) leaveWholeRun(w *wholeRun) {
	s.wholeMu.Lock()
	defer s.wholeMu.Unlock()
	if w.waiting--; w.waiting == 0 {
		w.cancel()
	}
}

// readWhole reads the parts of the corpus that are not known yet, unless another reconciliation
// does so first. It does not ask a store that has just failed.
func (s *syncer) readWhole(ctx context.Context) error {
	if _, err := s.TakeSnapshot(ctx, nil); err != nil && (ctx.Err() != nil || errors.Is(err, store.ErrUnavailable)) {
		return err
	}
	err := s.exclusively(ctx, func() error {
		if closed(s.state.get().whole) {
			return nil
		}
		if err := s.availability.recentError(s.now()); err != nil {
			return err
		}
		return s.reconcileExclusively(ctx, syncOptions{due: s.now(), maxUnfinished: 256}, nil)
	})
	if err == nil && !s.Synced() {
		err = errPartial
	}
	return err
}
