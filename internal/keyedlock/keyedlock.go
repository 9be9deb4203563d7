// Package keyedlock provides a mutex for each of many keys. A mutex exists only while it is
// held or waited for.
//
// For a single mutex that a context can interrupt, use semaphore.NewWeighted(1) of
// golang.org/x/sync.
package keyedlock

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Mutexes is a set of mutexes, one for each key of type K. The zero value is ready for use. It
// must not be copied.
type Mutexes[K comparable] struct {
	mu sync.Mutex // guards the field below
	at map[K]*mutex
}

type mutex struct {
	sem   *semaphore.Weighted
	users int // the holder and the waiters
}

// Lock locks the mutex of key. The caller must call unlock exactly once. If ctx is done first,
// Lock returns ctx.Err() and locks nothing.
func (m *Mutexes[K]) Lock(ctx context.Context, key K) (unlock func(), err error) {
	m.mu.Lock()
	x := m.at[key]
	if x == nil {
		if m.at == nil {
			m.at = map[K]*mutex{}
		}
		x = &mutex{sem: semaphore.NewWeighted(1)}
		m.at[key] = x
	}
	x.users++
	m.mu.Unlock()
	if err := x.sem.Acquire(ctx, 1); err != nil {
		m.drop(key, x)
		return nil, err
	}
	return func() { x.sem.Release(1); m.drop(key, x) }, nil
}

func (m *Mutexes[K]) drop(key K, x *mutex) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if x.users--; x.users == 0 {
		delete(m.at, key)
	}
}
