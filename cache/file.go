package cache

import (
	"context"
	"fmt"
	"io"
	iofs "io/fs"
	"slices"
	"sync"

	"thothfs/store"
)

// maxSize is the largest size of an object that is believed.
const maxSize = 1 << 62

// File is an open handle on one version of one object. Handles on the same
// version share blocks and fetches; each watches its own reads for a sequence.
// It is safe for concurrent use.
type File struct {
	o *object

	mu      sync.Mutex // guards all below; taken before object.mu
	streams streams
	closed  bool
}

// Size returns the size of the object in bytes, as given to [Cache.Open].
func (f *File) Size() int64 { return f.o.size }

// ReadAt reads by the rules of io.ReaderAt: fewer than len(p) bytes only with an
// error, io.EOF at the end. It waits for blocks that are not held, and returns
// ctx.Err() at once when ctx ends while it waits; whatever is held is returned
// even then. After an error p may hold garbage beyond n.
//
// An error of the Source is returned as it is, and the next read asks again. A
// Source that returns fewer bytes than the size of the object promises is
// store.ErrCorrupt. A ref without an ETag, or a negative offset or size, is
// store.ErrInvalid. After Close, of the handle or the cache, it is
// fs.ErrClosed; a closed cache still serves what is in memory.
func (f *File) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if f.o.ref.ETag == "" || off < 0 || f.o.size < 0 || f.o.size > maxSize {
		return 0, &store.Error{Op: "read", Key: f.o.ref.Key, Kind: store.ErrInvalid,
			Err: fmt.Errorf("version %q, offset %d, size %d", f.o.ref.ETag, off, f.o.size)}
	}
	if off >= f.o.size {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), f.o.size-off)]
	if !f.startRead(off, int64(len(want))) {
		return 0, fmt.Errorf("read %s: %w", f.o.ref.Key, iofs.ErrClosed)
	}
	defer f.o.release()
	n, err := f.read(ctx, want, off)
	if err == nil && len(want) < len(p) {
		err = io.EOF
	}
	return n, err
}

// read is ReadAt of what there is, once it has begun.
func (f *File) read(ctx context.Context, want []byte, off int64) (n int, err error) {
	if len(want) > 0 {
		n, err = f.o.read(ctx, want, off, demand)
	}
	f.o.c.n.bytesRead.Add(int64(n))
	return n, err
}

// Lend is ReadAt for who passes the bytes on at once: it returns them where they are,
// in p or in memory of the cache, which is not to be written to and is the cache's again
// after giveBack. That must be called, once, if there is no error but io.EOF.
func (f *File) Lend(ctx context.Context, p []byte, off int64) (data []byte, giveBack func(), err error) {
	if n := int64(len(p)); n > 0 && off >= 0 && n <= f.o.size-off && f.startRead(off, n) {
		defer f.o.release()
		if data, giveBack = f.o.lend(off, n); data == nil {
			data, giveBack = p, func() {}
			n, err := f.read(ctx, p, off)
			return data[:n], giveBack, err
		}
		f.o.c.n.bytesRead.Add(n)
		return data, giveBack, nil
	}
	n, err := f.ReadAt(ctx, p, off)
	return p[:n], func() {}, err
}

// begin takes a reference for a read, and reads ahead.
func (f *File) startRead(off, n int64) bool {
	f.mu.Lock()
	if f.closed || !f.o.retain() {
		f.mu.Unlock()
		return false
	}
	var s *stream
	var drop []*fetch
	from, to, piece, sequential := int64(0), int64(0), int64(0), false
	if n > 0 {
		s, from, to, drop = f.streams.record(off, n)
		sequential, piece = s.window >= provenWindow*f.o.block, s.requestSize()
	}
	f.mu.Unlock()
	f.o.dropPrefetches(drop)
	if s != nil && !sequential {
		f.o.history.Load().addRead(off, n)
	}
	if from < to {
		f.readAhead(s, span{from / f.o.block, (to - from) / f.o.block}, piece)
	}
	return true
}

// readAhead begins to fetch what is missing of sp for s, in requests of at most piece
// bytes, as far as there is room for it now.
func (f *File) readAhead(s *stream, sp span, piece int64) {
	o, c := f.o, f.o.c
	var begun []*fetch
	dropped := int64(0)
	for _, run := range o.absent(sp, max(c.maxRun, piece/o.block), readAhead) {
		_, n := c.buffers.sizeClass(o.bytes(run.first, run.n))
		if !c.acquireAhead(n) {
			dropped += run.n
			continue
		}
		fl := o.startAhead(run, readAhead)
		if fl == nil {
			c.limiter.releaseSlot()
			c.limiter.free(n)
			continue
		}
		c.n.readAhead.Add(run.n)
		begun = append(begun, fl)
	}
	c.n.aheadDropped.Add(dropped)
	f.trackAhead(s, begun, dropped > 0)
}

// enterAhead is gate.tryEnter, if need be at the cost of the spares.
func (c *Cache) acquireAhead(n int64) bool {
	if c.limiter.tryAcquire(n) {
		return true
	}
	return c.readyBuffers.releaseAll() && c.limiter.tryAcquire(n)
}

// beginAhead starts a flight of read-ahead or prefetch unless one of its blocks
// is under way already.
func (o *object) startAhead(s span, why priority) *fetch {
	o.mu.Lock()
	defer o.mu.Unlock()
	for b := s.first; b < s.first+s.n; b++ {
		if o.fetches[b] != nil {
			return nil
		}
	}
	f, err := o.startLocked(s, why)
	if err != nil {
		return nil
	}
	f.prefetchers = 1
	return f
}

// keepAhead remembers what to drop when the stream breaks off or the handle is
// closed, and forgets what is over.
func (f *File) trackAhead(s *stream, begun []*fetch, shrink bool) {
	f.mu.Lock()
	if shrink {
		s.shrink()
	}
	gone := f.closed || s.window == 0
	if !gone {
		f.o.mu.Lock()
		s.flights = slices.DeleteFunc(s.flights, func(fl *fetch) bool { return fl.state == ended })
		f.o.mu.Unlock()
		s.flights = append(s.flights, begun...)
	}
	f.mu.Unlock()
	if gone {
		f.o.dropPrefetches(begun)
	}
}

// Warm waits until what was to be fetched for the version at its first open, the
// hot pack or what was predicted, is there or given up.
func (f *File) Warm(ctx context.Context) error {
	f.o.c.mu.Lock()
	s := f.o.warmup
	f.o.c.mu.Unlock()
	if s == nil {
		return nil
	}
	select {
	case <-s.warmed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close releases the handle and drops its read-ahead. Reads in progress go on.
func (f *File) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return iofs.ErrClosed
	}
	f.closed = true
	drop := f.streams.reset()
	f.mu.Unlock()
	f.o.dropPrefetches(drop)
	f.o.c.closeHandle(f.o)
	f.o.release()
	return nil
}
