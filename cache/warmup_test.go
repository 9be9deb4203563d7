package cache

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"thothfs/store"
	"thothfs/store/mem"
	"thothfs/store/storetest"

	"thothfs/cache/hotpack"
)

// TestManySessions reads 32 objects at the same time, sequentially and at random offsets, with
// a pack for one of them, with completion, and with a source that sometimes fails.
func TestManySessions(t *testing.T) {
	const objects, size = 32, 1<<20 + 99
	var calls atomic.Int64
	fail := &store.Error{Op: "read", Kind: store.ErrUnavailable}
	src := &source{size: size, hook: func(context.Context, int64, int) error {
		if calls.Add(1)%37 == 0 {
			return fail
		}
		return nil
	}}
	o := options(t, src)
	o.Memory, o.Quota, o.Complete = 8<<20, 20<<20, CompleteAlways
	o.Predict = predicts(hotpack.Range{Off: 300 * kib, Len: 4096}, hotpack.Range{Off: 600 * kib, Len: 100}, hotpack.Range{Off: size - 1, Len: 1})
	hot := packA(t, size, hotpack.Range{Off: 0, Len: 4096}, hotpack.Range{Off: 340 * kib, Len: 9000})
	o.Hot = func(_ context.Context, ref store.Ref, _ int64) ([]byte, error) {
		if ref == refA {
			return hot, nil
		}
		return nil, store.ErrNotExist
	}
	o.Learned = func(context.Context, store.Ref, int64, []byte) error { return nil }
	c := open(t, o)
	var wg sync.WaitGroup
	for i := range objects {
		key := "a"
		if i > 0 {
			key = fmt.Sprint("object", i)
		}
		wg.Go(func() { debug(t, c, key, size, rand.New(rand.NewPCG(1, uint64(i)))) })
	}
	wg.Wait()
	for c.Stats().Sessions > 0 || c.Stats().Lessons > 0 {
		settle(t, c)
	}
	settle(t, c)
	if s := c.Stats(); s.InFlight != 0 || s.BufferedBytes != 0 || s.PrefetchQueued != 0 || s.OpenFiles != 0 || s.Pinned != 0 || c.limiter.slots != 0 || c.limiter.prefetchSlots != 0 {
		t.Errorf("%+v", s)
	}
}

func debug(t *testing.T, c *Cache, key string, size int64, r *rand.Rand) {
	p := make([]byte, 40<<10)
	for range 4 {
		f := c.Open(store.Ref{Key: key, ETag: "v1"}, size)
		off := int64(0)
		for k := range 12 {
			n := 1 + r.IntN(len(p))
			if k%3 == 0 {
				off = r.Int64N(size)
			}
			if got, err := f.ReadAt(t.Context(), p[:n], off); err == nil || err == io.EOF {
				compare(t, f, p[:got], off)
			}
			off = (off + int64(n)) % size
			if l, ok := f.LocalFile(); ok {
				l.Release()
			}
		}
		f.Close()
	}
}

// TestSessionFaults makes the n-th request fail, for every n and each kind of fault, during
// prefetch and completion.
func TestSessionFaults(t *testing.T) {
	const size = 1 << 20
	data, sum := whole(size)
	storetest.Faults(t, storetest.AllFaults(), func(t *testing.T, arm func(*mem.Faulty)) {
		m := mem.New()
		attr := m.Set("a", data)
		o := options(t, m)
		o.Around = -1
		o.Predict = predicts(hotpack.Range{Off: 300 * kib, Len: 1}, hotpack.Range{Off: 700 * kib, Len: 1})
		c := open(t, o)
		arm(m.Faulty)
		f := c.Open(store.Ref{Key: "a", ETag: attr.ETag}, size)
		defer f.Close()
		f.Expect(sum)
		p := make([]byte, 4096)
		if _, err := f.ReadAt(t.Context(), p, 300*kib); err == nil {
			compare(t, f, p, 300*kib)
		} else if store.Kind(err) == nil {
			t.Errorf("not an error of the store: %v", err)
		}
		must(t, f.Warm(t.Context()))
		if err := f.Complete(t.Context()); err != nil && store.Kind(err) == nil {
			t.Errorf("not an error of the store: %v", err)
		}
		settle(t, c)
		m.Heal()
		must(t, f.Complete(t.Context()))
		check(t, f, 0, size)
		settle(t, c)
	})
}
