package cache

import (
	"context"
	"errors"
	"sync"
	"time"

	"thothfs/cache/hotpack"
	"thothfs/internal/withctx"
	"thothfs/store"
)

const (
	recordFor      = time.Minute // later reads say nothing about the next session
	maxHistories   = 64          // versions remembered after their last handle is closed
	maxReads       = 4096        // reads remembered of each
	publishTimeout = 30 * time.Second
	closeGrace     = 3 * time.Second // for publishing, after Close
	refusedFor     = time.Hour       // an unusable pack is not fetched again
	reopenWithin   = 5 * time.Second // after a close, in which the version may be opened again
)

// accessHistory is what was predicted of a version and what was then read. It is the basis of
// the next hot pack.
type accessHistory struct {
	size  int64
	begun time.Time

	mu             sync.Mutex // guards all below
	predicted      []hotpack.Range
	predictionDone bool            // it ran to its end, or there is none
	reads          []hotpack.Range // on demand, in order
	readBytes      int64           // in reads
	packKnown      bool            // whether the store has a pack is known, or cannot be known
	pack           *hotpack.Pack   // the pack in the store without its content; nil: none
	packRefused    time.Time
}

// historyOf returns the history of o, which may be older than o.
func (c *Cache) historyOf(o *openVersion) *accessHistory {
	if h, ok := c.histories.Get(o.ID); ok && h.size == o.Size {
		return h
	}
	h := &accessHistory{size: o.Size, begun: time.Now(), packKnown: c.options.Hot == nil, predictionDone: c.options.Predict == nil}
	c.histories.Add(o.ID, h)
	return h
}

func (h *accessHistory) addPredicted(ranges ...hotpack.Range) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.predicted = append(h.predicted, ranges[:min(len(ranges), maxPredicted-len(h.predicted))]...)
}

// endPrediction records that the prediction is complete. A pack of less would stand in the
// way of a better one.
func (h *accessHistory) endPrediction() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.predictionDone = true
}

// recordPack records what a fetch of the pack in the store returned, or that pk was stored.
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

// candidates returns what belongs in a pack, in order of preference, and whether the pack in
// the store lacks some of it. What was read comes first: a prediction may name much that is
// never read, and must not fill the pack.
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
		return all, h.predictionDone
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

// buildPack returns a hot pack of what was read of o on demand in the first minute, what the
// pack in the store has, what was predicted, and what lies around all that (see
// Options.Around), in this order, as far as it is held and fits. It returns false if the pack
// would not be worth storing, or if it is not known whether the store has one. Sequential
// reads do not count.
func (c *Cache) buildPack(o *openVersion) ([]byte, bool) {
	h, ok := c.histories.Peek(o.ID)
	if !ok || h.size != o.Size {
		return nil, false
	}
	ranges, news := h.candidates()
	if !news {
		return nil, false
	}
	held := o.reader(func(p []byte, off int64) (int, error) {
		if !o.holds(p, off) {
			return 0, errNotHeld
		}
		return len(p), nil
	})
	b, err := hotpack.Encode(o.Ref, o.Size, held, ranges, c.around, true)
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

// publish publishes what the warmup's version was read for: after a minute, and some time after
// ctx ends unless the version was opened again. Debuggers open a version several times in a row.
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
		return // the next warmup publishes
	}
	c.publishPack(w.o)
}

// isOpen reports whether there is a handle on o's version.
func (c *Cache) isOpen(o *openVersion) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.versions[versionKey{o.Name(), o.Size}]
	return now != nil && now.handles > 0
}

// publishPack passes a pack to Options.Learned if there is one worth storing. Packs are large,
// so one is made at a time.
func (c *Cache) publishPack(o *openVersion) {
	if c.publishOff.Load() || c.publishing.Acquire(c.publishCtx, 1) != nil {
		return
	}
	defer c.publishing.Release(1)
	_ = waitDone(c.publishCtx, o.allFetches()) // what was read last may not be stored yet
	ctx, cancel := context.WithTimeout(c.publishCtx, publishTimeout)
	defer cancel()
	h := c.historyOf(o)
	if _, known := h.stored(); !known {
		_, _ = c.getPack(ctx, o, h)
	}
	b, ok := c.buildPack(o)
	if !ok {
		return
	}
	err := c.options.Learned(ctx, o.Ref, o.Size, b)
	switch {
	case err == nil:
		c.n.PacksLearned.Add(1)
		c.historyOf(o).recordPack(hotpack.Decode(o.Ref, o.Size, b))
	case errors.Is(err, store.ErrPermission):
		c.options.Log.Info("hot packs are not stored: the store refuses them", "key", o.Ref.Key, "err", err)
		c.publishOff.Store(true)
	case ctx.Err() == nil:
		c.options.Log.Debug("hot pack not stored", "key", o.Ref.Key, "err", err)
	}
}
