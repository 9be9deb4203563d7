package cache

import (
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/store"

	"thothfs/cache/hotpack"
)

// TestPackIsServed reads the content of a pack from memory, from disk, after a remount, and
// with a failing disk. It checks that the source gets no request.
func TestPackIsServed(t *testing.T) {
	const size = 20<<20 + 1234
	hot := []hotpack.Range{{Off: 0, Len: 8192}, {Off: 5<<20 + 120*kib, Len: 20 * kib}, {Off: 7 << 20, Len: 128 * kib}, {Off: size - 1, Len: 1}}
	reads := []hotpack.Range{{Off: 0, Len: 100}, {Off: 4000, Len: 4192}, {Off: 5<<20 + 125*kib, Len: 15 * kib}, {Off: 7 << 20, Len: 128 * kib}, {Off: size - 1000, Len: 1000}}
	for _, broken := range []bool{false, true} {
		var asked atomic.Int64
		src := &source{size: size}
		o := options(t, src)
		b := packA(t, size, hot...)
		o.Hot = func(_ context.Context, ref store.Ref, n int64) ([]byte, error) {
			asked.Add(1)
			return b, nil
		}
		o.Predict = func(r io.ReaderAt, _ int64, want func(off, n int64)) error {
			for _, x := range hot {
				want(x.Off, x.Len)
				if _, err := r.ReadAt(make([]byte, 10), x.Off); err != nil && err != io.EOF {
					return err
				}
			}
			return nil
		}
		if broken {
			o.fault = func(string) error { return syscall.EIO }
		}
		c := open(t, o)
		f := openFile(t, c, "a", size)
		must(t, f.Warm(t.Context()))
		before := src.count() // the prediction may have started
		for range 2 {
			for _, r := range reads {
				check(t, f, r.Off, int(r.Len))
			}
		}
		if src.count() != before {
			t.Errorf("%d requests for what the pack has", src.count()-before)
		}
		if s := c.Stats(); s.Packs != 1 || s.Misses != 0 || s.PrefetchUsed == 0 {
			t.Errorf("%+v", s)
		}
		for _, r := range []hotpack.Range{{Off: 8192, Len: 1}, {Off: 4096, Len: 8192}, {Off: 5<<20 + 119*kib, Len: 2 * kib}, {Off: 0, Len: 1 << 20}, {Off: 6 << 20, Len: 2 << 20}} {
			check(t, f, r.Off, int(r.Len)) // not in the pack, or only in part
		}
		settle(t, c)
		if broken {
			continue
		}
		c.Close()
		before = src.count()
		c = open(t, o)
		f = openFile(t, c, "a", size)
		must(t, f.Warm(t.Context()))
		for _, r := range reads {
			check(t, f, r.Off, int(r.Len))
		}
		if src.count() != before || asked.Load() != 1 {
			t.Errorf("%d requests after the remount, %d packs asked for", src.count()-before, asked.Load())
		}
	}
}

// TestPackAndDemandRace makes a reader wait for a block that is being fetched, while the pack
// arrives earlier, later, or never.
func TestPackAndDemandRace(t *testing.T) {
	const size = 4 << 20
	for _, tc := range []struct {
		name        string
		pack, block time.Duration
		off         int64
		want        time.Duration
		misses      int64
	}{
		{"pack first", 20 * time.Millisecond, 50 * time.Millisecond, 0, 20 * time.Millisecond, 1},
		{"pack late", 5 * time.Second, 50 * time.Millisecond, 0, 50 * time.Millisecond, 1},
		{"pack without the block", 20 * time.Millisecond, 50 * time.Millisecond, 2 << 20, 50 * time.Millisecond, 1},
		{"pack never", time.Hour, 50 * time.Millisecond, 0, 50 * time.Millisecond, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var cancelled atomic.Int64
				src := &source{size: size, hook: func(ctx context.Context, _ int64, _ int) error {
					if err := until(ctx, time.Now().Add(tc.block)); err != nil {
						cancelled.Add(1)
						return err
					}
					return nil
				}}
				o := options(t, src)
				o.Hot = func(ctx context.Context, _ store.Ref, _ int64) ([]byte, error) {
					if err := until(ctx, time.Now().Add(tc.pack)); err != nil {
						return nil, err
					}
					return packA(t, size, hotpack.Range{Off: 0, Len: 16 * kib}), nil
				}
				c := open(t, o)
				f := openFile(t, c, "a", size)
				begun := time.Now()
				var wg sync.WaitGroup
				for i := range int64(3) {
					wg.Go(func() { check(t, f, tc.off+100*i, 5000) })
				}
				wg.Wait()
				if took := time.Since(begun); took != tc.want {
					t.Errorf("after %v, want %v", took, tc.want)
				}
				time.Sleep(time.Second)
				if cancelled.Load() != 0 {
					t.Error("a request was cancelled, and with it a connection")
				}
				f.Close()
				synctest.Wait()
				settle(t, c)
				if s := c.Stats(); s.Sessions != 0 || s.InFlight != 0 || s.BufferedBytes != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// TestPredictionWaitsForThePack checks that the prediction waits for the pack, but not for
// long.
func TestPredictionWaitsForThePack(t *testing.T) {
	for _, tc := range []struct {
		name     string
		pack     time.Duration
		err      error
		requests int
	}{
		{"in time", 60 * time.Millisecond, nil, 1},
		{"none", 60 * time.Millisecond, store.ErrNotExist, 4},
		{"late", 10 * time.Second, nil, 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const size = 64 << 20
				src := &source{size: size, hook: func(ctx context.Context, _ int64, _ int) error {
					return until(ctx, time.Now().Add(20*time.Millisecond))
				}}
				o := options(t, src)
				o.Predict = predicts(hotpack.Range{Off: 10<<20 + 70*kib, Len: 10}, hotpack.Range{Off: 20<<20 + 70*kib, Len: 10}, hotpack.Range{Off: 30<<20 + 70*kib, Len: 10})
				o.Hot = func(ctx context.Context, _ store.Ref, _ int64) ([]byte, error) {
					if err := until(ctx, time.Now().Add(tc.pack)); err != nil {
						return nil, err
					}
					return packA(t, size, hotpack.Range{Off: 10<<20 + 70*kib, Len: 10}), tc.err
				}
				c := open(t, o)
				f := openFile(t, c, "a", size)
				time.Sleep(time.Second)
				if got := src.count(); got != tc.requests {
					t.Errorf("%d requests, want %d", got, tc.requests)
				}
				f.Close()
				settle(t, c)
			})
		})
	}
}

// packStore stores packs of refA.
type packStore struct {
	pack atomic.Pointer[[]byte]
	puts atomic.Int64
	err  atomic.Pointer[error] // error returned by the next puts
}

func (s *packStore) hot(context.Context, store.Ref, int64) ([]byte, error) {
	if b := s.pack.Load(); b != nil {
		return *b, nil
	}
	return nil, &store.Error{Op: "get", Kind: store.ErrNotExist}
}

func (s *packStore) learned(_ context.Context, _ store.Ref, _ int64, b []byte) error {
	s.puts.Add(1)
	if err := s.err.Load(); err != nil {
		return *err
	}
	s.pack.Store(&b)
	return nil
}

// waitPublished waits until no packs are left to publish. It needs a synctest bubble.
func waitPublished(t *testing.T, c *Cache) {
	t.Helper()
	for range 1000 {
		settle(t, c)
		if s := c.Stats(); s.Lessons == 0 && s.Sessions == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("still at it: %+v", c.Stats())
}

func TestLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 64 << 20
		src := &source{size: size}
		o := options(t, src)
		o.Around = -1
		o.Predict = predicts(hotpack.Range{Off: 10 << 20, Len: 100})
		var packs packStore
		o.Hot, o.Learned = packs.hot, packs.learned
		c := open(t, o)
		f := openFile(t, c, "a", size)
		must(t, f.Warm(t.Context()))
		check(t, f, 30<<20, 5000)
		for off := int64(40 << 20); off < 44<<20; off += 128 * kib {
			check(t, f, off, 128*kib) // sequential, so only the beginning is learned
		}
		time.Sleep(recordFor + time.Second)
		if packs.puts.Load() != 1 {
			t.Errorf("%d packs after a minute", packs.puts.Load())
		}
		check(t, f, 50<<20, 10) // too late to be learned
		f.Close()
		waitPublished(t, c)
		if packs.puts.Load() != 1 || c.Stats().PacksLearned != 1 {
			t.Fatalf("%d packs, %+v", packs.puts.Load(), c.Stats())
		}
		p, err := hotpack.Decode(refA, size, *packs.pack.Load())
		must(t, err)
		for off, want := range map[int64]bool{0: true, 10 << 20: true, 30<<20 + 8191: true, 30<<20 + 8192: false, 43 << 20: false, 50 << 20: false} {
			if p.Has(off, 1) != want {
				t.Errorf("%d in the pack: %v", off, !want)
			}
		}
		c.Close()
		other := options(t, src) // another machine
		other.Predict, other.Hot, other.Learned = o.Predict, o.Hot, o.Learned
		c = open(t, other)
		f = openFile(t, c, "a", size)
		must(t, f.Warm(t.Context()))
		before := src.count()
		check(t, f, 30<<20, 5000)
		if src.count() != before {
			t.Error("the second session stalls")
		}
		f.Close()
		waitPublished(t, c)
		if packs.puts.Load() != 1 {
			t.Error("nothing new, but a pack")
		}
		f = openFile(t, c, "a", size)
		must(t, f.Warm(t.Context()))
		check(t, f, 60<<20, 10)
		f.Close()
		waitPublished(t, c)
		p, err = hotpack.Decode(refA, size, *packs.pack.Load())
		if err != nil || !p.Has(60<<20, 10) || !p.Has(30<<20, 8192) || !p.Has(10<<20, 100) {
			t.Errorf("not merged: %v", err)
		}
	})
}

// TestSecondSessionWaitsForNothing reads pages all over a version, none of them predicted, then
// the same pages in an empty cache.
func TestSecondSessionWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 512 << 20
		src := &source{size: size}
		var packs packStore
		session := func() Stats {
			o := options(t, src)
			o.Predict = predicts(hotpack.Range{Off: 0, Len: 4096}, hotpack.Range{Off: 10 << 20, Len: 100})
			o.Hot, o.Learned = packs.hot, packs.learned
			c := open(t, o)
			defer c.Close()
			f := openFile(t, c, "a", size)
			must(t, f.Warm(t.Context()))
			r := rand.New(rand.NewPCG(4, 5))
			for range 300 {
				check(t, f, r.Int64N(size-4096), 4096)
			}
			f.Close()
			waitPublished(t, c)
			return c.Stats()
		}
		first, second := session(), session()
		if first.Misses < 200 || second.Misses != 0 || packs.puts.Load() != 1 {
			t.Errorf("%d misses, then %d; %d packs", first.Misses, second.Misses, packs.puts.Load())
		}
	})
}

// TestLearnedOfWhatIsHeld opens a version that is completely cached, so that the pack is not
// fetched when it is opened.
func TestLearnedOfWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 4 << 20
		var packs packStore
		o := options(t, &source{size: size})
		o.Predict = predicts(hotpack.Range{Off: 0, Len: 100}, hotpack.Range{Off: 2 << 20, Len: 4096})
		c := open(t, o)
		f := openFile(t, c, "a", size)
		must(t, f.Warm(t.Context()))
		f.Close()
		settle(t, c)
		c.Close()
		o.Hot, o.Learned = packs.hot, packs.learned
		for range 2 { // a stored pack is not stored again
			c = open(t, o)
			f = openFile(t, c, "a", size)
			must(t, f.Warm(t.Context()))
			f.Close()
			waitPublished(t, c)
			c.Close()
		}
		if packs.puts.Load() != 1 {
			t.Fatalf("%d packs", packs.puts.Load())
		}
		p, err := hotpack.Decode(refA, size, *packs.pack.Load())
		// The pack also contains what the kernel reads around a page fault, as far as it was
		// fetched.
		if err != nil || !p.Has(0, 100) || !p.Has(2<<20, 4096) || !p.Has(2<<20-32*kib, 68*kib) {
			t.Errorf("%v, or not what was predicted", err)
		}
	})
}

// TestLittleIsLearnedFromALittle closes a handle before the prediction ends.
func TestLittleIsLearnedFromALittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 64 << 20
		src := &source{size: size, hook: func(ctx context.Context, _ int64, _ int) error {
			return until(ctx, time.Now().Add(20*time.Millisecond))
		}}
		var packs packStore
		o := options(t, src)
		o.Predict = func(r io.ReaderAt, size int64, want func(off, n int64)) error {
			p := make([]byte, 16)
			for off := int64(0); off < size; off += 8 << 20 {
				want(off, 16)
				if _, err := r.ReadAt(p, off); err != nil {
					return err
				}
			}
			return nil
		}
		o.Hot, o.Learned = packs.hot, packs.learned
		c := open(t, o)
		f := openFile(t, c, "a", size)
		check(t, f, 0, 64)
		f.Close()
		waitPublished(t, c)
		if packs.puts.Load() != 0 {
			t.Error("a pack of what the prediction had got to")
		}
	})
}

// TestLearnedFaults checks that no more packs are sent to a store that has refused one, and
// that a store that fails is tried again.
func TestLearnedFaults(t *testing.T) {
	for kind, want := range map[error]int64{store.ErrPermission: 1, store.ErrUnavailable: 3} {
		synctest.Test(t, func(t *testing.T) {
			const size = 4 << 20
			var packs packStore
			err := error(&store.Error{Op: "put", Kind: kind})
			packs.err.Store(&err)
			o := options(t, &source{size: size})
			o.Predict, o.Hot, o.Learned = predicts(hotpack.Range{Off: 0, Len: 100}), packs.hot, packs.learned
			c := open(t, o)
			for i := range int64(3) {
				f := openFile(t, c, "a", size)
				must(t, f.Warm(t.Context()))
				check(t, f, (1+i)<<20, 10)
				f.Close()
				waitPublished(t, c)
			}
			if packs.puts.Load() != want || c.Stats().PacksLearned != 0 {
				t.Errorf("%v: %d tries, %d learned", kind, packs.puts.Load(), c.Stats().PacksLearned)
			}
		})
	}
}

// TestCloseDoesNotWaitForTheLessonForLong closes a cache whose store does not respond.
func TestCloseDoesNotWaitForTheLessonForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 4 << 20
		var packs packStore
		o := options(t, &source{size: size})
		o.Predict, o.Hot = predicts(hotpack.Range{Off: 0, Len: 100}), packs.hot
		o.Learned = func(ctx context.Context, _ store.Ref, _ int64, _ []byte) error {
			<-ctx.Done()
			return ctx.Err()
		}
		c := open(t, o)
		f := openFile(t, c, "a", size)
		must(t, f.Warm(t.Context()))
		begun := time.Now()
		c.Close()
		if took := time.Since(begun); took > 2*closeGrace { // in synctest's fake time
			t.Errorf("closed after %v", took)
		}
		f.Close()
	})
}

// TestPagesAndBlocksMix makes two caches store packs, pages and blocks over one another, with
// and without evictions.
func TestPagesAndBlocksMix(t *testing.T) {
	const size = 3<<20 + 700
	for _, quota := range []int64{1 << 20, 1 << 30} {
		var turn atomic.Int64
		o := options(t, &source{size: size})
		o.Quota = quota
		o.Hot = func(context.Context, store.Ref, int64) ([]byte, error) {
			r := rand.New(rand.NewPCG(1, uint64(turn.Add(1))))
			var ranges []hotpack.Range
			for range 30 {
				ranges = append(ranges, hotpack.Range{Off: r.Int64N(size), Len: 1 + r.Int64N(40<<10)})
			}
			return packA(t, size, ranges...), nil
		}
		var wg sync.WaitGroup
		for range 2 {
			c := open(t, o)
			wg.Go(func() {
				r := rand.New(rand.NewPCG(2, 3))
				for i := range 6 {
					f := c.Open(refA, size)
					if i%2 == 0 { // otherwise the pack arrives during the reads or after them
						if err := f.Warm(t.Context()); err != nil {
							t.Error(err)
						}
					}
					for range 10 {
						check(t, f, r.Int64N(size), 1+r.IntN(200<<10))
					}
					f.Close()
				}
				for settle(t, c); c.Stats().Sessions > 0; settle(t, c) {
				}
				settle(t, c)
				if s := c.Stats(); s.Packs == 0 || s.InFlight != 0 || s.BufferedBytes != 0 {
					t.Errorf("%+v", s)
				}
			})
		}
		wg.Wait()
	}
}
