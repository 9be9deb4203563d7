package cache

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// session is what the cache does for a version of its own accord while somebody
// has it open: it asks for the hot pack and predicts what will be read, and
// completes the version when that is wanted. It ends with the last handle.
type warmup struct {
	o       *object
	cancel  context.CancelFunc
	warmed  chan struct{} // closed when pack and prefetch are there or given up
	history *accessHistory
	packed  atomic.Bool // the pack has come

	mu           sync.Mutex // guards all below; taken before object.mu
	ended        bool
	wanted       []Range   // predicted, not begun to be fetched
	fetches      []*fetch  // of prefetch
	left         int64     // blocks that may still be prefetched
	packDeadline time.Time // how long prefetch waits for the pack
}

// Range is Len bytes from Off.
type Range struct{ Off, Len int64 }

// attend counts a handle on o; the first begins a session.
func (c *Cache) openHandle(o *object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o.handles++
	if o.handles > 1 || c.closed || !c.warms || !o.plausible() {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &warmup{o: o, cancel: cancel, warmed: make(chan struct{}), left: c.prefetchMost() / c.block,
		history: c.historyOf(o), packDeadline: time.Now().Add(maxPackWait)}
	o.history.Store(s.history)
	c.foreground.touch() // a reader is about to come
	o.warmup = s
	o.refs.Add(1) // the handle has one, so this is not the first
	c.wg.Add(1)
	go s.run(ctx) // ended by end
}

// desert takes a handle off o, and ends the session with the last one.
func (c *Cache) closeHandle(o *object) {
	c.mu.Lock()
	o.handles--
	var s *warmup
	if o.handles == 0 {
		s, o.warmup = o.warmup, nil
	}
	c.mu.Unlock()
	if s != nil {
		s.end()
	}
}

// end drops what the session has begun.
func (s *warmup) end() {
	s.cancel()
	s.mu.Lock()
	drop := s.fetches
	s.ended, s.fetches, s.wanted = true, nil, nil
	s.mu.Unlock()
	slices.Reverse(drop) // those that still wait first, lest they get in
	s.o.dropPrefetches(drop)
}

// run is the session's goroutine.
func (s *warmup) run(ctx context.Context) {
	c := s.o.c
	defer c.wg.Done()
	c.n.sessions.Add(1)
	defer c.n.sessions.Add(-1)
	defer s.o.release()
	s.prefetchPredicted(ctx)
	close(s.warmed)
	if c.options.Learned != nil && c.addWorker() {
		s.o.refs.Add(1)
		go s.publish(ctx) // ended by end
	}
	s.complete(ctx)
}

// prepare gets what will be read, unless it is held: from the pack, or where
// there is none, or none in time, as the prediction tells.
func (s *warmup) prefetchPredicted(ctx context.Context) {
	predicts := s.o.c.options.Predict != nil
	if predicts && s.predictFromCache() {
		return
	}
	answered := make(chan struct{})
	go func() { // awaited below
		defer close(answered)
		if s.o.c.options.Hot != nil {
			s.fetchPack(ctx)
		}
	}()
	if predicts {
		s.predict(ctx, answered)
	}
	<-answered
	s.waitPrefetched(ctx)
}

// await waits for the prefetch to be stored.
func (s *warmup) waitPrefetched(ctx context.Context) {
	s.mu.Lock()
	flights := slices.Clone(s.fetches)
	s.mu.Unlock()
	for _, f := range flights {
		select {
		case <-f.done:
		case <-ctx.Done():
			return
		}
	}
}
