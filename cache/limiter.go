package cache

import (
	"container/list"
	"context"
	"math/bits"
	"sync"
)

// limiter bounds the number of requests and the bytes of their buffers, over all handles.
// Demand waits in order of arrival. Prefetch waits behind demand and gets at most half of the
// requests, and never more than maxPrefetchRequests. Read-ahead does not wait. Prefetch and
// read-ahead leave a quarter of both bounds to demand.
//
// There is no deadlock: a fetch that holds bytes waits only for the Source and the disk.
type limiter struct {
	maxSlots, maxBytes int64

	mu            sync.Mutex // guards the fields below
	slots, bytes  int64      // in use
	prefetchSlots int64      // slots used by prefetch
	demandQueue   list.List  // of *admission
	prefetchQueue list.List  // of *admission
}

// maxPrefetchRequests is the maximum number of prefetch requests in flight.
const maxPrefetchRequests = 16

// priority is the reason for a fetch, which determines its order.
type priority int

const (
	demand     priority = iota // a reader is waiting
	prefetch                   // a reader is expected to ask for exactly this
	readAhead                  // a sequential reader is approaching
	background                 // completion
)

// admission is an entry in one of the limiter's queues.
type admission struct {
	bytes    int64
	prefetch bool // guarded by limiter.mu
	admitted chan struct{}
	element  *list.Element // guarded by limiter.mu
}

// pending reports whether a is still in a queue.
func (a *admission) pending() bool {
	select {
	case <-a.admitted:
		return false
	default:
		return true
	}
}

// fitsLocked reports whether a request for n bytes may start.
func (l *limiter) fitsLocked(n int64) bool {
	return l.slots < l.maxSlots && (l.bytes+n <= l.maxBytes || l.bytes == 0)
}

// fitsBesideDemandLocked is fitsLocked for a request that must leave room for demand.
func (l *limiter) fitsBesideDemandLocked(n int64) bool {
	return l.demandQueue.Len() == 0 && l.slots < l.maxSlots-l.maxSlots/4 && l.bytes+n <= l.maxBytes-l.maxBytes/4 && l.fitsLocked(n)
}

// prefetchFitsLocked is fitsBesideDemandLocked for prefetch. However small the bounds are, one
// prefetch may start if no other request is in flight.
func (l *limiter) prefetchFitsLocked(n int64) bool {
	if l.slots == 0 && l.demandQueue.Len() == 0 {
		return l.fitsLocked(n)
	}
	return l.prefetchSlots < min(maxPrefetchRequests, l.maxSlots/2) && l.fitsBesideDemandLocked(n)
}

// halfFree reports whether half of the bytes are free and no request is waiting.
func (l *limiter) halfFree() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.demandQueue.Len()+l.prefetchQueue.Len() == 0 && l.bytes <= l.maxBytes/2
}

// enqueue queues a request for n bytes. The caller must then call wait.
func (l *limiter) enqueue(n int64, prefetch bool) *admission {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := &admission{bytes: n, prefetch: prefetch, admitted: make(chan struct{})}
	a.element = l.queueLocked(a).PushBack(a)
	l.admitLocked()
	return a
}

// wait waits until a is admitted. The caller must then call releaseSlot and free. If ctx is
// done first, wait returns its error and releases what was admitted.
func (l *limiter) wait(ctx context.Context, a *admission) error {
	select {
	case <-a.admitted:
		if ctx.Err() == nil {
			return nil
		}
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.pending() {
		l.queueLocked(a).Remove(a.element)
	} else {
		l.bytes -= a.bytes
		l.releaseSlotLocked(a)
	}
	l.admitLocked()
	return ctx.Err()
}

func (l *limiter) queueLocked(a *admission) *list.List {
	if a.prefetch {
		return &l.prefetchQueue
	}
	return &l.demandQueue
}

// promote turns a queued prefetch into demand.
func (l *limiter) promote(a *admission) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !a.prefetch || !a.pending() {
		return
	}
	l.prefetchQueue.Remove(a.element)
	a.element = l.demandQueue.PushBack(a)
	a.prefetch = false
	l.admitLocked()
}

// tryAcquire takes a slot and n bytes if that leaves room for demand. It does not wait.
func (l *limiter) tryAcquire(n int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.fitsBesideDemandLocked(n) {
		return false
	}
	l.slots++
	l.bytes += n
	return true
}

// releaseSlot releases the slot of a or, if a is nil, a slot taken by tryAcquire.
func (l *limiter) releaseSlot(a *admission) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.releaseSlotLocked(a)
	l.admitLocked()
}

func (l *limiter) releaseSlotLocked(a *admission) {
	l.slots--
	if a != nil && a.prefetch {
		l.prefetchSlots--
	}
}

// charge accounts for n bytes that are already in use.
func (l *limiter) charge(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes += n
}

func (l *limiter) free(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes -= n
	l.admitLocked()
}

func (l *limiter) admitLocked() {
	for e := l.demandQueue.Front(); e != nil && l.fitsLocked(e.Value.(*admission).bytes); e = l.demandQueue.Front() {
		l.admitFrontLocked(&l.demandQueue)
	}
	for e := l.prefetchQueue.Front(); e != nil && l.prefetchFitsLocked(e.Value.(*admission).bytes); e = l.prefetchQueue.Front() {
		l.prefetchSlots++
		l.admitFrontLocked(&l.prefetchQueue)
	}
}

func (l *limiter) admitFrontLocked(queue *list.List) {
	a := queue.Remove(queue.Front()).(*admission)
	l.slots++
	l.bytes += a.bytes
	close(a.admitted)
}

// gauges returns the number of queued prefetches and the number of bytes in use.
func (l *limiter) gauges() (queued, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(l.prefetchQueue.Len()), l.bytes
}

// bufferPool pools buffers of 1, 2, 4, … blocks. The limiter counts a buffer by its capacity.
type bufferPool struct {
	block int64
	pools [16]sync.Pool
}

// sizeClass returns the pool for buffers of n bytes.
func (b *bufferPool) sizeClass(n int64) int { return bits.Len64(uint64((n+b.block-1)/b.block - 1)) }

// capacity returns the capacity of a buffer of n bytes.
func (b *bufferPool) capacity(n int64) int64 { return b.block << b.sizeClass(n) }

func (b *bufferPool) get(n int64) []byte {
	if p, ok := b.pools[b.sizeClass(n)].Get().(*[]byte); ok {
		return (*p)[:n]
	}
	return make([]byte, n, b.capacity(n))
}

func (b *bufferPool) put(buf []byte) { b.pools[b.sizeClass(int64(cap(buf)))].Put(&buf) }
