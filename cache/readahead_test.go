package cache

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestStream(t *testing.T) {
	const b, size = 128 * kib, 1 << 30
	sequence := func(n int64, offs ...int64) (total, window int64) {
		s := stream{block: b, size: size, maxWindow: maxWindow}
		last := int64(0)
		for _, off := range offs {
			from, to := s.record(off*kib, n*kib)
			if from%b != 0 || from < last && from < to {
				t.Errorf("range %d to %d after %d", from, to, last)
			}
			total += to - from
			last = max(last, to)
		}
		return total / b, s.window / b
	}
	for _, tc := range []struct {
		name          string
		n             int64
		offs          []int64
		total, window int64
	}{
		{"one read", 128, []int64{0}, 0, 0},
		{"two", 128, []int64{0, 128}, 1, 1},
		{"doubling", 128, []int64{0, 128, 256, 384}, 6, 4},
		{"out of order", 128, []int64{128, 0, 384, 256, 512}, 3, 2},
		{"pages in a row", 4, []int64{0, 4, 8, 12, 16, 20}, 0, 0},
		{"same page", 4, []int64{0, 0, 0, 0, 200, 200, 200, 200, 260, 260}, 0, 0},
		{"backwards", 128, []int64{1024, 896, 768, 640}, 0, 0},
		{"faults around", 128, []int64{64, 5000, 300, 9000, 700}, 0, 0},
		{"every other", 4, []int64{0, 100, 200, 300, 400, 500}, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if total, window := sequence(tc.n, tc.offs...); total != tc.total || window != tc.window {
				t.Errorf("%d blocks ahead, window %d; want %d, %d", total, window, tc.total, tc.window)
			}
		})
	}
	t.Run("window is bounded", func(t *testing.T) {
		s := stream{block: b, size: size, maxWindow: maxWindow}
		for off := int64(0); off < 200<<20; off += b {
			_, to := s.record(off, b)
			if to-off > maxWindow+2*b {
				t.Fatalf("%d ahead", to-off)
			}
		}
		if s.window != maxWindow || s.requestSize() != maxRequest {
			t.Errorf("window %d, requests of %d", s.window, s.requestSize())
		}
		narrow := stream{block: b, size: size, maxWindow: 512 * kib}
		if narrow.requestSize() != 512*kib {
			t.Errorf("requests of %d in a narrow window", narrow.requestSize())
		}
	})
}

func TestSequentialReaderFindsBlocksFetched(t *testing.T) {
	const size = 32 << 20
	src := &source{size: size}
	c := open(t, options(t, src))
	f := openFile(t, c, "a", size)
	for off := int64(0); off < size; off += 128 * kib {
		check(t, f, off, 128*kib)
		settle(t, c) // simulates a slow reader
	}
	s := c.Stats()
	if s.Misses > 4 || s.BytesFetched < size || s.BytesFetched > size+hedged(s) || s.ReadAhead < size/(128*kib)-4 {
		t.Errorf("%+v", s)
	}
	if s.Fetches-s.Hedges > 50 {
		t.Errorf("%d requests", s.Fetches)
	}
}

// hedged returns an upper bound of the bytes fetched twice on a slow machine.
func hedged(s Stats) int64 { return s.Hedges * maxRequest }

func TestRandomReaderIsNotAmplified(t *testing.T) {
	const size = 256 << 20
	c := open(t, options(t, &source{size: size}))
	f := openFile(t, c, "a", size)
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		check(t, f, r.Int64N(size/4096)*4096, 4096)
	}
	settle(t, c)
	if s := c.Stats(); s.ReadAhead != 0 || s.BytesFetched > 300*128*kib {
		t.Errorf("%+v", s)
	}
}

func TestCloseDropsReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 32 << 20
		var cancelled atomic.Int64
		src := &source{size: size, hook: func(ctx context.Context, off int64, _ int) error {
			if off < 256*kib {
				return nil
			}
			<-ctx.Done()
			cancelled.Add(1)
			return ctx.Err()
		}}
		c := open(t, options(t, src))
		f, other := openFile(t, c, "a", size), openFile(t, c, "a", size)
		check(t, f, 0, 128*kib)
		check(t, f, 128*kib, 128*kib)
		synctest.Wait()
		if c.Stats().ReadAhead != 1 || src.count() != 3 {
			t.Fatalf("%+v", c.Stats())
		}
		ctx, interrupt := context.WithCancel(t.Context())
		left := make(chan struct{})
		go func() {
			_, _ = other.ReadAt(ctx, make([]byte, 10), 256*kib) // waits for the same block
			close(left)
		}()
		synctest.Wait()
		f.Close()
		synctest.Wait()
		if cancelled.Load() != 0 {
			t.Error("read-ahead that a reader waits for was dropped")
		}
		interrupt()
		<-left
		synctest.Wait()
		if cancelled.Load() != 1 || src.count() != 3 {
			t.Errorf("%d cancelled, %d requests", cancelled.Load(), src.count())
		}
		settle(t, c)
	})
}

func TestJumpDropsReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 32 << 20
		var cancelled atomic.Int64
		src := &source{size: size, hook: func(ctx context.Context, off int64, _ int) error {
			if off != 256*kib {
				return nil
			}
			<-ctx.Done()
			cancelled.Add(1)
			return ctx.Err()
		}}
		c := open(t, options(t, src))
		f := openFile(t, c, "a", size)
		check(t, f, 0, 128*kib)
		check(t, f, 128*kib, 128*kib)
		check(t, f, 20<<20, 4096)
		settle(t, c)
		if cancelled.Load() != 1 {
			t.Errorf("%d cancelled", cancelled.Load())
		}
	})
}

func TestReadAheadYieldsToDemand(t *testing.T) {
	const size = 64 << 20
	c := open(t, options(t, &source{size: size}))
	for range 24 { // take three quarters of the slots
		if !c.limiter.tryAcquire(128 * kib) {
			t.Fatal("gate")
		}
	}
	f := openFile(t, c, "a", size)
	for off := int64(0); off < 4<<20; off += 128 * kib {
		check(t, f, off, 128*kib)
	}
	for range 24 {
		c.limiter.releaseSlot(nil)
		c.limiter.free(128 * kib)
	}
	settle(t, c)
	if s := c.Stats(); s.AheadDropped == 0 || s.ReadAhead != 0 || s.Misses != 32 {
		t.Errorf("%+v", s)
	}
}

// TestInterleavedReadersAreKeptApart reads one handle sequentially in several places in turn,
// and sometimes at random offsets.
func TestInterleavedReadersAreKeptApart(t *testing.T) {
	const size = 512 << 20
	c := open(t, options(t, &source{size: size}))
	f := openFile(t, c, "a", size)
	r := rand.New(rand.NewPCG(1, 2))
	for off := int64(0); off < 16<<20; off += 128 * kib {
		for i := range int64(4) {
			check(t, f, i<<26+off, 128*kib)
		}
		if off > 1<<20 && off%(1<<20) == 0 {
			check(t, f, 300<<20+r.Int64N(200<<20), 10)
		}
		settle(t, c)
	}
	if s := c.Stats(); s.Misses > 4*5+16+s.AheadDropped || s.BytesFetched > 4*(16+8+2)<<20+hedged(s) {
		t.Errorf("%+v", s)
	}
}

func TestStreamsYoungAndProven(t *testing.T) {
	const b = 128 * kib
	s := streams{block: b, size: 1 << 30, maxWindow: maxWindow}
	at := func(off int64) (window int64) {
		st, _, _, _ := s.record(off, b)
		return st.window
	}
	at(0)
	if at(b) != b {
		t.Fatal("no sequence")
	}
	at(500 << 20)
	if at(2*b) != b {
		t.Error("place forgotten, or read-ahead of a young stream kept")
	}
	for i := range int64(20) {
		at((3 + i) * b)
	}
	at(700 << 20)
	if w := at(23 * b); w <= provenWindow*b {
		t.Errorf("window %d after a jump", w)
	}
	for i := range int64(maxStreams) {
		at((100 + 50*i) << 20)
	}
	if w := at(24 * b); w != 0 || len(s.list) != maxStreams {
		t.Errorf("window %d, %d streams", w, len(s.list))
	}
}
