package cache

import (
	"context"
	"time"
)

// flight is one range request under way: a run of blocks, fetched once whoever
// asks. It belongs to the cache, not to the reader who began it: it has its own
// context and lives while anybody is interested. When the last one leaves, its
// blocks are forgotten, so that the next to ask begins anew, and then it is
// cancelled.
//
// Readers leave the address of their buffer. The flight fills it, so that its
// own buffer does not depend on how quickly anybody fetches from it; then it
// stores the blocks, out of the readers' way.
type fetch struct {
	o      *object
	span   span
	why    priority
	cancel context.CancelFunc

	// All below is guarded by o.mu.
	state       fetchState
	err         error // why it failed
	waiters     map[*waiter]struct{}
	prefetchers int           // handles and sessions that want it as read-ahead or prefetch
	buf         []byte        // set while landed, and until the last user has let go
	users       int           // of buf; the last one frees it
	unread      int64         // bytes of buf that nobody has had yet
	ready       bool          // stored, and kept for who comes this way; see spares
	admission   *admission    // at the gate; nil for read-ahead
	times       times         // set when it lands
	done        chan struct{} // closed at the end of its goroutine, the blocks stored or not
}

type fetchState int

const (
	fetching fetchState = iota // not all there yet
	filled                     // buf is filled, being stored
	ended                      // forgotten
)

// waiter is a reader's interest in a flight. The flight writes to p until it
// has sent to done.
type waiter struct {
	f    *fetch
	p    []byte
	off  int64 // of p in the object
	done chan error
}

// part returns the part of w.p that the flight covers, and its offset in the
// object.
func (w *waiter) part() (dst []byte, off int64) {
	o, s := w.f.o, w.f.span
	begin := s.first * o.block
	lo, hi := max(w.off, begin), min(w.off+int64(len(w.p)), begin+o.bytes(s.first, s.n))
	return w.p[lo-w.off : hi-w.off], lo
}

// length is that of the part.
func (w *waiter) length() int64 {
	dst, _ := w.part()
	return int64(len(dst))
}

// copyFrom fills that part.
func (w *waiter) copyFrom(buf []byte) {
	dst, off := w.part()
	copy(dst, buf[off-w.f.span.first*w.f.o.block:])
}

// ask joins or begins the flights for missing. What has landed already is
// copied at once. What demand joins is demand from then on.
func (o *object) startFetches(p []byte, off int64, missing []span, why priority) ([]*waiter, error) {
	o.mu.Lock()
	var waits, ready []*waiter
	var begun error
	last := (*fetch)(nil)
	for _, s := range o.splitLocked(missing) {
		f := o.fetches[s.first]
		if f == nil {
			if f, begun = o.startLocked(s, why); begun != nil {
				break
			}
		}
		if f == last {
			continue
		}
		last = f
		w := &waiter{f: f, p: p, off: off, done: make(chan error, 1)}
		if f.state == filled {
			f.users++
			f.unread -= w.length()
			ready = append(ready, w)
			continue
		}
		if why == demand {
			o.raiseLocked(f, s)
		}
		f.waiters[w] = struct{}{}
		waits = append(waits, w)
	}
	o.mu.Unlock()
	for _, w := range ready {
		w.copyFrom(w.f.buf)
		w.f.releaseBuffer()
	}
	if begun != nil {
		o.stopWaiting(waits)
	}
	return waits, begun
}

// joinLocked makes demand of a flight, of which a reader wants s.
func (o *object) raiseLocked(f *fetch, s span) {
	if f.why != prefetch {
		return
	}
	o.c.limiter.promote(f.admission)
	for b := s.first; b < s.first+s.n; b++ {
		o.countUse(b, true)
	}
}

// cutLocked cuts spans where a flight begins or ends.
func (o *object) splitLocked(spans []span) (cut []span) {
	for _, s := range spans {
		var before *fetch
		for b := s.first; b < s.first+s.n; b++ {
			f := o.fetches[b]
			if b == s.first || f != before {
				cut = append(cut, span{b, 0})
			}
			cut[len(cut)-1].n++
			before = f
		}
	}
	return cut
}

// beginLocked starts a flight, which ends by itself, when nobody waits for it
// any more, or with the cache. A flight of read-ahead has passed the gate.
func (o *object) startLocked(s span, why priority) (*fetch, error) {
	if !o.c.addWorker() {
		return nil, errClosed
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &fetch{o: o, span: s, why: why, cancel: cancel, waiters: map[*waiter]struct{}{}, done: make(chan struct{})}
	if why == demand || why == prefetch {
		_, n := o.c.buffers.sizeClass(o.bytes(s.first, s.n))
		f.admission = newAdmission(n, why == prefetch)
		o.c.limiter.enqueue(f.admission)
	}
	for b := s.first; b < s.first+s.n; b++ {
		o.fetches[b] = f
	}
	if why == prefetch {
		o.markPredicted(s)
	}
	o.refs.Add(1) // the caller has one, so this is not the first
	go f.run(ctx)
	return f, nil
}

// wait returns nil when all waiters have been served, and at once when ctx
// ends; else how many bytes from off on are right.
func (o *object) wait(ctx context.Context, waits []*waiter, off int64) (int, error) {
	trace := traceOf(ctx)
	for i, w := range waits {
		select {
		case err := <-w.done:
			trace.record(w.f, err)
			if err != nil {
				o.stopWaiting(waits[i+1:])
				return int(max(0, w.f.span.first*o.block-off)), err
			}
		case <-ctx.Done():
			trace.abandon(len(waits) - i)
			o.stopWaiting(waits[i:])
			return 0, ctx.Err()
		}
	}
	return 0, nil
}

// leave gives up waiting. When it returns nothing writes to the buffer.
func (o *object) stopWaiting(waits []*waiter) {
	for _, w := range waits {
		o.mu.Lock()
		_, waiting := w.f.waiters[w]
		delete(w.f.waiters, w)
		idle := waiting && o.abandonLocked(w.f)
		o.mu.Unlock()
		if idle {
			w.f.cancel()
		}
		if !waiting {
			<-w.done
		}
	}
}

// dropAhead takes a handle's interest off its read-ahead.
func (o *object) dropPrefetches(flights []*fetch) {
	for _, f := range flights {
		o.mu.Lock()
		f.prefetchers--
		idle := o.abandonLocked(f)
		spare := f.prefetchers == 0 && f.endReadyLocked()
		o.mu.Unlock()
		if spare {
			f.afterReady(true)
		}
		if idle {
			f.cancel()
		}
	}
}

// abandonLocked forgets a flight that nobody waits for; the caller cancels it.
func (o *object) abandonLocked(f *fetch) bool {
	if f.state != fetching || len(f.waiters) > 0 || f.prefetchers > 0 {
		return false
	}
	o.forgetLocked(f)
	return true
}

func (o *object) forgetLocked(f *fetch) {
	f.state = ended
	for b := f.span.first; b < f.span.first+f.span.n; b++ {
		if o.fetches[b] == f {
			delete(o.fetches, b)
		}
	}
}

// run is the flight's goroutine.
func (f *fetch) run(ctx context.Context) {
	o, c := f.o, f.o.c
	defer c.wg.Done()
	defer close(f.done)
	c.n.inFlight.Add(1)
	defer c.n.inFlight.Add(-1)
	if f.why != background {
		c.foreground.begin()
		defer c.foreground.end()
	}
	defer o.release()
	defer f.cancel()
	begun := time.Now()
	if f.admission != nil {
		if f.admission.pending() {
			c.readyBuffers.releaseAll()
		}
		if err := c.limiter.wait(ctx, f.admission); err != nil {
			f.fail(ctx, err)
			return
		}
	}
	queued := time.Since(begun)
	buf := c.buffers.get(o.bytes(f.span.first, f.span.n))
	buf, local, err := f.fill(ctx, buf)
	c.limiter.releaseSlotOf(f.admission)
	if err != nil {
		c.freeBuffer(buf)
		f.fail(ctx, err)
		return
	}
	if !f.deliver(buf, queued, time.Since(begun)-queued) {
		c.freeBuffer(buf)
		return
	}
	if !local {
		f.store(ctx, buf)
	}
	if c.readyBuffers.add(f) {
		return
	}
	o.mu.Lock()
	o.forgetLocked(f)
	o.mu.Unlock()
	f.releaseBuffer()
}

// fill gets the blocks into buf, or a buffer in its stead: from the disk if they
// have come there since the reader looked, by another flight or another process.
// Completion looks for full blocks right before, and takes no others.
func (f *fetch) fill(ctx context.Context, buf []byte) (filled []byte, local bool, err error) {
	if f.why != background && f.fillLocally(buf) {
		return buf, true, nil
	}
	filled, err = f.hedgedRequest(ctx, buf)
	return filled, false, err
}

func (f *fetch) fillLocally(buf []byte) bool {
	o, d := f.o, f.o.c.disk
	pair := d.openFile(o)
	if pair != nil {
		defer d.files.release(pair)
	}
	for i := range f.span.n {
		b := f.span.first + i
		dst := buf[i*o.block:][:o.length(b)]
		if !o.c.memory.read(&o.version, b, dst, 0) && (pair == nil || !d.read(o, pair, b, dst, 0)) {
			return false
		}
	}
	return true
}

// fail tells those who wait, after the blocks are forgotten. If it was cancelled
// while somebody waits, that was the cache's Close.
func (f *fetch) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		err = errClosed
	}
	f.o.mu.Lock()
	waiters := f.waiters
	f.waiters, f.err = nil, err
	f.o.forgetLocked(f)
	if f.why == prefetch {
		f.o.unmarkPredicted(f.span)
	}
	f.o.mu.Unlock()
	for w := range waiters {
		w.done <- err
	}
}

// failure is why a flight that is done failed, or nil.
func (f *fetch) failure() error {
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	return f.err
}

// land serves those who wait; false: there was nobody left.
func (f *fetch) deliver(buf []byte, queued, fetched time.Duration) bool {
	f.o.mu.Lock()
	f.times.queued, f.times.fetched = queued, max(fetched, 1)
	if f.state == ended {
		if f.why == prefetch {
			f.o.unmarkPredicted(f.span)
		}
		f.o.mu.Unlock()
		return false
	}
	waiters := f.waiters
	f.waiters, f.state, f.buf, f.users, f.unread = nil, filled, buf, 1, int64(len(buf))
	for w := range waiters {
		f.unread -= w.length()
	}
	f.o.mu.Unlock()
	for w := range waiters {
		w.copyFrom(buf)
		w.done <- nil
	}
	return true
}

// keep puts the blocks on disk, or where the disk does not take them in memory.
func (f *fetch) store(ctx context.Context, buf []byte) {
	c := f.o.c
	if err := c.disk.store(ctx, f.o, f.span.first, buf); err != nil {
		c.memory.add(&f.o.version, f.span.first, buf)
	}
}

// letGo ends one use of the buffer.
func (f *fetch) releaseBuffer() {
	f.o.mu.Lock()
	f.users--
	var free []byte
	if f.users == 0 {
		free, f.buf = f.buf, nil // who remembers the flight does not hold on to its buffer
	}
	f.o.mu.Unlock()
	if free != nil {
		f.o.c.freeBuffer(free)
	}
}
