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
	learnFor   = time.Minute      // reads after that tell nothing of the next session
	maxLessons = 64               // versions remembered after their last handle is closed
	maxLearned = 4096             // reads remembered of each
	teachFor   = 30 * time.Second // to hand out a pack
	lastWords  = 3 * time.Second  // after Close
	refusedFor = time.Hour        // a pack that was of no use is not fetched again
	again      = 5 * time.Second  // after a close, in which the version may be opened again
)

// lesson is what was predicted of a version, and what was then read.
type lesson struct {
	size  int64
	begun time.Time

	mu    sync.Mutex // guards all below
	base  []Range    // predicted
	whole bool       // the prediction was run to its end, or there is none to run
	reads []Range    // on demand, in order
	read  int64      // bytes of those
	known bool       // whether there is a pack is known, or nobody could tell
	pack  *pack      // the pages that it had, without their bytes; nil: none
	bad   time.Time  // when the pack was refused
}

// lesson returns that of o, which may be older than o.
func (c *Cache) lesson(o *object) *lesson {
	if l, ok := c.lessons.Get(o.id); ok && l.size == o.size {
		return l
	}
	l := &lesson{size: o.size, begun: time.Now(), known: c.options.Hot == nil, whole: c.options.Predict == nil}
	c.lessons.Add(o.id, l)
	return l
}

// predicted notes what a prediction told.
func (l *lesson) predicted(r Range) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.base) < maxPredicted {
		l.base = append(l.base, r)
	}
}

// foretold notes that a prediction has told all that it could. A pack of less would
// stand in the way of a better one.
func (l *lesson) foretold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.whole = true
}

// packed notes what the pack had.
func (l *lesson) packed(pk *pack) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known, l.pack, l.bad = true, &pack{}, time.Time{}
	for _, r := range pk.ranges() {
		l.pack.runs = append(l.pack.runs, run{off: r.Off, size: r.Len})
	}
}

// refused notes that the pack in the store is of no use.
func (l *lesson) refused() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known, l.bad = true, time.Now()
}

// isRefused reports whether that was so a short while ago: then the pack need not be
// fetched again.
func (l *lesson) isRefused() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.bad) < refusedFor
}

// packless notes that there is no pack, if that is certain.
func (l *lesson) packless(certain bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = l.known || certain
}

// note notes a read on demand; l may be nil.
func (l *lesson) note(off, n int64) {
	if l == nil || time.Since(l.begun) > learnFor {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.reads) < maxLearned && l.read < 2*MaxPack {
		l.reads = append(l.reads, Range{off, n})
		l.read += n
	}
}

// ranges returns what belongs in a pack, the most certain first, and whether that is
// more than the pack in the store has. What was read comes first: of what was only
// foretold little may ever be read, and it must not fill the pack.
func (l *lesson) ranges() (all []Range, news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all = append(all, l.reads...)
	if l.pack != nil {
		all = append(all, l.pack.ranges()...)
	}
	all = append(all, l.base...)
	if !l.known || len(all) == 0 {
		return nil, false
	}
	if l.pack == nil {
		return all, l.whole
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
func (l *lesson) gains(pk *pack, stored int) bool {
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
func (c *Cache) packOf(o *object) ([]byte, bool) {
	l, ok := c.lessons.Peek(o.id)
	if !ok || l.size != o.size {
		return nil, false
	}
	all, news := l.ranges()
	if !news {
		return nil, false
	}
	held := o.bounded(func(p []byte, off int64) (int, error) {
		if len(o.readLocal(p, off, prefetch)) > 0 {
			return 0, errAbsent
		}
		return len(p), nil
	})
	b, err := fitPack(o.ref, o.size, held, choosePages(o.size, all, c.around), true)
	if err != nil {
		return nil, false
	}
	pk, err := decodePack(o.ref, o.size, b)
	return b, err == nil && l.gains(pk, len(b))
}

// certain reports whether it is known if there is a pack.
func (l *lesson) certain() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known
}

// askPack finds out what the pack in the store has, where nothing had to be fetched
// when the version was opened.
func (c *Cache) askPack(ctx context.Context, o *object, l *lesson) {
	b, err := c.options.Hot(ctx, o.ref, o.size)
	if err != nil {
		l.packless(errors.Is(err, store.ErrNotExist))
		return
	}
	c.n.bytesFetched.Add(int64(len(b)))
	if pk, err := decodePack(o.ref, o.size, b); err == nil {
		l.packed(pk)
	} else {
		l.refused()
	}
}

// attendLesson hands out what is to be learned of a session: after a minute, and
// when it has ended and nobody has opened the version again for a while, as debuggers
// do several times in a row.
func (s *session) attendLesson(ctx context.Context) {
	c := s.o.c
	defer c.wg.Done()
	c.n.teaching.Add(1)
	defer c.n.teaching.Add(-1)
	defer s.o.release()
	if pause(ctx, learnFor) == nil {
		c.teach(s.o)
		<-ctx.Done()
	}
	if c.lectures.pause(again) && c.isOpen(s.o) {
		return // that session will
	}
	c.teach(s.o)
}

// isOpen reports whether somebody has a handle on o's version.
func (c *Cache) isOpen(o *object) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.objects[objectKey{o.name(), o.size}]
	return now != nil && now.handles > 0
}

// teach hands out a pack if there is news. One at a time is made, for each is large.
func (c *Cache) teach(o *object) {
	if !c.lectures.enter() {
		return
	}
	defer c.lectures.leave()
	o.landing(c.lectures.ctx) // what was read last may not be stored yet
	ctx, cancel := context.WithTimeout(c.lectures.ctx, teachFor)
	defer cancel()
	if l := c.lesson(o); !l.certain() {
		c.askPack(ctx, o, l)
	}
	b, ok := c.packOf(o)
	if !ok {
		return
	}
	err := c.options.Learned(ctx, o.ref, o.size, b)
	switch {
	case err == nil:
		c.n.packsLearned.Add(1)
		if pk, err := decodePack(o.ref, o.size, b); err == nil {
			c.lesson(o).packed(pk)
		}
	case errors.Is(err, store.ErrPermission):
		c.options.Log.Info("hot packs are not learned: the store takes none", "key", o.ref.Key, "err", err)
		c.lectures.stop()
	case ctx.Err() == nil:
		c.options.Log.Debug("hot pack not learned", "key", o.ref.Key, "err", err)
	}
}

// lectures are the packs that are being handed out.
type lectures struct {
	ctx    context.Context
	cancel context.CancelFunc
	turn   chan struct{} // holds an element while a pack is made or handed out
	idle   atomic.Bool   // nobody wants any
	closed chan struct{} // the cache is being closed
}

func newLectures(wanted bool) *lectures {
	l := &lectures{turn: make(chan struct{}, 1), closed: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.idle.Store(!wanted)
	return l
}

// pause waits for d; false: the cache is being closed.
func (l *lectures) pause(d time.Duration) bool {
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
func (l *lectures) enter() bool {
	if l.idle.Load() {
		return false
	}
	select {
	case l.turn <- struct{}{}:
		return true
	case <-l.ctx.Done():
		return false
	}
}

func (l *lectures) leave() { <-l.turn }

// stop lets nobody enter any more.
func (l *lectures) stop() { l.idle.Store(true) }
