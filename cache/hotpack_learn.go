package cache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"thothfs/cache/hotpack"
	"thothfs/internal/withctx"
	"thothfs/store"
)

const (
	recordFor      = time.Minute // later reads do not predict the next session
	maxHistories   = 64          // maximum number of histories, including those of closed versions
	maxReads       = 4096        // maximum number of reads in a history
	publishTimeout = 30 * time.Second
	closeGrace     = 3 * time.Second // time left for publishing after Close
	refusedFor     = time.Hour       // time before a version's pack is fetched again after an unusable one
	reopenWithin   = 5 * time.Second // time after the last close in which the version may be opened again
)

// accessHistory records what was predicted for a version and what was then read. It is the
// basis of the next hot pack.
type accessHistory struct {
	size  int64
	begun time.Time

	// predictionDone is set when the prediction has run to its end, or if there is none. A pack
	// built from part of a prediction would prevent a better one.
	predictionDone atomic.Bool

	mu          sync.Mutex // guards the fields below
	predicted   []hotpack.Range
	reads       []hotpack.Range // reads on demand, in order
	readBytes   int64           // bytes in reads
	packKnown   bool            // we know whether the store has a pack, or cannot find out
	pack        *hotpack.Pack   // the pack in the store, without its content; nil: none
	packRefused time.Time
}

// historyOf returns the history of o's version, which may have begun before o was opened.
func (c *Cache) historyOf(o *openVersion) *accessHistory {
	if h, ok := c.histories.Get(o.ID); ok && h.size == o.Size {
		return h
	}
	h := &accessHistory{size: o.Size, begun: time.Now(), packKnown: c.options.Hot == nil}
	h.predictionDone.Store(c.options.Predict == nil)
	c.histories.Add(o.ID, h)
	return h
}

func (h *accessHistory) addPredicted(ranges ...hotpack.Range) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.predicted = append(h.predicted, ranges[:min(len(ranges), maxPredicted-len(h.predicted))]...)
}

// recordPack records the result of fetching the pack in the store, or that pk was stored.
func (h *accessHistory) recordPack(pk *hotpack.Pack, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil:
		h.packKnown, h.pack, h.packRefused = true, pk.WithoutContent(), time.Time{}
	case errors.Is(err, hotpack.ErrUnusable):
		h.packKnown, h.packRefused = true, time.Now()
	case errors.Is(err, store.ErrNotExist):
		h.packKnown = true
	}
}

func (h *accessHistory) recentlyRefused() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.packRefused) < refusedFor
}

// addRead records a read on demand; h may be nil.
func (h *accessHistory) addRead(off, n int64) {
	if h == nil || time.Since(h.begun) > recordFor {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.reads) < maxReads && h.readBytes < 2*hotpack.MaxSize {
		h.reads = append(h.reads, hotpack.Range{Off: off, Len: n})
		h.readBytes += n
	}
}

// candidates returns the ranges that belong in a pack, in order of preference, and whether the
// pack in the store lacks some of them. Reads come first, because a prediction may contain much
// that is never read, and must not fill the pack.
func (h *accessHistory) candidates() (all []hotpack.Range, news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all = append(all, h.reads...)
	if h.pack != nil {
		for _, r := range h.pack.Runs {
			all = append(all, r.Range)
		}
	}
	all = append(all, h.predicted...)
	if !h.packKnown || len(all) == 0 {
		return nil, false
	}
	if h.pack == nil {
		return all, h.predictionDone.Load()
	}
	for _, r := range h.reads {
		first, end := r.Off/page*page, min((r.Off+r.Len+page-1)/page*page, h.size)
		if !h.pack.Has(first, end-first) {
			return all, true
		}
	}
	return all, false
}

// stored returns the pack in the store without its content, or nil, and whether that is known.
func (h *accessHistory) stored() (*hotpack.Pack, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pack, h.packKnown
}

// buildPack builds a hot pack from what was read of o on demand in the first minute, what the
// pack in the store contains, what was predicted, and what surrounds all that (see
// Options.Around), in this order, as far as it is cached and fits. Sequential reads are
// ignored. buildPack returns false if the pack would not be worth storing, or if it is unknown
// whether the store has one.
func (c *Cache) buildPack(o *openVersion, h *accessHistory) ([]byte, bool) {
	ranges, news := h.candidates()
	if !news {
		return nil, false
	}
	b, err := hotpack.Encode(o.Ref, o.Size, o.heldReader(o.holds), ranges, c.options.Around, true)
	if err != nil {
		return nil, false
	}
	pk, err := hotpack.Decode(o.Ref, o.Size, b)
	if err != nil {
		return nil, false
	}
	old, _ := h.stored()
	return b, old == nil || pk.WorthStoring(len(b), old)
}

// publish publishes a pack for the warmup's version after a minute, and again some time after
// ctx is done, unless the version has been opened again by then. Debuggers open a version
// several times in a row.
func (w *warmup) publish(ctx context.Context) {
	c := w.o.c
	defer c.wg.Done()
	defer c.n.Lessons.Add(-1)
	defer w.o.release()
	if withctx.Sleep(ctx, recordFor) == nil {
		c.publishPack(w.o)
		<-ctx.Done()
	}
	if withctx.Sleep(c.closing, reopenWithin) == nil && c.isOpen(w.o) {
		return // the next warmup will publish
	}
	c.publishPack(w.o)
}

// isOpen reports whether there is an open handle on o's version.
func (c *Cache) isOpen(o *openVersion) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.versions[versionKey{o.Name(), o.Size}]
	return now != nil && now.handles > 0
}

// publishPack passes a pack to Options.Learned if there is one worth storing. Packs are large,
// so only one is built at a time.
func (c *Cache) publishPack(o *openVersion) {
	if c.publishOff.Load() || c.publishing.Acquire(c.publishCtx, 1) != nil {
		return
	}
	defer c.publishing.Release(1)
	_ = waitDone(c.publishCtx, o.allFetches()) // the last reads may not be stored yet
	ctx, cancel := context.WithTimeout(c.publishCtx, publishTimeout)
	defer cancel()
	h := c.historyOf(o)
	if _, known := h.stored(); !known {
		_, _ = c.getPack(ctx, o, h)
	}
	b, ok := c.buildPack(o, h)
	if !ok {
		return
	}
	err := c.options.Learned(ctx, o.Ref, o.Size, b)
	switch {
	case err == nil:
		c.n.PacksLearned.Add(1)
		h.recordPack(hotpack.Decode(o.Ref, o.Size, b))
	case errors.Is(err, store.ErrPermission):
		c.options.Log.Info("hot packs are not stored: the store refuses them", "key", o.Ref.Key, "err", err)
		c.publishOff.Store(true)
	case ctx.Err() == nil:
		c.options.Log.Debug("hot pack not stored", "key", o.Ref.Key, "err", err)
	}
}
