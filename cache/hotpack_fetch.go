package cache

import (
	"context"
	"errors"
	"slices"
	"time"

	"thothfs/store"
)

const (
	maxPackFetches = 3 // packs on their way at once, over all versions: each may be large when it is unpacked
	minPackWait    = 150 * time.Millisecond
	maxPackWait    = time.Second
)

// hot asks for the pack, and takes its pages if it is one of this version.
//
// Nobody waits for it: a reader who needs a block of the pack has asked the
// Source for that, and gets it from whichever comes first.
func (s *warmup) fetchPack(ctx context.Context) {
	o, c := s.o, s.o.c
	if s.history.recentlyRefused() {
		return
	}
	select {
	case c.packSlots <- struct{}{}:
		defer func() { <-c.packSlots }()
	case <-ctx.Done():
		return
	}
	b, err := c.options.Hot(ctx, o.ref, o.size)
	if err != nil {
		s.history.setNoPack(errors.Is(err, store.ErrNotExist))
		if ctx.Err() == nil && !errors.Is(err, store.ErrNotExist) {
			c.options.Log.Debug("no hot pack", "key", o.ref.Key, "err", err)
		}
		return
	}
	c.n.bytesFetched.Add(int64(len(b)))
	pk, err := decodePack(o.ref, o.size, b)
	if err != nil {
		c.n.packsRefused.Add(1)
		c.options.Log.Info("the hot pack is of no use: a new one is learned", "key", o.ref.Key, "err", err)
		s.history.refusePack()
		return
	}
	c.n.packs.Add(1)
	s.history.setPack(pk)
	c.limiter.charge(pk.size)
	defer c.limiter.free(pk.size)
	s.usePack(ctx, pk)
}

// take serves those who wait for what the pack has, then stores it. Until it is
// stored it is read from where it is.
func (s *warmup) usePack(ctx context.Context, pk *pack) {
	o := s.o
	for _, r := range pk.ranges() {
		o.markPredicted(o.blocksOf(r))
	}
	o.pack.Store(pk)
	defer o.pack.Store(nil)
	for _, f := range o.serveFromPack(pk) {
		s.trackServed(f)
	}
	s.packed.Store(true)
	s.dropQueued()
	for _, r := range pk.runs {
		for off, data := r.off, r.data; len(data) > 0; {
			b := off / o.block
			n := min(int64(len(data)), (b+1)*o.block-off)
			o.keepPages(ctx, b, (off-b*o.block)/page, data[:n])
			off, data = off+n, data[n:]
		}
	}
}

// keepPages puts pages of block b on disk, or in memory where that fails.
func (o *object) keepPages(ctx context.Context, b, first int64, data []byte) {
	if err := o.c.disk.storePages(ctx, o, b, first, data); err != nil {
		o.c.memory.addPages(&o.version, b, first, data)
	}
}

// serve gives readers who wait for a flight what they want of it from the pack,
// if it has all of that. The flights for which nobody waits any more are returned:
// they have been asked for, and are not cancelled, since that costs the connection.
func (o *object) serveFromPack(pk *pack) (left []*fetch) {
	var served []*waiter
	seen := map[*fetch]bool{}
	o.mu.Lock()
	for _, f := range o.fetches {
		if seen[f] || f.state != fetching {
			continue
		}
		seen[f] = true
		for w := range f.waiters {
			if dst, off := w.part(); pk.has(off, int64(len(dst))) {
				delete(f.waiters, w)
				served = append(served, w)
			}
		}
		if len(f.waiters) == 0 && f.prefetchers == 0 {
			f.prefetchers++
			left = append(left, f)
		}
	}
	o.mu.Unlock()
	for _, w := range served { // taken out, so the flight does not write to them
		dst, off := w.part()
		pk.read(dst, off)
		w.done <- nil
	}
	return left
}

// adopt makes a flight the session's, which drops it when it ends.
func (s *warmup) trackServed(f *fetch) {
	s.mu.Lock()
	over := s.ended
	if !over {
		s.fetches = append(s.fetches, f)
	}
	s.mu.Unlock()
	if over {
		s.o.dropPrefetches([]*fetch{f})
	}
}

// patience is how long prefetch waits for a pack after a first read that took
// this long. That there is none is told in a round trip; one that is under way is
// larger than a block, and comes faster when nothing competes with it.
func packWait(first time.Duration) time.Duration {
	return min(max(4*first, minPackWait), maxPackWait)
}

// dropQueued gives up the prefetch that has not begun: the pack has come instead.
func (s *warmup) dropQueued() {
	var queued []*fetch
	s.mu.Lock()
	s.fetches = slices.DeleteFunc(s.fetches, func(f *fetch) bool {
		waits := f.admission != nil && f.admission.pending()
		if waits {
			queued = append(queued, f)
		}
		return waits
	})
	s.mu.Unlock()
	slices.Reverse(queued)
	s.o.dropPrefetches(queued)
}
