package cache

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	iofs "io/fs"
	"sync/atomic"
	"time"

	"thothfs/cache/blockfile"
	"thothfs/internal/withctx"
	"thothfs/store"
)

// Completion determines when open versions are fetched completely in the background.
type Completion string

// CompleteIdle completes versions while the link is idle, using a share of it. CompleteAlways
// completes them at once and at full speed, but with lower priority than readers.
const (
	CompleteNever  Completion = ""
	CompleteIdle   Completion = "idle"
	CompleteAlways Completion = "always"
)

const (
	idleAfter        = 500 * time.Millisecond // time without a fetch after which the link is idle
	pollEvery        = 50 * time.Millisecond
	defaultShare     = 50
	completeRequests = 8                      // maximum requests in flight
	batchTime        = 100 * time.Millisecond // intended duration of a batch; a reader may have to wait that long
	completeAttempts = 3                      // evictors may remove blocks in the meantime
	retryAfter       = 30 * time.Second
	// verifyEvery is the age at which a mark is renewed in the background. A write to the raw
	// device, or a disk that loses data, does not change the state of a file.
	verifyEvery = 24 * time.Hour
)

var errMissing = errors.New("the cache does not keep all blocks")

// idleTracker tracks all fetches except those for completion.
type idleTracker struct {
	fetches atomic.Int64
	last    atomic.Int64 // Unix nanoseconds when the last fetch ended
}

func (t *idleTracker) begin() { t.fetches.Add(1) }

func (t *idleTracker) end() {
	t.touch()
	t.fetches.Add(-1)
}

func (t *idleTracker) touch() { t.last.Store(time.Now().UnixNano()) }

func (t *idleTracker) idle() bool {
	return t.fetches.Load() == 0 && time.Now().UnixNano()-t.last.Load() > int64(idleAfter)
}

// Complete fetches the missing blocks of the version, with lower priority than readers, and
// compares the content with the expected MD5. If the content differs, Complete discards it and
// returns store.ErrCorrupt. It returns store.ErrTooLarge for a version larger than half the
// quota. Other errors come from the Source or the disk; the blocks fetched until then are kept.
func (f *File) Complete(ctx context.Context) error {
	if !f.o.plausible() {
		return &store.Error{Op: "read", Key: f.o.Ref.Key, Kind: store.ErrInvalid}
	}
	f.mu.Lock()
	open := !f.closed && f.o.retain()
	f.mu.Unlock()
	if !open {
		return fmt.Errorf("complete %s: %w", f.o.Ref.Key, iofs.ErrClosed)
	}
	defer f.o.release()
	return f.o.complete(ctx, false)
}

// complete implements Complete. If idle is set, it fetches only while the link is idle.
func (o *openVersion) complete(ctx context.Context, idle bool) error {
	if o.Size > o.c.disk.quota.limit/2 {
		return &store.Error{Op: "read", Key: o.Ref.Key, Kind: store.ErrTooLarge, Err: errNoRoom}
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
		if err = o.verify(ctx); !errors.Is(err, errMissing) && !errors.Is(err, blockfile.ErrChanged) {
			return err
		}
	}
	return err
}

// isComplete reports whether all blocks are on disk, according to a valid mark or to the
// records.
func (o *openVersion) isComplete() bool {
	f := o.c.disk.openFile(o)
	if f == nil {
		return false
	}
	defer o.c.disk.files.Release(f)
	if m, ok := f.Mark(); ok && m.Valid(f, o.c.boot) {
		return true
	}
	n, err := f.MissingBytes()
	return err == nil && n == 0
}

// fetchRest makes one pass over the version and fetches the absent blocks.
func (o *openVersion) fetchRest(ctx context.Context, idle bool) error {
	bf := &backfill{o: o, idle: idle, batch: completeRequests}
	if idle {
		bf.batch = 1
	}
	defer func() { o.dropAhead(bf.fetches...) }()
	for first := int64(0); first < o.Blocks(); first += blockfile.RecordBatch {
		l := o.look()
		absent := l.absent(span{first, min(blockfile.RecordBatch, o.Blocks()-first)}, o.c.maxRun, background)
		l.close()
		for _, s := range absent {
			if err := bf.fetch(ctx, s); err != nil {
				return err
			}
		}
	}
	if err := bf.wait(ctx, 0); err != nil {
		return err
	}
	return waitDone(ctx, o.allFetches())
}

// backfill holds the fetches for a completion.
type backfill struct {
	o       *openVersion
	idle    bool
	batch   int // maximum number of fetches in flight
	fetches []*fetch
	begun   time.Time // when the batch began
}

// fetch waits for its turn and then starts to fetch s.
func (bf *backfill) fetch(ctx context.Context, s span) error {
	c := bf.o.c
	if bf.idle && len(bf.fetches) == 0 {
		for !c.foreground.idle() {
			if err := withctx.Sleep(ctx, pollEvery); err != nil {
				return err
			}
		}
		bf.begun = time.Now()
	}
	n := c.buffers.capacity(bf.o.Bytes(s.first, s.n))
	for !c.limiter.tryAcquire(n) {
		if err := withctx.Sleep(ctx, pollEvery); err != nil {
			return err
		}
	}
	l := bf.o.look() // without the file, which may be replaced while a completion waits
	f := l.startAhead(s, background)
	if f == nil {
		c.limiter.releaseSlot(nil)
		c.limiter.free(n)
		if c.closing.Err() != nil {
			return blockfile.ErrClosed
		}
		return nil
	}
	c.n.Completed.Add(s.n)
	bf.fetches = append(bf.fetches, f)
	if len(bf.fetches) < bf.batch {
		return nil
	}
	if bf.idle {
		return bf.pause(ctx)
	}
	return bf.wait(ctx, bf.batch-1)
}

// pause waits for the batch, then leaves the link idle for as long as Options.Share requires.
// It adapts the size of the batch to batchTime.
func (bf *backfill) pause(ctx context.Context) error {
	if err := bf.wait(ctx, 0); err != nil {
		return err
	}
	took := time.Since(bf.begun)
	switch {
	case took < batchTime:
		bf.batch = min(2*bf.batch, completeRequests)
	case took > 2*batchTime:
		bf.batch = max(1, bf.batch/2)
	}
	share := time.Duration(bf.o.c.options.Share)
	return withctx.Sleep(ctx, took*(100-share)/share)
}

// wait waits until at most n fetches are in flight.
func (bf *backfill) wait(ctx context.Context, n int) error {
	for len(bf.fetches) > n {
		if err := waitDone(ctx, bf.fetches[:1]); err != nil {
			return err
		}
		if err := bf.fetches[0].err; err != nil {
			return err
		}
		bf.fetches = bf.fetches[1:]
	}
	return nil
}

// verify reads the version to the end and marks it as verified, unless it has a valid mark that
// is not due for renewal. If the content is not the expected one, verify discards it.
func (o *openVersion) verify(ctx context.Context) error {
	f, err := o.c.disk.files.Acquire(&o.Version)
	if err != nil {
		return err
	}
	defer o.c.disk.files.Release(f)
	if !f.InPlace() {
		o.Drop()
		return blockfile.ErrChanged
	}
	m, ok := f.Mark()
	age := time.Since(time.Unix(m.Checked, 0))
	valid := ok && m.Valid(f, o.c.boot) && age >= 0 && age <= verifyEvery
	want := o.expected.Load()
	if want == nil && ok {
		marked := m.Sum // readThrough replaces it below
		want = &marked
	}
	if !valid {
		var state blockfile.State
		if m.Sum, state, err = o.readThrough(ctx, f); err != nil {
			return err
		}
		m.Boot, m.File, m.Checked = o.c.boot, state.Hash(), time.Now().Unix()
	}
	if want != nil && *want != m.Sum {
		o.c.n.Mismatched.Add(1)
		o.c.options.Log.Warn("what was fetched differs from what the store has, discarding it", "key", o.Ref.Key)
		f.Discard()
		o.Drop()
		return &store.Error{Op: "read", Key: o.Ref.Key, Kind: store.ErrCorrupt, Err: fmt.Errorf("MD5 %x, expected %x", m.Sum, *want)}
	}
	if valid {
		return nil
	}
	o.c.n.Verified.Add(1)
	return f.WriteMark(m)
}

// readThrough reads the data file from end to end, compares each block with its record, and
// returns the MD5 of the whole file and the file's state. It reads nothing else: data in
// memory, or a record of zeros, proves nothing about the bytes that the kernel would read.
//
// Blocks that differ lose their records. The error is then errMissing, returned after the whole
// file has been read. It is blockfile.ErrChanged if another program wrote to the file in the
// meantime.
func (o *openVersion) readThrough(ctx context.Context, f *blockfile.File) (sum blockfile.Digest, state blockfile.State, err error) {
	before, err := f.StampAndSync()
	if err != nil {
		return sum, state, err
	}
	h, buf, missing := md5.New(), make([]byte, o.Block), false
	for b := range o.Blocks() {
		if err := ctx.Err(); err != nil {
			return sum, state, err
		}
		data := buf[:o.Length(b)]
		status, err := f.ReadWhole(b, data)
		if err != nil {
			return sum, state, err
		}
		o.c.disk.countDamage(o, b, status)
		missing = missing || status != blockfile.Intact
		h.Write(data)
	}
	if missing {
		return sum, state, errMissing
	}
	after, err := f.State()
	if err == nil && !after.Equal(before) {
		err = blockfile.ErrChanged
	}
	return blockfile.Digest(h.Sum(nil)), after, err
}

// complete completes the version in the background if Options.Complete asks for it. Only one
// version is completed at a time.
func (w *warmup) complete(ctx context.Context) {
	o, c := w.o, w.o.c
	if c.options.Complete == CompleteNever {
		return
	}
	if o.isComplete() { // needs at most verification, so it does not wait for a turn
		if err := o.complete(ctx, false); err != nil {
			c.options.Log.Debug("not verified", "key", o.Ref.Key, "err", err)
		}
		return
	}
	if c.completing.Acquire(ctx, 1) != nil {
		return
	}
	defer c.completing.Release(1)
	for range completeAttempts {
		err := o.complete(ctx, c.options.Complete == CompleteIdle)
		if err == nil || ctx.Err() != nil {
			return
		}
		c.options.Log.Debug("not completed", "key", o.Ref.Key, "err", err)
		if isAny(err, store.ErrCorrupt, store.ErrTooLarge, store.ErrStale, store.ErrNotExist) {
			return
		}
		if withctx.Sleep(ctx, retryAfter) != nil {
			return
		}
	}
}
