// Package keyedlock has a mutex for each of many keys. A mutex exists only while somebody
// holds it or waits for it.
//
// A single mutex that a context can interrupt is semaphore.NewWeighted(1) of golang.org/x/sync.
package keyedlock

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Mutexes are the mutexes of keys of type K. The zero value is ready for use. It must not
// be copied.
type Mutexes[K comparable] struct {
	mu sync.Mutex // guards what follows
	at map[K]*mutex
}

type mutex struct {
	sem   *semaphore.Weighted
	users int // the holder and those who wait
}

// Lock locks the mutex of key. The caller calls unlock once. If ctx ends first, Lock
// returns ctx.Err() and locks nothing.
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
