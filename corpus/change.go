package corpus

import (
	"sync"
	"sync/atomic"
)

// maxQueue is how many changes wait for subscribers before they are summed up in
// one: a producer never waits for a subscriber, which may be waiting for the
// kernel, which may be waiting for the producer.
const maxQueue = 4096

// events hands changes to subscribers, in order, from one goroutine.
type events struct {
	generation atomic.Uint64

	mu          sync.Mutex // guards what follows
	subscribers []*subscriber
	queue       []Change
	closed      bool
	wake        chan struct{} // holds one token when there is something to do

	done chan struct{} // closed when the goroutine has ended
}

type subscriber struct{ fn func([]Change) }

func newEvents() *events {
	e := &events{wake: make(chan struct{}, 1), done: make(chan struct{})}
	go e.run() // ended by close
	return e
}

// Subscribe has fn called with every change from now on: in order, from one
// goroutine, with no lock held. fn may call the Corpus, but not Close it. After
// cancel returns no new call of fn begins.
func (c *base) Subscribe(fn func([]Change)) (cancel func()) {
	e, s := c.events, &subscriber{fn}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.subscribers = append(e.subscribers, s)
	return func() { e.drop(s) }
}

func (e *events) drop(s *subscriber) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var left []*subscriber // a new slice: deliver may be walking the old one
	for _, have := range e.subscribers {
		if have != s {
			left = append(left, have)
		}
	}
	e.subscribers = left
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
			s.fn(changes)
		}
	}
}
