package cache

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"thothfs/store"
)

// Completion says whether versions that are open are fetched to the end in the
// background.
type Completion string

// When a version is completed: never; while the link has nothing else to do, with
// a share of it; or at once, at full speed, but still behind readers.
const (
	CompleteNever  Completion = ""
	CompleteIdle   Completion = "idle"
	CompleteAlways Completion = "always"
)

const (
	idleAfter        = 500 * time.Millisecond // nothing was fetched for so long: the link is idle
	pollEvery        = 50 * time.Millisecond
	defaultShare     = 50
	completeRequests = 8                      // requests under way
	batchTime        = 100 * time.Millisecond // a reader may have to wait for that much of completion
	completeAttempts = 3                      // to get all blocks, against evictors
	retryAfter       = 30 * time.Second
)

var (
	errUnverified = errors.New("not complete and verified")
	errMissing    = errors.New("the cache does not keep all blocks")
)

// activity is what goes on besides completion.
type idleTracker struct {
	flights atomic.Int64
	last    atomic.Int64 // Unix nanoseconds when the last ended
}

func (a *idleTracker) begin() { a.flights.Add(1) }

func (a *idleTracker) end() {
	a.touch()
	a.flights.Add(-1)
}

func (a *idleTracker) touch() { a.last.Store(time.Now().UnixNano()) }

func (a *idleTracker) idle() bool {
	return a.flights.Load() == 0 && time.Now().UnixNano()-a.last.Load() > int64(idleAfter)
}

// pause waits for d.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Expect tells the MD5 that the whole version is to have, 16 bytes; nil or any
// other length is ignored. It is compared when the version is complete, so it is
// best told right after Open.
func (f *File) Expect(md5 []byte) {
	if len(md5) == len(digest{}) {
		sum := digest(md5)
		f.o.expected.Store(&sum)
	}
}

// Progress returns how many bytes of the version are held, on disk and in full
// blocks, and whether it is complete and verified. It reads the whole map file.
func (f *File) Progress() (held int64, verified bool) {
	o := f.o
	if !o.plausible() {
		return 0, false
	}
	p := o.c.disk.openFile(o)
	if p == nil {
		return 0, false
	}
	defer o.c.disk.files.release(p)
	n, err := p.missingBytes(&o.version)
	if err != nil {
		return 0, false
	}
	s, ok := p.verifiedMark(&o.version)
	return o.size - n, ok && n == 0 && s.valid(p, o.c.boot)
}

// Complete fetches what is missing of the version, behind readers, and compares
// it with the MD5 expected of it. A version that differs is store.ErrCorrupt, and
// forgotten. One that the quota does not hold twice is store.ErrTooLarge. Other
// errors are the Source's or the disk's; what has been fetched is kept.
func (f *File) Complete(ctx context.Context) error {
	if !f.o.plausible() {
		return &store.Error{Op: "read", Key: f.o.ref.Key, Kind: store.ErrInvalid}
	}
	f.mu.Lock()
	open := !f.closed && f.o.retain()
	f.mu.Unlock()
	if !open {
		return fmt.Errorf("complete %s: %w", f.o.ref.Key, iofs.ErrClosed)
	}
	defer f.o.release()
	return f.o.complete(ctx, false)
}

// complete does so, if idle only while the link is.
func (o *object) complete(ctx context.Context, idle bool) error {
	if o.size > o.c.disk.quota.limit/2 {
		return &store.Error{Op: "read", Key: o.ref.Key, Kind: store.ErrTooLarge, Err: errNoRoom}
	}
	var err error
	for range completeAttempts {
		if o.c.disk.health.degraded.Load() {
			return errDegraded
		}
		if !o.isComplete() {
			if err := o.fetchRest(ctx, idle); err != nil {
				return err
			}
		}
		if err = o.verify(ctx); !errors.Is(err, errMissing) && !errors.Is(err, errChanged) {
			return err
		}
	}
	return err
}

// fetchRest fetches the blocks that are absent, once.
func (o *object) fetchRest(ctx context.Context, idle bool) error {
	l := &backfill{o: o, idle: idle, batch: completeRequests}
	if idle {
		l.batch = 1
	}
	defer l.drop()
	for first := int64(0); first < o.blocks(); first += recordBatch {
		for _, sp := range o.absent(span{first, min(recordBatch, o.blocks()-first)}, o.c.maxRun, background) {
			if err := l.fetch(ctx, sp); err != nil {
				return err
			}
		}
	}
	if err := l.drain(ctx, 0); err != nil {
		return err
	}
	return o.waitFetches(ctx)
}

// landing waits for whatever is under way.
func (o *object) waitFetches(ctx context.Context) error {
	o.mu.Lock()
	flights := slices.Collect(maps.Values(o.fetches))
	o.mu.Unlock()
	for _, f := range flights {
		select {
		case <-f.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// laggards are the requests of a completion.
type backfill struct {
	o       *object
	idle    bool
	batch   int // how many may be under way
	flights []*fetch
	begun   time.Time // of the batch
}

// fetch begins to fetch sp when it may.
func (l *backfill) fetch(ctx context.Context, sp span) error {
	if l.idle && len(l.flights) == 0 {
		for !l.o.c.foreground.idle() {
			if err := sleep(ctx, pollEvery); err != nil {
				return err
			}
		}
		l.begun = time.Now()
	}
	_, n := l.o.c.buffers.sizeClass(l.o.bytes(sp.first, sp.n))
	for !l.o.c.limiter.tryAcquire(n) {
		if err := sleep(ctx, pollEvery); err != nil {
			return err
		}
	}
	f := l.o.startAhead(sp, background)
	if f == nil {
		l.o.c.limiter.releaseSlot()
		l.o.c.limiter.free(n)
		return l.o.c.checkOpen()
	}
	l.o.c.n.completed.Add(sp.n)
	l.flights = append(l.flights, f)
	if len(l.flights) < l.batch {
		return nil
	}
	if l.idle {
		return l.pause(ctx)
	}
	return l.drain(ctx, l.batch-1)
}

// rest ends a batch, and leaves the link alone for as long as its share asks.
// A batch is as large as goes in a short time.
func (l *backfill) pause(ctx context.Context) error {
	if err := l.drain(ctx, 0); err != nil {
		return err
	}
	took := time.Since(l.begun)
	switch {
	case took < batchTime:
		l.batch = min(2*l.batch, completeRequests)
	case took > 2*batchTime:
		l.batch = max(1, l.batch/2)
	}
	share := time.Duration(l.o.c.options.Share)
	return sleep(ctx, took*(100-share)/share)
}

// drain waits until no more than n are under way.
func (l *backfill) drain(ctx context.Context, n int) error {
	for len(l.flights) > n {
		select {
		case <-l.flights[0].done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := l.flights[0].failure(); err != nil {
			return err
		}
		l.flights = l.flights[1:]
	}
	return nil
}

func (l *backfill) drop() { l.o.dropPrefetches(l.flights) }

// verify seals the version after an audit, unless it has a seal that holds and is not
// due. A version that is not what is expected is forgotten.
func (o *object) verify(ctx context.Context) error {
	p, err := o.c.disk.files.acquire(o)
	if err != nil {
		return err
	}
	defer o.c.disk.files.release(p)
	if path := o.c.disk.files.path(o.name()); !isAt(p.blockMap, path+".map") || !isAt(p.data, path+".data") {
		o.c.disk.files.drop(o)
		return errChanged
	}
	s, ok := p.verifiedMark(&o.version)
	holds := ok && s.valid(p, o.c.boot)
	want := o.expected.Load()
	if want == nil && ok {
		want = &s.sum
	}
	if !holds || s.auditDue() {
		var state fileState
		if s.sum, state, err = o.audit(ctx, p); err != nil {
			return err
		}
		s.boot, s.file, s.checked = o.c.boot, state.hash(), time.Now().Unix()
		holds = false
	}
	switch {
	case want != nil && *want != s.sum:
		return o.discardMismatch(p, s.sum, *want)
	case holds:
		return nil
	}
	o.c.n.verified.Add(1)
	return p.writeMark(&o.version, s)
}

// mismatched forgets a version that is not what is expected.
func (o *object) discardMismatch(p *blockFile, got, want digest) error {
	o.c.n.mismatched.Add(1)
	o.c.options.Log.Warn("what was fetched is not what the store has, forgetting it", "key", o.ref.Key)
	p.discard()
	o.c.disk.files.drop(o)
	return &store.Error{Op: "read", Key: o.ref.Key, Kind: store.ErrCorrupt, Err: fmt.Errorf("MD5 %x, expected %x", got, want)}
}

// whole reports whether all blocks are on disk, by the seal or by the records.
func (o *object) isComplete() bool {
	p := o.c.disk.openFile(o)
	if p == nil {
		return false
	}
	defer o.c.disk.files.release(p)
	if s, ok := p.verifiedMark(&o.version); ok && s.valid(p, o.c.boot) {
		return true
	}
	n, err := p.missingBytes(&o.version)
	return err == nil && n == 0
}

// finish completes the version in the background, one at a time over all
// versions, until that is done or turns out to be vain.
func (s *warmup) complete(ctx context.Context) {
	c := s.o.c
	if c.options.Complete == CompleteNever {
		return
	}
	if s.o.isComplete() { // needs no turn, at most a look at it
		if err := s.o.complete(ctx, false); err != nil {
			c.options.Log.Debug("not verified", "key", s.o.ref.Key, "err", err)
		}
		return
	}
	select {
	case c.completing <- struct{}{}:
		defer func() { <-c.completing }()
	case <-ctx.Done():
		return
	}
	for range completeAttempts {
		err := s.o.complete(ctx, c.options.Complete == CompleteIdle)
		if err == nil || ctx.Err() != nil {
			return
		}
		c.options.Log.Debug("not completed", "key", s.o.ref.Key, "err", err)
		if errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrNotExist) {
			return
		}
		if sleep(ctx, retryAfter) != nil {
			return
		}
	}
}
