package cache

import (
	"container/list"
	"context"
	"math/bits"
	"sync"
)

// gate bounds fetches in number and the memory of their buffers in bytes, over
// all handles together. Demand waits in order of arrival; prefetch waits behind
// it and has half of the requests at most, 16 of them; read-ahead does not wait,
// and like prefetch leaves a quarter of both bounds to demand.
//
// No deadlock: who holds bytes waits for the Source and the disk alone, never
// for more bytes nor for a reader.
type limiter struct {
	slots, bytes int64 // the bounds

	mu                         sync.Mutex // guards all below
	usedSlots, usedBytes       int64
	prefetchSlots              int64     // of usedSlots, those of prefetch
	demandQueue, prefetchQueue list.List // of *ticket: demand, prefetch
}

// maxPrefetch bounds the requests of prefetch under way.
const maxPrefetchRequests = 16

// class is why blocks are fetched, and with that who goes first.
type priority int

const (
	demand     priority = iota // a reader waits
	prefetch                   // a reader is expected to ask for just this
	readAhead                  // a reader comes this way; has passed the gate already
	background                 // completion; has passed the gate already
)

// ticket is a place in one of the gate's queues.
type admission struct {
	bytes    int64
	prefetch bool // prefetch; guarded by gate.mu
	admitted chan struct{}
	element  *list.Element // guarded by gate.mu
}

// waits reports whether t has not been admitted.
func (t *admission) pending() bool {
	select {
	case <-t.admitted:
		return false
	default:
		return true
	}
}

func newAdmission(n int64, low bool) *admission {
	return &admission{bytes: n, prefetch: low, admitted: make(chan struct{})}
}

// fitsLocked reports whether a request for n bytes may begin.
func (g *limiter) fitsLocked(n int64) bool {
	return g.usedSlots < g.slots && (g.usedBytes+n <= g.bytes || g.usedBytes == 0)
}

// spareLocked reports whether it may without touching what is left to demand.
func (g *limiter) fitsBesideDemandLocked(n int64) bool {
	return g.demandQueue.Len() == 0 && g.usedSlots < g.slots-g.slots/4 && g.usedBytes+n <= g.bytes-g.bytes/4 && g.fitsLocked(n)
}

// lowFitsLocked is spareLocked for prefetch, which may always have one request
// when nothing else is under way, however small the bounds.
func (g *limiter) prefetchFitsLocked(n int64) bool {
	if g.usedSlots == 0 && g.demandQueue.Len() == 0 {
		return g.fitsLocked(n)
	}
	return g.prefetchSlots < min(maxPrefetchRequests, g.slots/2) && g.fitsBesideDemandLocked(n)
}

// roomy reports whether half of the bytes are free and nobody waits.
func (g *limiter) halfFree() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.demandQueue.Len()+g.prefetchQueue.Len() == 0 && g.usedBytes <= g.bytes/2
}

func (g *limiter) takeLocked(n int64) {
	g.usedSlots++
	g.usedBytes += n
}

// enter waits for a slot and n bytes, as demand.
func (g *limiter) acquire(ctx context.Context, n int64) error {
	t := newAdmission(n, false)
	g.enqueue(t)
	return g.wait(ctx, t)
}

// line puts t in the queue of its class; await is to follow.
func (g *limiter) enqueue(t *admission) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t.element = g.queueLocked(t).PushBack(t)
	g.admitLocked()
}

// await waits until t is admitted. Whoever got in leaves with t's class.
func (g *limiter) wait(ctx context.Context, t *admission) error {
	select {
	case <-t.admitted:
		if ctx.Err() == nil {
			return nil
		}
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-t.admitted: // too late: hand it back
		g.usedBytes -= t.bytes
		g.releaseSlotLocked(t)
	default:
		g.queueLocked(t).Remove(t.element)
	}
	g.admitLocked()
	return ctx.Err()
}

func (g *limiter) queueLocked(t *admission) *list.List {
	if t.prefetch {
		return &g.prefetchQueue
	}
	return &g.demandQueue
}

// promote makes demand of prefetch that has not begun.
func (g *limiter) promote(t *admission) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !t.prefetch || !t.pending() {
		return
	}
	g.prefetchQueue.Remove(t.element)
	t.element = g.demandQueue.PushBack(t)
	t.prefetch = false
	g.admitLocked()
}

// tryEnter is for read-ahead.
func (g *limiter) tryAcquire(n int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.fitsBesideDemandLocked(n) {
		return false
	}
	g.takeLocked(n)
	return true
}

// leave gives back a slot; leaveAs that of t.
func (g *limiter) releaseSlot() { g.releaseSlotOf(nil) }

func (g *limiter) releaseSlotOf(t *admission) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.releaseSlotLocked(t)
	g.admitLocked()
}

func (g *limiter) releaseSlotLocked(t *admission) {
	g.usedSlots--
	if t != nil && t.prefetch {
		g.prefetchSlots--
	}
}

// charge takes n bytes that are there already.
func (g *limiter) charge(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.usedBytes += n
}

// free gives back n bytes.
func (g *limiter) free(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.usedBytes -= n
	g.admitLocked()
}

func (g *limiter) admitLocked() {
	for e := g.demandQueue.Front(); e != nil && g.fitsLocked(e.Value.(*admission).bytes); e = g.demandQueue.Front() {
		g.admitOneLocked(&g.demandQueue, e)
	}
	for e := g.prefetchQueue.Front(); e != nil && g.prefetchFitsLocked(e.Value.(*admission).bytes); e = g.prefetchQueue.Front() {
		g.prefetchSlots++
		g.admitOneLocked(&g.prefetchQueue, e)
	}
}

func (g *limiter) admitOneLocked(line *list.List, e *list.Element) {
	t := line.Remove(e).(*admission)
	g.takeLocked(t.bytes)
	close(t.admitted)
}

// queued is how much prefetch waits.
func (g *limiter) prefetchesQueued() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int64(g.prefetchQueue.Len())
}

func (g *limiter) bufferedBytes() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.usedBytes
}

// buffers are pools of buffers of 1, 2, 4, … blocks. They are accounted for at
// the gate, by their capacity.
type bufferPool struct {
	block int64
	pools [16]sync.Pool
}

// class returns the pool for n bytes, and the capacity of its buffers.
func (b *bufferPool) sizeClass(n int64) (int, int64) {
	c := bits.Len64(uint64((n+b.block-1)/b.block - 1))
	return c, b.block << c
}

func (b *bufferPool) get(n int64) []byte {
	c, size := b.sizeClass(n)
	if p, ok := b.pools[c].Get().(*[]byte); ok {
		return (*p)[:n]
	}
	return make([]byte, n, size)
}

func (b *bufferPool) put(buf []byte) {
	c, _ := b.sizeClass(int64(cap(buf)))
	b.pools[c].Put(&buf)
}
