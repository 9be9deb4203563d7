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
type session struct {
	o      *object
	cancel context.CancelFunc
	warm   chan struct{} // closed when pack and prefetch are there or given up
	lesson *lesson
	packed atomic.Bool // the pack has come

	mu      sync.Mutex // guards all below; taken before object.mu
	over    bool
	wanted  []Range   // predicted, not begun to be fetched
	flights []*flight // of prefetch
	left    int64     // blocks that may still be prefetched
	until   time.Time // how long prefetch waits for the pack
}

// Range is Len bytes from Off.
type Range struct{ Off, Len int64 }

// attend counts a handle on o; the first begins a session.
func (c *Cache) attend(o *object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o.handles++
	if o.handles > 1 || c.closed || !c.attends || !o.plausible() {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &session{o: o, cancel: cancel, warm: make(chan struct{}), left: c.prefetchMost() / c.block,
		lesson: c.lesson(o), until: time.Now().Add(mostPatience)}
	o.lesson.Store(s.lesson)
	c.others.touch() // a reader is about to come
	o.session = s
	o.refs.Add(1) // the handle has one, so this is not the first
	c.wg.Add(1)
	go s.run(ctx) // ended by end
}

// desert takes a handle off o, and ends the session with the last one.
func (c *Cache) desert(o *object) {
	c.mu.Lock()
	o.handles--
	var s *session
	if o.handles == 0 {
		s, o.session = o.session, nil
	}
	c.mu.Unlock()
	if s != nil {
		s.end()
	}
}

// end drops what the session has begun.
func (s *session) end() {
	s.cancel()
	s.mu.Lock()
	drop := s.flights
	s.over, s.flights, s.wanted = true, nil, nil
	s.mu.Unlock()
	slices.Reverse(drop) // those that still wait first, lest they get in
	s.o.dropAhead(drop)
}

// run is the session's goroutine.
func (s *session) run(ctx context.Context) {
	c := s.o.c
	defer c.wg.Done()
	c.n.sessions.Add(1)
	defer c.n.sessions.Add(-1)
	defer s.o.release()
	s.prepare(ctx)
	close(s.warm)
	if c.options.Learned != nil && c.begin() {
		s.o.refs.Add(1)
		go s.attendLesson(ctx) // ended by end
	}
	s.finish(ctx)
}

// prepare gets what will be read, unless it is held: from the pack, or where
// there is none, or none in time, as the prediction tells.
func (s *session) prepare(ctx context.Context) {
	predicts := s.o.c.options.Predict != nil
	if predicts && s.rehearse() {
		return
	}
	answered := make(chan struct{})
	go func() { // awaited below
		defer close(answered)
		if s.o.c.options.Hot != nil {
			s.hot(ctx)
		}
	}()
	if predicts {
		s.predict(ctx, answered)
	}
	<-answered
	s.await(ctx)
}

// await waits for the prefetch to be stored.
func (s *session) await(ctx context.Context) {
	s.mu.Lock()
	flights := slices.Clone(s.flights)
	s.mu.Unlock()
	for _, f := range flights {
		select {
		case <-f.done:
		case <-ctx.Done():
			return
		}
	}
}
