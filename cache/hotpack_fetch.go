package cache

import (
	"context"
	"errors"
	"time"

	"thothfs/cache/hotpack"
	"thothfs/store"
)

const (
	maxPackFetches = 3 // maximum packs being fetched or stored, over all versions; a decoded pack may be large
	minPackWait    = 150 * time.Millisecond
	maxPackWait    = time.Second
)

// fetchPack fetches the hot pack and stores its pages.
//
// No reader waits for it: a reader that needs a block of the pack has already requested it from
// the Source, and gets it from whichever comes first.
func (w *warmup) fetchPack(ctx context.Context) {
	o, c := w.o, w.o.c
	if w.history.recentlyRefused() || c.packSlots.Acquire(ctx, 1) != nil {
		return
	}
	defer c.packSlots.Release(1)
	pk, err := c.getPack(ctx, o, w.history)
	switch {
	case errors.Is(err, hotpack.ErrUnusable):
		c.n.PacksRefused.Add(1)
		c.options.Log.Info("the hot pack is unusable, making a new one", "key", o.Ref.Key, "err", err)
	case err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrNotExist):
		c.options.Log.Debug("no hot pack", "key", o.Ref.Key, "err", err)
	}
	if err != nil {
		return
	}
	c.n.Packs.Add(1)
	c.limiter.charge(pk.Size)
	defer c.limiter.free(pk.Size)
	w.storePack(ctx, pk)
}

// getPack fetches the hot pack of o and records the outcome in h.
func (c *Cache) getPack(ctx context.Context, o *openVersion, h *accessHistory) (pk *hotpack.Pack, err error) {
	b, err := c.options.Hot(ctx, o.Ref, o.Size)
	if err == nil {
		c.n.BytesFetched.Add(int64(len(b)))
		pk, err = hotpack.Decode(o.Ref, o.Size, b)
	}
	h.recordPack(pk, err)
	return pk, err
}

// storePack serves the waiting readers whose data is in the pack, then stores the pack. Until
// it is stored, readers read from the pack.
func (w *warmup) storePack(ctx context.Context, pk *hotpack.Pack) {
	o := w.o
	for _, r := range pk.Runs {
		o.markPredicted(o.blocksOf(r.Range))
	}
	o.pack.Store(pk)
	for _, f := range o.serveFromPack(pk) {
		w.track(f, 0)
	}
	w.packArrived.Store(true)
	w.drop(func(f *fetch) bool { return f.admission != nil && f.admission.pending() }) // the queued ones
	for _, r := range pk.Runs {
		for off, data := r.Off, r.Data; len(data) > 0; {
			b := off / o.Block
			n := min(int64(len(data)), (b+1)*o.Block-off)
			o.c.storePages(ctx, o, b, (off-b*o.Block)/page, data[:n])
			off, data = off+n, data[n:]
		}
	}
	o.changes.Add(1)
	o.pack.Store(nil)
}

// serveFromPack serves readers that wait for a fetch if the pack contains everything they need
// from it. It returns the fetches that nobody needs any more, each with a prefetcher added:
// they are not cancelled, because that would cost the connection.
func (o *openVersion) serveFromPack(pk *hotpack.Pack) (unwanted []*fetch) {
	var served []*waiter
	all := o.allFetches()
	o.mu.Lock()
	for _, f := range all {
		if f.state != fetching {
			continue
		}
		for w := range f.waiters {
			if dst, from := w.part(); pk.Has(f.span.first*o.Block+from, int64(len(dst))) {
				delete(f.waiters, w)
				served = append(served, w)
			}
		}
		if len(f.waiters) == 0 && f.prefetchers == 0 {
			f.prefetchers++
			unwanted = append(unwanted, f)
		}
	}
	o.mu.Unlock()
	for _, w := range served { // they have been removed, so the fetch does not write to them
		dst, from := w.part()
		pk.Read(dst, w.f.span.first*o.Block+from)
		w.done <- nil
	}
	return unwanted
}
