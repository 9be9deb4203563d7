package fs

import (
	"sync"
	"time"
	"weak"
)

// list is what a directory lists, as the catalogue answered once. All handles on the
// directory share it. The items do not change, though some may still be being read.
type list[T any] struct {
	generation uint64 // of the corpus before it was asked
	taken      time.Time
	items      T
}

// cachedList is the latest list of one directory, for as long as a handle or
// recentLists refers to it: lists of a million dumps must not accumulate.
type cachedList[T any] struct {
	mu     sync.Mutex // guards latest
	latest weak.Pointer[list[T]]
}

// fresh returns the list if it is still true, or nil. maxAge 0 means until the
// corpus changes.
func (k *cachedList[T]) fresh(t *Tree, maxAge time.Duration) *list[T] {
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

// get returns a list that is true now, and calls load when there is none.
func (k *cachedList[T]) get(t *Tree, maxAge time.Duration, load func() (T, error)) (*list[T], error) {
	if s := k.fresh(t, maxAge); s != nil {
		return s, nil
	}
	// The generation first: a change during load makes the list outdated.
	g, _ := t.lastChange()
	s := &list[T]{generation: g, taken: time.Now()}
	var err error
	if s.items, err = load(); err != nil {
		return nil, err
	}
	k.mu.Lock()
	k.latest = weak.Make(s)
	k.mu.Unlock()
	t.lists.add(k, s)
	return s, nil
}

// drop makes the next get load again, unless s was replaced already.
func (k *cachedList[T]) drop(s *list[T]) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.latest.Value() == s {
		k.latest = weak.Pointer[list[T]]{}
	}
}

// recentLists refers to the lists of the directories that were listed last, one each,
// so that the garbage collector leaves them.
type recentLists struct {
	mu   sync.Mutex // guards ring, next
	ring [16]struct{ of, list any }
	next int
}

// add adds s, the list of the directory known by of, and drops that of the directory
// that was listed longest ago.
func (r *recentLists) add(of, s any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.ring {
		if r.ring[i].of == of {
			r.ring[i].list = s
			return
		}
	}
	r.ring[r.next].of, r.ring[r.next].list = of, s
	r.next = (r.next + 1) % len(r.ring)
}
