package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"thothfs/cache/blockfile"
	"thothfs/store"
)

// fetch is a range request in flight for a run of blocks, shared by all readers that need one
// of them. It has its own context and lives as long as a reader or a prefetcher needs it. When
// the last one leaves, the fetch is cancelled and its blocks are forgotten, so that the next
// reader starts a new fetch.
//
// The fetch copies into its readers' buffers, so it does not wait for them, and stores the
// blocks afterwards.
type fetch struct {
	o       *openVersion
	span    span
	why     priority
	cancel  context.CancelFunc
	file    *blockfile.File // where to store the blocks; nil: not open yet
	recheck bool            // blocks may have been stored since the reader looked

	// The fields below are guarded by o.mu.
	state       fetchState
	err         error // why it failed; final once done is closed
	waiters     map[*waiter]struct{}
	prefetchers int           // handles and warmups that need it before any reader does
	buf         []byte        // nil unless filled and in use
	users       int           // users of buf; the last one frees it
	unread      int64         // bytes of buf that no reader has received yet
	ready       bool          // stored, with its buffer kept; see readyBuffers
	admission   *admission    // nil for read-ahead and background
	times       times         // set when the buffer is filled
	done        chan struct{} // closed at the end of run
}

type fetchState int

const (
	fetching fetchState = iota
	filled              // buf contains all blocks and is being stored
	ended               // its blocks have been forgotten
)

// waiter is a reader waiting for a fetch. The fetch may write to p until it has sent to done.
type waiter struct {
	f    *fetch
	p    []byte
	off  int64 // offset of p in the object
	done chan error
}

// part returns the part of w.p that the fetch covers, and the offset in the fetch where it
// begins.
func (w *waiter) part() (dst []byte, from int64) { return w.f.o.part(w.p, w.off, w.f.span) }

func (w *waiter) length() int64 {
	dst, _ := w.part()
	return int64(len(dst))
}

func (w *waiter) copyFrom(buf []byte) {
	dst, from := w.part()
	copy(dst, buf[from:])
}

// startFetches joins or starts the fetches for the missing blocks of a read. It copies blocks
// that have already arrived. A prefetch that a demand read joins is raised to demand priority.
func (l *look) startFetches(p []byte, off int64, missing []span, why priority) ([]*waiter, error) {
	o := l.o
	o.mu.Lock()
	var waits, copies []*waiter
	var err error
	last := (*fetch)(nil)
	for _, s := range o.splitLocked(missing) {
		f := o.fetches[s.first]
		if f == nil {
			if f = l.startLocked(s, why); f == nil {
				err = blockfile.ErrClosed
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
			copies = append(copies, w)
			continue
		}
		if why == demand && f.why == prefetch {
			o.c.limiter.promote(f.admission)
			for b := s.first; b < s.first+s.n; b++ {
				o.countUse(b, true)
			}
		}
		f.waiters[w] = struct{}{}
		waits = append(waits, w)
	}
	o.mu.Unlock()
	for _, w := range copies {
		w.copyFrom(w.f.buf)
		w.f.releaseBuffer()
	}
	if err != nil {
		o.stopWaiting(waits)
	}
	return waits, err
}

// splitLocked splits spans where a fetch begins or ends.
func (o *openVersion) splitLocked(spans []span) (parts []span) {
	for _, s := range spans {
		var before *fetch
		for b := s.first; b < s.first+s.n; b++ {
			f := o.fetches[b]
			if b == s.first || f != before {
				parts = append(parts, span{b, 0})
			}
			parts[len(parts)-1].n++
			before = f
		}
	}
	return parts
}

// startLocked starts a fetch. Its goroutine ends by itself, or when nobody needs the fetch any
// more, or when the cache is closed; startLocked then returns nil. For read-ahead and
// background, the caller must hold a slot in the limiter.
func (l *look) startLocked(s span, why priority) *fetch {
	o, c := l.o, l.o.c
	if !c.addWorker() {
		return nil
	}
	ctx, cancel := context.WithCancel(c.closing)
	f := &fetch{o: o, span: s, why: why, cancel: cancel, recheck: o.changes.Load() != l.changes,
		waiters: map[*waiter]struct{}{}, done: make(chan struct{})}
	if l.file != nil {
		c.disk.files.Retain(l.file)
		f.file = l.file
	}
	if why == demand || why == prefetch {
		f.admission = c.limiter.enqueue(c.buffers.capacity(o.Bytes(s.first, s.n)), why == prefetch)
	}
	for b := s.first; b < s.first+s.n; b++ {
		o.fetches[b] = f
	}
	if why == prefetch {
		o.markPredicted(s)
	}
	o.refs.Add(1) // the caller holds one, so it is not 0
	go f.run(ctx)
	return f
}

// startAhead starts a fetch that no reader waits for yet, with one prefetcher. It returns nil
// if a block of s is already in flight or the cache is closed.
func (l *look) startAhead(s span, why priority) *fetch {
	l.o.mu.Lock()
	defer l.o.mu.Unlock()
	for b := s.first; b < s.first+s.n; b++ {
		if l.o.fetches[b] != nil {
			return nil
		}
	}
	f := l.startLocked(s, why)
	if f != nil {
		f.prefetchers = 1
	}
	return f
}

// wait returns nil when all waiters have been served, or ctx.Err() as soon as ctx is done. With
// an error it also returns how many of the bytes starting at off are valid.
func (o *openVersion) wait(ctx context.Context, waits []*waiter, off int64) (int, error) {
	trace := traceOf(ctx)
	for i, w := range waits {
		select {
		case err := <-w.done:
			trace.record(w.f, err)
			if err != nil {
				o.stopWaiting(waits[i+1:])
				return int(max(0, w.f.span.first*o.Block-off)), err
			}
		case <-ctx.Done():
			trace.abandon(len(waits) - i)
			o.stopWaiting(waits[i:])
			return 0, ctx.Err()
		}
	}
	return 0, nil
}

// stopWaiting withdraws the waiters. After it returns, nothing writes to their buffers.
func (o *openVersion) stopWaiting(waits []*waiter) {
	for _, w := range waits {
		o.mu.Lock()
		_, waiting := w.f.waiters[w]
		delete(w.f.waiters, w)
		unwanted := waiting && o.abandonLocked(w.f)
		o.mu.Unlock()
		if unwanted {
			w.f.cancel()
		}
		if !waiting {
			<-w.done
		}
	}
}

// dropAhead removes one prefetcher from each fetch.
func (o *openVersion) dropAhead(fetches ...*fetch) {
	for _, f := range fetches {
		o.mu.Lock()
		f.prefetchers--
		unwanted := o.abandonLocked(f)
		last := f.prefetchers == 0
		o.mu.Unlock()
		if last {
			f.endReady()
		}
		if unwanted {
			f.cancel()
		}
	}
}

// abandonLocked forgets a fetch that nobody needs any more, and reports whether the caller must
// cancel it.
func (o *openVersion) abandonLocked(f *fetch) bool {
	if f.state != fetching || len(f.waiters) > 0 || f.prefetchers > 0 {
		return false
	}
	o.forgetLocked(f)
	return true
}

func (o *openVersion) forgetLocked(f *fetch) {
	f.state = ended
	o.changes.Add(1)
	for b := f.span.first; b < f.span.first+f.span.n; b++ {
		if o.fetches[b] == f {
			delete(o.fetches, b)
		}
	}
}

func (o *openVersion) allFetches() (all []*fetch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for b, f := range o.fetches {
		if b == f.span.first {
			all = append(all, f)
		}
	}
	return all
}

// waitDone waits until all fetches have ended, successfully or not, or until ctx is done.
func waitDone(ctx context.Context, fetches []*fetch) error {
	for _, f := range fetches {
		select {
		case <-f.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// run is the goroutine of the fetch.
func (f *fetch) run(ctx context.Context) {
	o, c := f.o, f.o.c
	defer c.wg.Done()
	defer close(f.done)
	c.n.InFlight.Add(1)
	defer c.n.InFlight.Add(-1)
	if f.why != background {
		c.foreground.begin()
		defer c.foreground.end()
	}
	defer o.release()
	defer func() { c.disk.files.Release(f.file) }()
	defer f.cancel()
	begun := time.Now()
	if f.admission != nil {
		if f.admission.pending() {
			f.recheck = true
			c.ready.releaseAll()
		}
		if err := c.limiter.wait(ctx, f.admission); err != nil {
			f.deliver(nil, blockfile.ErrClosed, times{}) // only Close cancels a fetch that readers wait for
			return
		}
	}
	queued := time.Since(begun)
	buf := c.buffers.get(o.Bytes(f.span.first, f.span.n))
	// Completion has just looked for missing blocks, and accepts only bytes from the Source.
	stored := f.recheck && f.why != background && f.readStored(buf)
	var err error
	if !stored {
		buf, err = f.request(ctx, buf)
	}
	c.limiter.releaseSlot(f.admission)
	if err != nil && ctx.Err() != nil {
		err = blockfile.ErrClosed
	}
	if !f.deliver(buf, err, times{queued: queued, fetched: max(time.Since(begun)-queued, 1)}) {
		c.freeBuffer(buf)
		return
	}
	if !stored {
		c.storeBlocks(ctx, f, buf)
	}
	if c.ready.add(f) {
		return
	}
	o.mu.Lock()
	o.forgetLocked(f)
	o.mu.Unlock()
	f.releaseBuffer()
}

// readStored fills buf with blocks that another fetch or process has stored since the reader
// looked. It returns false if any is missing.
func (f *fetch) readStored(buf []byte) bool {
	o := f.o
	l := o.look()
	defer l.close()
	for i := range f.span.n {
		b := f.span.first + i
		if !l.readStored(b, buf[i*o.Block:][:o.Length(b)], 0) {
			return false
		}
	}
	return true
}

// deliver passes buf or err to the readers. It returns false if the caller keeps buf, which is
// the case after an error or if nobody needs the blocks any more; the blocks are then
// forgotten.
func (f *fetch) deliver(buf []byte, err error, took times) bool {
	f.o.mu.Lock()
	waiters, ok := f.waiters, err == nil && f.state != ended
	f.waiters, f.err = nil, err
	if ok {
		took.hedged = f.times.hedged
		f.state, f.buf, f.users, f.unread, f.times = filled, buf, 1, int64(len(buf)), took
		for w := range waiters {
			f.unread -= w.length()
		}
	} else {
		f.o.forgetLocked(f)
		if f.why == prefetch {
			f.o.unmarkPredicted(f.span)
		}
	}
	f.o.mu.Unlock()
	for w := range waiters {
		if ok {
			w.copyFrom(buf)
		}
		w.done <- err
	}
	return ok
}

// releaseBuffer ends one use of the buffer.
func (f *fetch) releaseBuffer() {
	f.o.mu.Lock()
	f.users--
	var free []byte
	if f.users == 0 {
		free, f.buf = f.buf, nil
	}
	f.o.mu.Unlock()
	if free != nil {
		f.o.c.freeBuffer(free)
	}
}

// minStall is the minimum time after which a request counts as stalled.
const minStall = 1500 * time.Millisecond

// latencies holds the durations of the last successful requests.
type latencies struct {
	minStall time.Duration // the constant, except in tests

	mu   sync.Mutex // guards the fields below
	last [128]time.Duration
	n    int
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[l.n%len(l.last)] = d
	l.n++
}

// stallTime returns how long a request may take before it is repeated: twice the median of the
// last requests, but at least minStall. The median ignores requests that stalled.
func (l *latencies) stallTime() time.Duration {
	l.mu.Lock()
	last := slices.Clone(l.last[:min(l.n, len(l.last))])
	l.mu.Unlock()
	if len(last) < 16 {
		return l.minStall
	}
	slices.Sort(last)
	return max(l.minStall, 2*last[len(last)/2])
}

// request reads the blocks from the Source into buf. A request that stalls is hedged: a second
// one is sent, the first response wins and the other request is cancelled. If the second one
// wins, request frees buf and returns another buffer.
func (f *fetch) request(ctx context.Context, buf []byte) ([]byte, error) {
	c := f.o.c
	first, cancelFirst := context.WithCancel(ctx)
	defer cancelFirst()
	second, cancelSecond := context.WithCancel(ctx)
	defer cancelSecond()
	ended := make(chan struct{})
	var other []byte // may be read once ended is closed
	timer := time.AfterFunc(c.latencies.stallTime(), func() {
		defer close(ended)
		if other = f.hedge(second, len(buf)); other != nil {
			cancelFirst()
		}
	})
	err := f.requestOnce(first, buf)
	if timer.Stop() {
		return buf, err
	}
	if err == nil {
		cancelSecond()
	}
	<-ended
	switch {
	case other == nil:
		return buf, err
	case err == nil:
		c.freeBuffer(other)
		return buf, nil
	}
	c.freeBuffer(buf)
	c.n.HedgesWon.Add(1)
	return other, nil
}

// hedge sends the second request. It returns nil if the limiter has no room for it or if it
// fails.
func (f *fetch) hedge(ctx context.Context, size int) []byte {
	c := f.o.c
	if !c.limiter.tryAcquire(c.buffers.capacity(int64(size))) {
		return nil
	}
	c.n.Hedges.Add(1)
	f.o.mu.Lock()
	f.times.hedged = true
	f.o.mu.Unlock()
	buf := c.buffers.get(int64(size))
	err := f.requestOnce(ctx, buf)
	c.limiter.releaseSlot(nil)
	if err != nil {
		c.freeBuffer(buf)
		return nil
	}
	return buf
}

// requestOnce sends one request to the Source. A short response is store.ErrCorrupt.
func (f *fetch) requestOnce(ctx context.Context, buf []byte) error {
	o, c := f.o, f.o.c
	c.n.Fetches.Add(1)
	begun := time.Now()
	off := f.span.first * o.Block
	got, err := c.options.Source.ReadAt(ctx, o.Ref, buf, off)
	c.n.BytesFetched.Add(int64(max(0, got)))
	if got == len(buf) && (err == nil || errors.Is(err, io.EOF)) {
		c.latencies.add(time.Since(begun))
		return nil
	}
	c.n.FetchErrors.Add(1)
	if err == nil || errors.Is(err, io.EOF) {
		short := fmt.Errorf("%d of %d bytes at offset %d", got, len(buf), off)
		return &store.Error{Op: "read", Key: o.Ref.Key, Kind: store.ErrCorrupt, Err: short}
	}
	return err
}
