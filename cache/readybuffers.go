package cache

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// readyFor is how long read-ahead stays in memory after it is stored.
const readyFor = time.Second

// readyBuffers keeps the buffers of stored read-ahead, so that the reader it was fetched for
// need not read it from disk and verify it. They take at most half of the limiter's bytes, and
// are released as soon as a request has to wait.
type readyBuffers struct {
	limiter *limiter
	maxAge  time.Duration

	mu     sync.Mutex // guards timers; a leaf
	timers map[*fetch]*time.Timer
}

// add keeps the buffer of a stored fetch if there is memory for it and readers have not yet
// received all of it. If add returns false, the caller must forget the fetch; otherwise r has
// taken over the caller's use of the buffer.
func (r *readyBuffers) add(f *fetch) bool {
	if f.why != readAhead || !r.limiter.halfFree() {
		return false
	}
	f.o.mu.Lock()
	f.ready = f.prefetchers > 0 && f.unread > 0
	ready := f.ready
	f.o.mu.Unlock()
	if !ready {
		return false
	}
	r.mu.Lock()
	r.timers[f] = time.AfterFunc(r.maxAge, f.endReady)
	r.mu.Unlock()
	f.o.mu.Lock()
	ready = f.ready
	f.o.mu.Unlock()
	if !ready || !r.limiter.halfFree() { // changed since the first check
		f.endReady()
	}
	return true
}

// releaseAll releases all buffers, and reports whether there were any.
func (r *readyBuffers) releaseAll() bool {
	r.mu.Lock()
	all := slices.Collect(maps.Keys(r.timers))
	r.mu.Unlock()
	for _, f := range all {
		f.endReady()
	}
	return len(all) > 0
}

// endReady forgets a fetch whose buffer is kept. It does nothing for any other fetch.
func (f *fetch) endReady() {
	f.o.mu.Lock()
	wasReady := f.ready
	if f.ready = false; wasReady {
		f.o.forgetLocked(f)
	}
	f.o.mu.Unlock()
	r := &f.o.c.ready
	r.mu.Lock()
	if t := r.timers[f]; t != nil {
		t.Stop()
		delete(r.timers, f)
	}
	r.mu.Unlock()
	if wasReady {
		f.releaseBuffer()
	}
}

// endLoan ends a loan of the buffer. A buffer that has been read to the end is not kept.
func (f *fetch) endLoan() {
	f.o.mu.Lock()
	read := f.unread <= 0
	f.o.mu.Unlock()
	if read {
		f.endReady()
	}
	f.releaseBuffer()
}
