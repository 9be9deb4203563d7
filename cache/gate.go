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
type gate struct {
	slots, bytes int64 // the bounds

	mu                   sync.Mutex // guards all below
	usedSlots, usedBytes int64
	lowSlots             int64     // of usedSlots, those of prefetch
	queue, low           list.List // of *ticket: demand, prefetch
}

// maxPrefetch bounds the requests of prefetch under way.
const maxPrefetch = 16

// class is why blocks are fetched, and with that who goes first.
type class int

const (
	demand     class = iota // a reader waits
	prefetch                // a reader is expected to ask for just this
	ahead                   // a reader comes this way; has passed the gate already
	background              // completion; has passed the gate already
)

// ticket is a place in one of the gate's queues.
type ticket struct {
	bytes    int64
	low      bool // prefetch; guarded by gate.mu
	admitted chan struct{}
	place    *list.Element // guarded by gate.mu
}

// waits reports whether t has not been admitted.
func (t *ticket) waits() bool {
	select {
	case <-t.admitted:
		return false
	default:
		return true
	}
}

func newTicket(n int64, low bool) *ticket {
	return &ticket{bytes: n, low: low, admitted: make(chan struct{})}
}

// fitsLocked reports whether a request for n bytes may begin.
func (g *gate) fitsLocked(n int64) bool {
	return g.usedSlots < g.slots && (g.usedBytes+n <= g.bytes || g.usedBytes == 0)
}

// spareLocked reports whether it may without touching what is left to demand.
func (g *gate) spareLocked(n int64) bool {
	return g.queue.Len() == 0 && g.usedSlots < g.slots-g.slots/4 && g.usedBytes+n <= g.bytes-g.bytes/4 && g.fitsLocked(n)
}

// lowFitsLocked is spareLocked for prefetch, which may always have one request
// when nothing else is under way, however small the bounds.
func (g *gate) lowFitsLocked(n int64) bool {
	if g.usedSlots == 0 && g.queue.Len() == 0 {
		return g.fitsLocked(n)
	}
	return g.lowSlots < min(maxPrefetch, g.slots/2) && g.spareLocked(n)
}

// roomy reports whether half of the bytes are free and nobody waits.
func (g *gate) roomy() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.queue.Len()+g.low.Len() == 0 && g.usedBytes <= g.bytes/2
}

func (g *gate) takeLocked(n int64) {
	g.usedSlots++
	g.usedBytes += n
}

// enter waits for a slot and n bytes, as demand.
func (g *gate) enter(ctx context.Context, n int64) error {
	t := newTicket(n, false)
	g.line(t)
	return g.await(ctx, t)
}

// line puts t in the queue of its class; await is to follow.
func (g *gate) line(t *ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t.place = g.lineLocked(t).PushBack(t)
	g.admitLocked()
}

// await waits until t is admitted. Whoever got in leaves with t's class.
func (g *gate) await(ctx context.Context, t *ticket) error {
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
		g.leaveLocked(t)
	default:
		g.lineLocked(t).Remove(t.place)
	}
	g.admitLocked()
	return ctx.Err()
}

func (g *gate) lineLocked(t *ticket) *list.List {
	if t.low {
		return &g.low
	}
	return &g.queue
}

// promote makes demand of prefetch that has not begun.
func (g *gate) promote(t *ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !t.low || !t.waits() {
		return
	}
	g.low.Remove(t.place)
	t.place = g.queue.PushBack(t)
	t.low = false
	g.admitLocked()
}

// tryEnter is for read-ahead.
func (g *gate) tryEnter(n int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.spareLocked(n) {
		return false
	}
	g.takeLocked(n)
	return true
}

// leave gives back a slot; leaveAs that of t.
func (g *gate) leave() { g.leaveAs(nil) }

func (g *gate) leaveAs(t *ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leaveLocked(t)
	g.admitLocked()
}

func (g *gate) leaveLocked(t *ticket) {
	g.usedSlots--
	if t != nil && t.low {
		g.lowSlots--
	}
}

// charge takes n bytes that are there already.
func (g *gate) charge(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.usedBytes += n
}

// free gives back n bytes.
func (g *gate) free(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.usedBytes -= n
	g.admitLocked()
}

func (g *gate) admitLocked() {
	for e := g.queue.Front(); e != nil && g.fitsLocked(e.Value.(*ticket).bytes); e = g.queue.Front() {
		g.letInLocked(&g.queue, e)
	}
	for e := g.low.Front(); e != nil && g.lowFitsLocked(e.Value.(*ticket).bytes); e = g.low.Front() {
		g.lowSlots++
		g.letInLocked(&g.low, e)
	}
}

func (g *gate) letInLocked(line *list.List, e *list.Element) {
	t := line.Remove(e).(*ticket)
	g.takeLocked(t.bytes)
	close(t.admitted)
}

// queued is how much prefetch waits.
func (g *gate) queued() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int64(g.low.Len())
}

func (g *gate) buffered() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.usedBytes
}

// buffers are pools of buffers of 1, 2, 4, … blocks. They are accounted for at
// the gate, by their capacity.
type buffers struct {
	block int64
	pools [16]sync.Pool
}

// class returns the pool for n bytes, and the capacity of its buffers.
func (b *buffers) class(n int64) (int, int64) {
	c := bits.Len64(uint64((n+b.block-1)/b.block - 1))
	return c, b.block << c
}

func (b *buffers) get(n int64) []byte {
	c, size := b.class(n)
	if p, ok := b.pools[c].Get().(*[]byte); ok {
		return (*p)[:n]
	}
	return make([]byte, n, size)
}

func (b *buffers) put(buf []byte) {
	c, _ := b.class(int64(cap(buf)))
	b.pools[c].Put(&buf)
}
