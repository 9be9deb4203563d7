package cache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"thothfs/store"
)

const (
	recordFor      = time.Minute      // reads after that tell nothing of the next session
	maxHistories   = 64               // versions remembered after their last handle is closed
	maxReads       = 4096             // reads remembered of each
	publishTimeout = 30 * time.Second // to hand out a pack
	closeGrace     = 3 * time.Second  // after Close
	refusedFor     = time.Hour        // a pack that was of no use is not fetched again
	reopenWithin   = 5 * time.Second  // after a close, in which the version may be opened again
)

// lesson is what was predicted of a version, and what was then read.
type accessHistory struct {
	size  int64
	begun time.Time

	mu             sync.Mutex // guards all below
	predicted      []Range    // predicted
	predictionDone bool       // the prediction was run to its end, or there is none to run
	reads          []Range    // on demand, in order
	read           int64      // bytes of those
	packKnown      bool       // whether there is a pack is known, or nobody could tell
	pack           *pack      // the pages that it had, without their bytes; nil: none
	packRefused    time.Time  // when the pack was refused
}

// lesson returns that of o, which may be older than o.
func (c *Cache) historyOf(o *object) *accessHistory {
	if l, ok := c.histories.Get(o.id); ok && l.size == o.size {
		return l
	}
	l := &accessHistory{size: o.size, begun: time.Now(), packKnown: c.options.Hot == nil, predictionDone: c.options.Predict == nil}
	c.histories.Add(o.id, l)
	return l
}

// predicted notes what a prediction told.
func (l *accessHistory) addPredicted(r Range) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.predicted) < maxPredicted {
		l.predicted = append(l.predicted, r)
	}
}

// foretold notes that a prediction has told all that it could. A pack of less would
// stand in the way of a better one.
func (l *accessHistory) endPrediction() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.predictionDone = true
}

// packed notes what the pack had.
func (l *accessHistory) setPack(pk *pack) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.packKnown, l.pack, l.packRefused = true, &pack{}, time.Time{}
	for _, r := range pk.ranges() {
		l.pack.runs = append(l.pack.runs, pageRun{off: r.Off, size: r.Len})
	}
}

// refused notes that the pack in the store is of no use.
func (l *accessHistory) refusePack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.packKnown, l.packRefused = true, time.Now()
}

// isRefused reports whether that was so a short while ago: then the pack need not be
// fetched again.
func (l *accessHistory) recentlyRefused() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.packRefused) < refusedFor
}

// packless notes that there is no pack, if that is certain.
func (l *accessHistory) setNoPack(certain bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.packKnown = l.packKnown || certain
}

// note notes a read on demand; l may be nil.
func (l *accessHistory) addRead(off, n int64) {
	if l == nil || time.Since(l.begun) > recordFor {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.reads) < maxReads && l.read < 2*MaxPack {
		l.reads = append(l.reads, Range{off, n})
		l.read += n
	}
}

// ranges returns what belongs in a pack, the most certain first, and whether that is
// more than the pack in the store has. What was read comes first: of what was only
// foretold little may ever be read, and it must not fill the pack.
func (l *accessHistory) candidates() (all []Range, news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all = append(all, l.reads...)
	if l.pack != nil {
		all = append(all, l.pack.ranges()...)
	}
	all = append(all, l.predicted...)
	if !l.packKnown || len(all) == 0 {
		return nil, false
	}
	if l.pack == nil {
		return all, l.predictionDone
	}
	for _, r := range l.reads {
		if first, last := r.Off/page*page, min((r.Off+r.Len+page-1)/page*page, l.size); !l.pack.has(first, last-first) {
			return all, true
		}
	}
	return all, false
}

// gains reports whether pk, which takes stored bytes, is worth storing in place of the
// pack in the store: it has pages that are not there, and where a pack is as large as it
// may be, a sixteenth of it. Else the pack would be stored after each session in which
// more is read than a pack holds.
func (l *accessHistory) worthStoring(pk *pack, stored int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pack == nil {
		return true
	}
	added, least := int64(0), int64(0)
	for _, r := range pk.runs {
		for off := r.off; off < r.off+r.size; off += page {
			if n := min(page, r.off+r.size-off); !l.pack.has(off, n) {
				added += n
			}
		}
	}
	if stored > MaxPack/8*7 || pk.size > maxPages*page/8*7 {
		least = pk.size / 16
	}
	return added > least
}

// packOf returns a hot pack of what was read of o on demand in the first minute, of what
// the pack in the store has, of what was predicted, and of what lies around all that (see
// Options.Around), in this order, as far as it is held and fits; or false: nothing is
// known that the pack in the store lacks, or it is not known whether there is one. Reads
// in sequence do not count.
func (c *Cache) buildPack(o *object) ([]byte, bool) {
	l, ok := c.histories.Peek(o.id)
	if !ok || l.size != o.size {
		return nil, false
	}
	all, news := l.candidates()
	if !news {
		return nil, false
	}
	held := o.bounded(func(p []byte, off int64) (int, error) {
		if len(o.readHeld(p, off, prefetch)) > 0 {
			return 0, errNotHeld
		}
		return len(p), nil
	})
	b, err := fitPack(o.ref, o.size, held, choosePages(o.size, all, c.around), true)
	if err != nil {
		return nil, false
	}
	pk, err := decodePack(o.ref, o.size, b)
	return b, err == nil && l.worthStoring(pk, len(b))
}

// certain reports whether it is known if there is a pack.
func (l *accessHistory) isPackKnown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.packKnown
}

// askPack finds out what the pack in the store has, where nothing had to be fetched
// when the version was opened.
func (c *Cache) fetchStoredPack(ctx context.Context, o *object, l *accessHistory) {
	b, err := c.options.Hot(ctx, o.ref, o.size)
	if err != nil {
		l.setNoPack(errors.Is(err, store.ErrNotExist))
		return
	}
	c.n.bytesFetched.Add(int64(len(b)))
	if pk, err := decodePack(o.ref, o.size, b); err == nil {
		l.setPack(pk)
	} else {
		l.refusePack()
	}
}

// attendLesson hands out what is to be learned of a session: after a minute, and
// when it has ended and nobody has opened the version again for a while, as debuggers
// do several times in a row.
func (s *warmup) publish(ctx context.Context) {
	c := s.o.c
	defer c.wg.Done()
	c.n.publishing.Add(1)
	defer c.n.publishing.Add(-1)
	defer s.o.release()
	if sleep(ctx, recordFor) == nil {
		c.publishPack(s.o)
		<-ctx.Done()
	}
	if c.publisher.sleep(reopenWithin) && c.isOpen(s.o) {
		return // that session will
	}
	c.publishPack(s.o)
}

// isOpen reports whether somebody has a handle on o's version.
func (c *Cache) isOpen(o *object) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.objects[objectKey{o.name(), o.size}]
	return now != nil && now.handles > 0
}

// teach hands out a pack if there is news. One at a time is made, for each is large.
func (c *Cache) publishPack(o *object) {
	if !c.publisher.acquire() {
		return
	}
	defer c.publisher.release()
	o.waitFetches(c.publisher.ctx) // what was read last may not be stored yet
	ctx, cancel := context.WithTimeout(c.publisher.ctx, publishTimeout)
	defer cancel()
	if l := c.historyOf(o); !l.isPackKnown() {
		c.fetchStoredPack(ctx, o, l)
	}
	b, ok := c.buildPack(o)
	if !ok {
		return
	}
	err := c.options.Learned(ctx, o.ref, o.size, b)
	switch {
	case err == nil:
		c.n.packsLearned.Add(1)
		if pk, err := decodePack(o.ref, o.size, b); err == nil {
			c.historyOf(o).setPack(pk)
		}
	case errors.Is(err, store.ErrPermission):
		c.options.Log.Info("hot packs are not learned: the store takes none", "key", o.ref.Key, "err", err)
		c.publisher.disable()
	case ctx.Err() == nil:
		c.options.Log.Debug("hot pack not learned", "key", o.ref.Key, "err", err)
	}
}

// lectures are the packs that are being handed out.
type packPublisher struct {
	ctx      context.Context
	cancel   context.CancelFunc
	sem      chan struct{} // holds an element while a pack is made or handed out
	disabled atomic.Bool   // nobody wants any
	closed   chan struct{} // the cache is being closed
}

func newPackPublisher(wanted bool) *packPublisher {
	l := &packPublisher{sem: make(chan struct{}, 1), closed: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.disabled.Store(!wanted)
	return l
}

// pause waits for d; false: the cache is being closed.
func (l *packPublisher) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.closed:
		return false
	}
}

// enter waits for a turn; false: there is none any more.
func (l *packPublisher) acquire() bool {
	if l.disabled.Load() {
		return false
	}
	select {
	case l.sem <- struct{}{}:
		return true
	case <-l.ctx.Done():
		return false
	}
}

func (l *packPublisher) release() { <-l.sem }

// stop lets nobody enter any more.
func (l *packPublisher) disable() { l.disabled.Store(true) }
