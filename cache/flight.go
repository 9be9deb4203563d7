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
type flight struct {
	o      *object
	span   span
	why    class
	cancel context.CancelFunc

	// All below is guarded by o.mu.
	state   flightState
	err     error // why it failed
	waiters map[*waiter]struct{}
	ahead   int           // handles and sessions that want it as read-ahead or prefetch
	buf     []byte        // set while landed, and until the last user has let go
	users   int           // of buf; the last one frees it
	unread  int64         // bytes of buf that nobody has had yet
	spare   bool          // stored, and kept for who comes this way; see spares
	ticket  *ticket       // at the gate; nil for read-ahead
	times   times         // set when it lands
	done    chan struct{} // closed at the end of its goroutine, the blocks stored or not
}

type flightState int

const (
	flying flightState = iota // not all there yet
	landed                    // buf is filled, being stored
	over                      // forgotten
)

// waiter is a reader's interest in a flight. The flight writes to p until it
// has sent to done.
type waiter struct {
	f    *flight
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
func (o *object) ask(p []byte, off int64, missing []span, why class) ([]*waiter, error) {
	o.mu.Lock()
	var waits, ready []*waiter
	var begun error
	last := (*flight)(nil)
	for _, s := range o.cutLocked(missing) {
		f := o.flights[s.first]
		if f == nil {
			if f, begun = o.beginLocked(s, why); begun != nil {
				break
			}
		}
		if f == last {
			continue
		}
		last = f
		w := &waiter{f: f, p: p, off: off, done: make(chan error, 1)}
		if f.state == landed {
			f.users++
			f.unread -= w.length()
			ready = append(ready, w)
			continue
		}
		if why == demand {
			o.joinLocked(f, s)
		}
		f.waiters[w] = struct{}{}
		waits = append(waits, w)
	}
	o.mu.Unlock()
	for _, w := range ready {
		w.copyFrom(w.f.buf)
		w.f.letGo()
	}
	if begun != nil {
		o.leave(waits)
	}
	return waits, begun
}

// joinLocked makes demand of a flight, of which a reader wants s.
func (o *object) joinLocked(f *flight, s span) {
	if f.why != prefetch {
		return
	}
	o.c.gate.promote(f.ticket)
	for b := s.first; b < s.first+s.n; b++ {
		o.met(b, true)
	}
}

// cutLocked cuts spans where a flight begins or ends.
func (o *object) cutLocked(spans []span) (cut []span) {
	for _, s := range spans {
		var before *flight
		for b := s.first; b < s.first+s.n; b++ {
			f := o.flights[b]
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
func (o *object) beginLocked(s span, why class) (*flight, error) {
	if !o.c.begin() {
		return nil, errShut
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &flight{o: o, span: s, why: why, cancel: cancel, waiters: map[*waiter]struct{}{}, done: make(chan struct{})}
	if why == demand || why == prefetch {
		_, n := o.c.buffers.class(o.bytes(s.first, s.n))
		f.ticket = newTicket(n, why == prefetch)
		o.c.gate.line(f.ticket)
	}
	for b := s.first; b < s.first+s.n; b++ {
		o.flights[b] = f
	}
	if why == prefetch {
		o.foresee(s)
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
			trace.note(w.f, err)
			if err != nil {
				o.leave(waits[i+1:])
				return int(max(0, w.f.span.first*o.block-off)), err
			}
		case <-ctx.Done():
			trace.gaveUp(len(waits) - i)
			o.leave(waits[i:])
			return 0, ctx.Err()
		}
	}
	return 0, nil
}

// leave gives up waiting. When it returns nothing writes to the buffer.
func (o *object) leave(waits []*waiter) {
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
func (o *object) dropAhead(flights []*flight) {
	for _, f := range flights {
		o.mu.Lock()
		f.ahead--
		idle := o.abandonLocked(f)
		spare := f.ahead == 0 && f.partLocked()
		o.mu.Unlock()
		if spare {
			f.parted(true)
		}
		if idle {
			f.cancel()
		}
	}
}

// abandonLocked forgets a flight that nobody waits for; the caller cancels it.
func (o *object) abandonLocked(f *flight) bool {
	if f.state != flying || len(f.waiters) > 0 || f.ahead > 0 {
		return false
	}
	o.forgetLocked(f)
	return true
}

func (o *object) forgetLocked(f *flight) {
	f.state = over
	for b := f.span.first; b < f.span.first+f.span.n; b++ {
		if o.flights[b] == f {
			delete(o.flights, b)
		}
	}
}

// run is the flight's goroutine.
func (f *flight) run(ctx context.Context) {
	o, c := f.o, f.o.c
	defer c.wg.Done()
	defer close(f.done)
	c.n.inFlight.Add(1)
	defer c.n.inFlight.Add(-1)
	if f.why != background {
		c.others.begin()
		defer c.others.end()
	}
	defer o.release()
	defer f.cancel()
	begun := time.Now()
	if f.ticket != nil {
		if f.ticket.waits() {
			c.spares.yield()
		}
		if err := c.gate.await(ctx, f.ticket); err != nil {
			f.fail(ctx, err)
			return
		}
	}
	queued := time.Since(begun)
	buf := c.buffers.get(o.bytes(f.span.first, f.span.n))
	buf, local, err := f.fill(ctx, buf)
	c.gate.leaveAs(f.ticket)
	if err != nil {
		c.freeBuffer(buf)
		f.fail(ctx, err)
		return
	}
	if !f.land(buf, queued, time.Since(begun)-queued) {
		c.freeBuffer(buf)
		return
	}
	if !local {
		f.keep(ctx, buf)
	}
	if c.spares.keep(f) {
		return
	}
	o.mu.Lock()
	o.forgetLocked(f)
	o.mu.Unlock()
	f.letGo()
}

// fill gets the blocks into buf, or a buffer in its stead: from the disk if they
// have come there since the reader looked, by another flight or another process.
// Completion looks for full blocks right before, and takes no others.
func (f *flight) fill(ctx context.Context, buf []byte) (filled []byte, local bool, err error) {
	if f.why != background && f.local(buf) {
		return buf, true, nil
	}
	filled, err = f.fetch(ctx, buf)
	return filled, false, err
}

func (f *flight) local(buf []byte) bool {
	o, d := f.o, f.o.c.disk
	pair := d.open(o)
	if pair != nil {
		defer d.pairs.release(pair)
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
func (f *flight) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		err = errShut
	}
	f.o.mu.Lock()
	waiters := f.waiters
	f.waiters, f.err = nil, err
	f.o.forgetLocked(f)
	if f.why == prefetch {
		f.o.forgo(f.span)
	}
	f.o.mu.Unlock()
	for w := range waiters {
		w.done <- err
	}
}

// failure is why a flight that is done failed, or nil.
func (f *flight) failure() error {
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	return f.err
}

// land serves those who wait; false: there was nobody left.
func (f *flight) land(buf []byte, queued, fetched time.Duration) bool {
	f.o.mu.Lock()
	f.times.queued, f.times.fetched = queued, max(fetched, 1)
	if f.state == over {
		if f.why == prefetch {
			f.o.forgo(f.span)
		}
		f.o.mu.Unlock()
		return false
	}
	waiters := f.waiters
	f.waiters, f.state, f.buf, f.users, f.unread = nil, landed, buf, 1, int64(len(buf))
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
func (f *flight) keep(ctx context.Context, buf []byte) {
	c := f.o.c
	if err := c.disk.store(ctx, f.o, f.span.first, buf); err != nil {
		c.memory.add(&f.o.version, f.span.first, buf)
	}
}

// letGo ends one use of the buffer.
func (f *flight) letGo() {
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
