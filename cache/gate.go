package cache

import (
	"container/list"
	"context"
	"math/bits"
	"sync"
)

// gate bounds fetches in number and the memory of their buffers in bytes, over
// all handles together. Demand waits in order of arrival; read-ahead does not
// wait, and leaves a quarter of both to demand.
//
// No deadlock: who holds bytes waits for the Source and the disk alone, never
// for more bytes nor for a reader.
type gate struct {
	slots, bytes int64 // the bounds

	mu                   sync.Mutex // guards all below
	usedSlots, usedBytes int64
	queue                list.List // of *ticket
}

type ticket struct {
	bytes    int64
	admitted chan struct{}
}

func (g *gate) fitsLocked(n int64) bool {
	return g.usedSlots < g.slots && (g.usedBytes+n <= g.bytes || g.usedBytes == 0)
}

func (g *gate) takeLocked(n int64) {
	g.usedSlots++
	g.usedBytes += n
}

// enter waits for a slot and n bytes.
func (g *gate) enter(ctx context.Context, n int64) error {
	g.mu.Lock()
	if g.queue.Len() == 0 && g.fitsLocked(n) {
		g.takeLocked(n)
		g.mu.Unlock()
		return nil
	}
	t := &ticket{bytes: n, admitted: make(chan struct{})}
	e := g.queue.PushBack(t)
	g.mu.Unlock()
	select {
	case <-t.admitted:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-t.admitted: // in the same instant: hand it back
		g.usedSlots--
		g.usedBytes -= n
	default:
		g.queue.Remove(e)
	}
	g.admitLocked()
	return ctx.Err()
}

// tryEnter is for read-ahead.
func (g *gate) tryEnter(n int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.queue.Len() > 0 || g.usedSlots >= g.slots-g.slots/4 || g.usedBytes+n > g.bytes-g.bytes/4 || !g.fitsLocked(n) {
		return false
	}
	g.takeLocked(n)
	return true
}

// leave gives back a slot.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.usedSlots--
	g.admitLocked()
}

// free gives back n bytes.
func (g *gate) free(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.usedBytes -= n
	g.admitLocked()
}

func (g *gate) admitLocked() {
	for e := g.queue.Front(); e != nil; e = g.queue.Front() {
		t := e.Value.(*ticket)
		if !g.fitsLocked(t.bytes) {
			return
		}
		g.takeLocked(t.bytes)
		g.queue.Remove(e)
		close(t.admitted)
	}
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
