package fs

import (
	"context"
	"slices"
	"sync"
	"time"
	"weak"
)

// list is the contents of a directory, as returned by one catalogue query and shared by all handles
// on the directory. The items do not change, though some may still be being read.
type list[T any] struct {
	generation uint64 // generation of the corpus before the query
	taken      time.Time
	items      T
}

// cachedList is the latest list of one directory. It is kept only as long as a handle or
// recentLists refers to it, so that lists of a million dumps do not accumulate.
type cachedList[T any] struct {
	mu     sync.Mutex // guards latest
	latest weak.Pointer[list[T]]
}

// fresh returns the list if it is still valid, or nil. A maxAge of 0 means that it stays valid
// until the corpus changes.
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

// get returns a valid list. If there is none, it calls load once the whole corpus has been read.
func (k *cachedList[T]) get(ctx context.Context, t *Tree, maxAge time.Duration, load func() (T, error)) (*list[T], error) {
	if s := k.fresh(t, maxAge); s != nil {
		return s, nil
	}
	// Read the generation first: a change during load makes the list outdated.
	g, _ := t.lastChange()
	s := &list[T]{generation: g, taken: time.Now()}
	var err error
	if s.items, err = fromWhole(ctx, t, load); err != nil {
		return nil, err
	}
	k.mu.Lock()
	k.latest = weak.Make(s)
	k.mu.Unlock()
	t.lists.add(k, s)
	return s, nil
}

// drop makes the next get call load again, unless s has already been replaced.
func (k *cachedList[T]) drop(s *list[T]) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.latest.Value() == s {
		k.latest = weak.Pointer[list[T]]{}
	}
}

// recentLists refers to the most recent lists, one for each directory, so that they are not garbage
// collected.
type recentLists struct {
	mu   sync.Mutex // guards list
	list []recentList
}

type recentList struct{ of, list any }

const maxRecentLists = 16

// add adds s, the list of the directory identified by of.
func (r *recentLists) add(of, s any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = slices.DeleteFunc(r.list, func(l recentList) bool { return l.of == of })
	if len(r.list) == maxRecentLists {
		r.list = slices.Delete(r.list, 0, 1)
	}
	r.list = append(r.list, recentList{of, s})
}
