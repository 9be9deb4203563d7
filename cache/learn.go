package cache

import (
	"sync"
	"time"

	"thothfs/store"
)

const (
	learnFor   = time.Minute // reads after that tell nothing of the next session
	maxLessons = 64          // versions remembered after their last handle is closed
	maxLearned = 4096        // reads remembered of each
)

// lesson is what was predicted of a version, and what was then read.
type lesson struct {
	size  int64
	begun time.Time

	mu    sync.Mutex // guards all below
	base  []Range    // predicted, or what the pack had
	reads []Range    // on demand, in order
	read  int64      // bytes of those
	known bool       // whether there is a pack is known, or nobody could tell
	pack  *pack      // the pages that it had, without their bytes; nil: none
}

// lesson returns that of o, which may be older than o.
func (c *Cache) lesson(o *object) *lesson {
	if l, ok := c.lessons.Get(o.id); ok && l.size == o.size {
		return l
	}
	l := &lesson{size: o.size, begun: time.Now(), known: c.options.Hot == nil}
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

// packed notes what the pack had.
func (l *lesson) packed(pk *pack) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known, l.pack = true, &pack{}
	for _, r := range pk.ranges() {
		l.pack.runs = append(l.pack.runs, run{off: r.Off, size: r.Len})
	}
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

// ranges returns what belongs in a pack, the most certain first, and whether
// that is more than the pack in the store has.
func (l *lesson) ranges() (all []Range, news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pack != nil {
		all = append(all, l.pack.ranges()...)
	}
	all = append(append(all, l.base...), l.reads...)
	if !l.known || len(all) == 0 {
		return nil, false
	}
	if l.pack == nil {
		return all, true
	}
	for _, r := range l.reads {
		if first, last := r.Off/page*page, min((r.Off+r.Len+page-1)/page*page, l.size); !l.pack.has(first, last-first) {
			return all, true
		}
	}
	return all, false
}

// PackOf returns a hot pack of what was predicted for the version ref and what
// was then read of it on demand in the first minute, at most [MaxPack] bytes of
// it and only what is held, or false: nothing is known that the pack in the
// store lacks, or it is not known whether there is one. Reads in sequence do not
// count. It may be called until some time after the last handle was closed, does
// not touch the Source, and is to be stored by the caller.
func (c *Cache) PackOf(ref store.Ref) ([]byte, bool) {
	v := newVersion(ref, 0, c.block)
	l, ok := c.lessons.Get(v.id)
	if !ok {
		return nil, false
	}
	all, news := l.ranges()
	if !news {
		return nil, false
	}
	o := c.enter(newVersion(ref, l.size, c.block))
	defer o.release()
	held := o.bounded(func(p []byte, off int64) (int, error) {
		if len(o.readLocal(p, off, prefetch)) > 0 {
			return 0, errAbsent
		}
		return len(p), nil
	})
	pk, err := gather(l.size, held, choosePages(l.size, all, 0), true)
	if err != nil || pk.size == 0 {
		return nil, false
	}
	b, err := pk.encode(ref, l.size)
	return b, err == nil
}
