package fs

import (
	"sync"
	"time"
	"weak"
)

// snapshot is an answer of the catalogue, shared by everybody who asks the same
// thing. Its items do not change, though some may still be on their way.
type snapshot[T any] struct {
	generation uint64 // of the corpus before it was asked
	taken      time.Time
	items      T
}

// kept is the latest snapshot of one directory, for as long as a handle or the
// recently used ones hold it: the lists of a million dumps must not pile up.
type kept[T any] struct {
	mu     sync.Mutex // guards latest
	latest weak.Pointer[snapshot[T]]
}

// fresh returns the snapshot if it is still true, or nil. maxAge 0 is: until the
// corpus changes.
func (k *kept[T]) fresh(t *tree, maxAge time.Duration) *snapshot[T] {
	k.mu.Lock()
	s := k.latest.Value()
	k.mu.Unlock()
	if s == nil {
		return nil
	}
	if g, _ := t.lastChange(); g != s.generation || maxAge > 0 && time.Since(s.taken) > maxAge {
		return nil
	}
	return s
}

// get returns a snapshot that is true now, by load when there is none.
func (k *kept[T]) get(t *tree, maxAge time.Duration, load func() (T, error)) (*snapshot[T], error) {
	if s := k.fresh(t, maxAge); s != nil {
		return s, nil
	}
	// The generation first: what changes while we load makes the snapshot old.
	g, _ := t.lastChange()
	s := &snapshot[T]{generation: g, taken: time.Now()}
	var err error
	if s.items, err = load(); err != nil {
		return nil, err
	}
	k.mu.Lock()
	k.latest = weak.Make(s)
	k.mu.Unlock()
	t.recent.keep(k, s)
	return s, nil
}

// drop has the next get load anew, unless somebody did so already.
func (k *kept[T]) drop(s *snapshot[T]) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.latest.Value() == s {
		k.latest = weak.Pointer[snapshot[T]]{}
	}
}

// recentSnapshots keeps the latest snapshots of the directories last listed from
// the garbage collector, one of each.
type recentSnapshots struct {
	mu   sync.Mutex // guards ring, next
	ring [16]struct{ of, snapshot any }
	next int
}

// keep keeps s, the snapshot of the directory known by of, in the place of the last.
func (r *recentSnapshots) keep(of, s any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.ring {
		if r.ring[i].of == of {
			r.ring[i].snapshot = s
			return
		}
	}
	r.ring[r.next].of, r.ring[r.next].snapshot = of, s
	r.next = (r.next + 1) % len(r.ring)
}
