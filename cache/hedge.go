package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"thothfs/store"
)

// stalledAfter is the least time after which a request counts as stalled.
const stalledAfter = 1500 * time.Millisecond

// latencies are those of the last requests that succeeded.
type latencies struct {
	mu   sync.Mutex // guards all below
	last [128]time.Duration
	n    int
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[l.n%len(l.last)] = d
	l.n++
}

// stalled is after how long a request is made a second time: when it has taken
// twice as long as half of the last ones did, and stalledAfter at least. Half of
// them, so that those which stalled do not pass for what is usual.
func (l *latencies) stalled() time.Duration {
	l.mu.Lock()
	last := slices.Clone(l.last[:min(l.n, len(l.last))])
	l.mu.Unlock()
	if len(last) < 16 {
		return stalledAfter
	}
	slices.Sort(last)
	return max(stalledAfter, 2*last[len(last)/2])
}

// hedge is a second request for what a first one does not bring in time. The
// one that answers first wins, and the other is cancelled.
type hedge struct {
	f       *fetch
	giveUp  context.CancelFunc // ends the first request
	started chan struct{}      // holds an element once, and if, the second has begun
	ended   chan struct{}      // closed when it has ended

	mu      sync.Mutex // guards all below
	settled bool       // nobody waits for the second
	buf     []byte     // what it brought, when it won
}

// fetch reads the run from the Source into buf, or into another buffer that it
// returns in its stead: then buf is freed. Errors pass through as they are and
// are not remembered; a short answer is an error.
func (f *fetch) hedgedRequest(ctx context.Context, buf []byte) ([]byte, error) {
	c := f.o.c
	first, giveUp := context.WithCancel(ctx)
	defer giveUp()
	second, stop := context.WithCancel(ctx)
	defer stop()
	h := &hedge{f: f, giveUp: giveUp, started: make(chan struct{}, 1), ended: make(chan struct{})}
	timer := time.AfterFunc(c.latencies.stalled(), func() { h.run(second, len(buf)) })
	err := f.request(first, buf)
	timer.Stop()
	if err != nil && ctx.Err() == nil {
		h.wait()
	}
	better := h.settle()
	if err != nil && better != nil {
		c.freeBuffer(buf)
		c.n.hedgesWon.Add(1)
		return better, nil
	}
	if better != nil {
		c.freeBuffer(better)
	}
	return buf, err
}

// run is the second request, in a goroutine of its own that ends with the
// request or with the flight.
func (h *hedge) run(ctx context.Context, size int) {
	c := h.f.o.c
	h.mu.Lock()
	if h.settled || !c.addWorker() {
		h.mu.Unlock()
		return
	}
	h.started <- struct{}{}
	h.mu.Unlock()
	defer c.wg.Done()
	defer close(h.ended)
	_, n := c.buffers.sizeClass(int64(size))
	if !c.limiter.tryAcquire(n) {
		return // the link has enough to do
	}
	c.n.hedges.Add(1)
	h.f.o.mu.Lock()
	h.f.times.hedged = true
	h.f.o.mu.Unlock()
	buf := c.buffers.get(int64(size))
	err := h.f.request(ctx, buf)
	c.limiter.releaseSlot()
	h.mu.Lock()
	if err == nil && !h.settled {
		h.buf, buf = buf, nil
	}
	h.mu.Unlock()
	if buf != nil {
		c.freeBuffer(buf)
		return
	}
	h.giveUp()
}

// wait waits for the second request if there is one.
func (h *hedge) wait() {
	select {
	case <-h.started:
		<-h.ended
	default:
	}
}

// settle ends the hedging and returns what the second request brought.
func (h *hedge) settle() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settled = true
	return h.buf
}

// request asks the Source once.
func (f *fetch) request(ctx context.Context, buf []byte) error {
	o, c := f.o, f.o.c
	c.n.fetches.Add(1)
	begun := time.Now()
	off := f.span.first * o.block
	got, err := c.source.ReadAt(ctx, o.ref, buf, off)
	c.n.bytesFetched.Add(int64(max(0, got)))
	if got == len(buf) && (err == nil || errors.Is(err, io.EOF)) {
		c.latencies.add(time.Since(begun))
		return nil
	}
	c.n.fetchErrors.Add(1)
	if err == nil || errors.Is(err, io.EOF) {
		short := fmt.Errorf("%d of %d bytes at offset %d", got, len(buf), off)
		return &store.Error{Op: "read", Key: o.ref.Key, Kind: store.ErrCorrupt, Err: short}
	}
	return err
}
