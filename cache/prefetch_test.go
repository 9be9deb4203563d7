package cache

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"thothfs/cache/hotpack"
)

// predicts returns an Options.Predict that reads the first block and predicts ranges.
func predicts(ranges ...hotpack.Range) func(io.ReaderAt, int64, func(off, n int64)) error {
	return func(r io.ReaderAt, _ int64, want func(off, n int64)) error {
		want(0, 4096)
		if _, err := r.ReadAt(make([]byte, 4096), 0); err != nil {
			return err
		}
		for _, x := range ranges {
			want(x.Off, x.Len)
		}
		return nil
	}
}

// warmed waits until the data prefetched for f is stored.
func warmed(t testing.TB, f *File) {
	t.Helper()
	f.o.c.mu.Lock()
	s := f.o.warmup
	f.o.c.mu.Unlock()
	<-s.done
}

func TestPrefetch(t *testing.T) {
	const size, b = 64 << 20, 128 * kib
	src := &source{size: size}
	o := options(t, src)
	o.Around = 64 * kib
	o.Predict = predicts(hotpack.Range{Off: 10<<20 + 70*kib, Len: 4096}, hotpack.Range{Off: 10<<20 + 3*b, Len: 10}, hotpack.Range{Off: size - 1, Len: 100}, hotpack.Range{Off: 30 << 20, Len: 4096}, hotpack.Range{Off: 30 << 20, Len: 4096})
	c := open(t, o)
	f := openFile(t, c, "a", size)
	warmed(t, f)
	slices.SortFunc(src.calls, func(a, b span) int { return int(a.first - b.first) })
	want := []span{{0, b}, {10 << 20, 4 * b}, {30<<20 - b, 2 * b}, {size - b, b}}
	if !slices.Equal(src.calls, want) {
		t.Errorf("asked for %v, want %v", src.calls, want)
	}
	for _, off := range []int64{10<<20 + 6*kib, 30<<20 - 60*kib, 0} { // like page faults
		check(t, f, off, b)
	}
	check(t, f, 50<<20, 10)
	settle(t, c)
	s := c.Stats()
	if s.Prefetched != 8 || s.PrefetchUsed != 5 || s.Misses != 1 || s.PrefetchDropped != 0 {
		t.Errorf("%+v", s)
	}
	before := src.count()
	check(t, openFile(t, c, "a", size), 0, 10) // the prediction does not run again
	f.Close()
	for range 2 { // nor when everything is cached, even after a remount
		c.Close()
		c = open(t, o)
		f = openFile(t, c, "a", size)
		warmed(t, f)
	}
	if src.count() != before {
		t.Errorf("%d requests for what is held", src.count()-before)
	}
}

func TestPrefetchIsBoundedAndBelowDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 256 << 20
		var mu sync.Mutex
		var order []int64
		release := make(chan struct{})
		src := &source{size: size, hook: func(ctx context.Context, off int64, _ int) error {
			mu.Lock()
			order = append(order, off)
			mu.Unlock()
			if off == 0 {
				return nil
			}
			select {
			case <-release:
			case <-ctx.Done():
			}
			return ctx.Err()
		}}
		o := options(t, src)
		var ranges []hotpack.Range
		for i := range int64(100) {
			ranges = append(ranges, hotpack.Range{Off: (i + 1) << 20, Len: 10})
		}
		o.Predict = predicts(ranges...)
		o.Fetches, o.Around = 20, -1
		c := open(t, o)
		f := openFile(t, c, "a", size)
		synctest.Wait()
		if s := c.Stats(); src.count() != 11 || s.PrefetchQueued != 90 { // half of the slots
			t.Errorf("%d requests, %+v", src.count(), s)
		}
		var wg sync.WaitGroup
		for _, off := range []int64{200 << 20, 90 << 20} { // one is not predicted, the other queued
			wg.Go(func() { check(t, f, off, 10) })
		}
		synctest.Wait()
		slices.Sort(order[11:])
		if !slices.Equal(order[11:], []int64{90 << 20, 200 << 20}) {
			t.Errorf("then %v", order[11:])
		}
		close(release)
		wg.Wait()
		warmed(t, f)
		settle(t, c)
		if s := c.Stats(); s.PrefetchLate != 1 || s.PrefetchUsed != 1 || s.Prefetched != 101 || src.count() != 102 {
			t.Errorf("%d requests, %+v", src.count(), s)
		}
	})
}

func TestLastCloseDropsPrefetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 64 << 20
		src, release, cancelled := blocked(size)
		o := options(t, src)
		var ended atomic.Int64
		o.Predict = func(r io.ReaderAt, size int64, want func(off, n int64)) error {
			for i := range int64(40) {
				want(i<<20, 10)
			}
			_, err := r.ReadAt(make([]byte, 10), 50<<20)
			if errors.Is(err, context.Canceled) {
				ended.Add(1)
			}
			return err
		}
		c := open(t, o)
		f, g := openFile(t, c, "a", size), openFile(t, c, "a", size)
		synctest.Wait()
		f.Close()
		synctest.Wait()
		if src.count() != maxPrefetchRequests || cancelled.Load() != 0 {
			t.Errorf("%d requests, %d cancelled while a handle was open", src.count(), cancelled.Load())
		}
		g.Close()
		synctest.Wait()
		s := c.Stats()
		if cancelled.Load() < maxPrefetchRequests || ended.Load() != 1 || s.Sessions != 0 || s.PrefetchQueued != 0 || s.InFlight != 0 || s.Prefetched != s.PrefetchDropped {
			t.Errorf("%d cancelled, %+v", cancelled.Load(), s)
		}
		close(release)
		h := openFile(t, c, "a", size) // starts from the beginning
		synctest.Wait()
		check(t, h, 0, 10)
		c.Close()
		if s := c.Stats(); s.Sessions != 0 || s.OpenFiles != 0 || s.BufferedBytes != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestHostilePrediction predicts ranges outside the object, and far too many of them.
func TestHostilePrediction(t *testing.T) {
	const size = 8 << 30
	o := options(t, &source{size: size})
	o.Predict = func(r io.ReaderAt, _ int64, want func(off, n int64)) error {
		for _, x := range []hotpack.Range{{Off: -1, Len: 10}, {Off: 0, Len: -5}, {Off: size, Len: 1}, {Off: math.MaxInt64, Len: 1}, {Off: math.MaxInt64, Len: math.MaxInt64}, {Off: 1 << 30, Len: math.MaxInt64}, {Off: 5, Len: math.MaxInt64}} {
			want(x.Off, x.Len)
			if n, err := r.ReadAt(make([]byte, 3), x.Off); n > 0 && err != nil {
				t.Errorf("read at %d: %d, %v", x.Off, n, err)
			}
		}
		for i := range int64(10000) {
			want(i*700000, 1)
		}
		return io.ErrUnexpectedEOF
	}
	c := open(t, o)
	f := openFile(t, c, "a", size)
	warmed(t, f)
	check(t, f, 5<<30, 10)
	settle(t, c)
	if s := c.Stats(); s.BytesFetched > maxPrefetched+4<<20+hedged(s) {
		t.Errorf("%+v", s)
	}
}

// TestPrefetchFaults reads while prefetches fail.
func TestPrefetchFaults(t *testing.T) {
	const size = 16 << 20
	for n := range int64(12) {
		var calls atomic.Int64
		src := &source{size: size, hook: func(context.Context, int64, int) error {
			if calls.Add(1) == n {
				return io.ErrNoProgress
			}
			return nil
		}}
		o := options(t, src)
		o.Predict = predicts(hotpack.Range{Off: 3 << 20, Len: 1}, hotpack.Range{Off: 5 << 20, Len: 1}, hotpack.Range{Off: 7 << 20, Len: 1})
		c := open(t, o)
		f := openFile(t, c, "a", size)
		for _, off := range []int64{0, 3 << 20, 9 << 20} {
			if _, err := f.ReadAt(t.Context(), make([]byte, 10), off); err != nil && err != io.ErrNoProgress {
				t.Error(err)
			}
		}
		warmed(t, f)
		for _, off := range []int64{0, 3 << 20, 7 << 20, 9 << 20} {
			for { // one of these reads may fail
				p := make([]byte, 100)
				if _, err := f.ReadAt(t.Context(), p, off); err == nil {
					compare(t, f, p, off)
					break
				}
			}
		}
		settle(t, c)
		f.Close()
		c.Close()
	}
}
