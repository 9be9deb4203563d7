package keyedlock

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

func TestOneHolderAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Mutexes[string]
		a, err := m.Lock(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		b, err := m.Lock(t.Context(), "b") // another key
		if err != nil {
			t.Fatal(err)
		}
		b()
		locked := false
		go func() {
			unlock, err := m.Lock(t.Context(), "a")
			if err != nil {
				t.Error(err)
				return
			}
			locked = true
			unlock()
		}()
		synctest.Wait()
		if locked {
			t.Fatal("two hold the mutex of one key")
		}
		a()
		synctest.Wait()
		if !locked || len(m.at) != 0 {
			t.Fatalf("locked: %v; %d mutexes are left", locked, len(m.at))
		}
	})
}

func TestContextEnds(t *testing.T) {
	var m Mutexes[int]
	unlock, err := m.Lock(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Lock(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	unlock()
	if len(m.at) != 0 {
		t.Fatalf("%d mutexes are left", len(m.at))
	}
}

func TestMany(t *testing.T) {
	var m Mutexes[int]
	var counts [4]int
	var all sync.WaitGroup
	for i := range 400 {
		all.Go(func() {
			unlock, err := m.Lock(t.Context(), i%4)
			if err != nil {
				t.Error(err)
				return
			}
			counts[i%4]++
			unlock()
		})
	}
	all.Wait()
	if counts != [4]int{100, 100, 100, 100} || len(m.at) != 0 {
		t.Fatal(counts, len(m.at))
	}
}
