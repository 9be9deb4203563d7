package corpus

import (
	"slices"
	"sync"
	"sync/atomic"
)

// maxQueue is the maximum number of queued changes. If there are more, a single Change that stands
// for everything replaces them. emit must not wait for a subscriber, since that may be waiting for
// the kernel, which in turn may be waiting for the caller of emit.
const maxQueue = 4096

// events passes changes to subscribers, in order, from one goroutine.
type events struct {
	generation atomic.Uint64

	mu          sync.Mutex // guards the fields below
	subscribers []*subscriber
	queue       []Change
	closed      bool
	wake        chan struct{} // holds one token if queue may be non-empty or closed is set

	done chan struct{} // closed when the goroutine has ended
}

type subscriber struct {
	mu sync.Mutex     // held during a call of fn
	fn func([]Change) // nil once canceled
}

func newEvents() *events {
	e := &events{wake: make(chan struct{}, 1), done: make(chan struct{})}
	go e.run() // stopped by close
	return e
}

// Subscribe calls fn with every change from now on, in order, from a single goroutine, with no
// lock held that a method of the Corpus takes; fn may call all of them except Close. cancel waits
// for a call of fn that has begun, and fn is not called again. fn must not call its own cancel.
func (c *base) Subscribe(fn func([]Change)) (cancel func()) {
	e, s := c.events, &subscriber{fn: fn}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.subscribers = append(e.subscribers, s)
	return func() { e.unsubscribe(s) }
}

func (e *events) unsubscribe(s *subscriber) {
	e.mu.Lock()
	// run may still be using the old slice.
	e.subscribers = slices.DeleteFunc(slices.Clone(e.subscribers), func(have *subscriber) bool { return have == s })
	e.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fn = nil
}

// emit queues changes. It never waits.
func (e *events) emit(changes ...Change) {
	if len(changes) == 0 {
		return
	}
	e.generation.Add(1)
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.subscribers) == 0 || e.closed {
		return
	}
	if len(e.queue)+len(changes) > maxQueue {
		e.queue, changes = nil, []Change{{}}
	}
	e.queue = append(e.queue, changes...)
	e.signalLocked()
}

func (e *events) signalLocked() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *events) close() {
	e.mu.Lock()
	e.closed = true
	e.signalLocked()
	e.mu.Unlock()
	<-e.done
}

func (e *events) run() {
	defer close(e.done)
	for range e.wake {
		e.mu.Lock()
		changes, subscribers, closed := e.queue, e.subscribers, e.closed
		e.queue = nil
		e.mu.Unlock()
		if closed {
			return
		}
		if len(changes) == 0 {
			continue
		}
		for _, s := range subscribers {
			s.call(changes)
		}
	}
}

func (s *subscriber) call(changes []Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fn != nil {
		s.fn(changes)
	}
}
