package cache

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"thothfs/store"
)

const kib = 1 << 10

// blocked returns a source whose reads wait until release is closed or their context is done.
func blocked(size int64) (src *source, release chan struct{}, cancelled *atomic.Int64) {
	release, cancelled = make(chan struct{}), new(atomic.Int64)
	return &source{size: size, hook: func(ctx context.Context, _ int64, _ int) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			cancelled.Add(1)
			return ctx.Err()
		}
	}}, release, cancelled
}

func TestOneFetchWhoeverAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, release, _ := blocked(1 << 20)
		c := open(t, options(t, src))
		var wg sync.WaitGroup
		for i := range 50 {
			f := openFile(t, c, "a", 1<<20)
			wg.Go(func() { check(t, f, int64(130*kib+i), 100) })
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		settle(t, c)
		if src.count() != 1 {
			t.Errorf("%d requests for one block", src.count())
		}
		if got := src.calls[0]; got != (span{128 * kib, 128 * kib}) {
			t.Errorf("asked for %v", got)
		}
	})
}

func TestNeighboursAreOneRequest(t *testing.T) {
	const size = 3<<20 + 100
	src := &source{size: size}
	c := open(t, options(t, src))
	f := openFile(t, c, "a", size)
	check(t, f, 5*128*kib, 10) // block 5 is cached
	settle(t, c)
	src.calls = nil
	check(t, f, 100, size-100)
	settle(t, c)
	slices.SortFunc(src.calls, func(a, b span) int { return int(a.first - b.first) })
	const b = 128 * kib
	want := []span{{0, 5 * b}, {6 * b, 8 * b}, {14 * b, 8 * b}, {22 * b, 2*b + 100}}
	if !slices.Equal(src.calls, want) {
		t.Errorf("asked for %v, want %v", src.calls, want)
	}
}

func TestInterruptedReaderLeavesTheFetchToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, release, cancelled := blocked(1 << 20)
		c := open(t, options(t, src))
		f := openFile(t, c, "a", 1<<20)
		ctx, interrupt := context.WithCancel(t.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := f.ReadAt(ctx, make([]byte, 10), 0)
			first <- err
		}()
		synctest.Wait()
		go func() {
			check(t, openFile(t, c, "a", 1<<20), 0, 300*kib) // joins the fetch, and starts another one for the rest
			second <- nil
		}()
		synctest.Wait()
		interrupt()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted reader got %v", err)
		}
		synctest.Wait()
		if cancelled.Load() != 0 || src.count() != 2 {
			t.Errorf("%d cancelled of %d", cancelled.Load(), src.count())
		}
		close(release)
		<-second
		settle(t, c)
		if src.count() != 2 {
			t.Errorf("%d requests", src.count())
		}
	})
}

func TestLastReaderToLeaveCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, release, cancelled := blocked(1 << 20)
		c := open(t, options(t, src))
		f := openFile(t, c, "a", 1<<20)
		ctx, interrupt := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := f.ReadAt(ctx, make([]byte, 10), 0); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		interrupt()
		wg.Wait()
		synctest.Wait()
		if cancelled.Load() != 1 {
			t.Errorf("%d fetches cancelled, want 1", cancelled.Load())
		}
		if _, err := f.ReadAt(ctx, make([]byte, 10), 0); !errors.Is(err, context.Canceled) || src.count() != 1 {
			t.Errorf("a reader interrupted before it began: %v, %d requests", err, src.count())
		}
		close(release)
		check(t, f, 0, 10) // starts a new fetch
		settle(t, c)
	})
}

// TestJoinWhileCancelling reads a block whose fetch has been cancelled, before the Source
// returns.
func TestJoinWhileCancelling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stubborn := make(chan struct{})
		var calls atomic.Int64
		src := &source{size: 1 << 20, hook: func(ctx context.Context, _ int64, _ int) error {
			if calls.Add(1) == 1 {
				<-stubborn
				return ctx.Err()
			}
			return nil
		}}
		c := open(t, options(t, src))
		f := openFile(t, c, "a", 1<<20)
		ctx, interrupt := context.WithCancel(t.Context())
		left := make(chan struct{})
		go func() {
			_, _ = f.ReadAt(ctx, make([]byte, 10), 0)
			close(left)
		}()
		synctest.Wait()
		interrupt()
		<-left
		check(t, f, 0, 10)
		close(stubborn)
		settle(t, c)
	})
}

func TestErrorsPassAndAreNotRemembered(t *testing.T) {
	for _, want := range []error{store.ErrStale, store.ErrNotExist, store.ErrCorrupt, store.ErrUnavailable, store.ErrPermission} {
		t.Run(want.Error(), func(t *testing.T) {
			fail := error(&store.Error{Op: "read", Key: "a", Kind: want})
			src := &source{size: 1 << 20, hook: func(_ context.Context, off int64, _ int) error {
				if off >= 256*kib {
					return fail
				}
				return nil
			}}
			o := options(t, src)
			o.Memory = 512 * kib // two blocks per request
			c := open(t, o)
			f := openFile(t, c, "a", 1<<20)
			p := make([]byte, 1<<20)
			n, err := f.ReadAt(t.Context(), p, 100)
			if n != 256*kib-100 || err != fail {
				t.Fatalf("got %d, %v", n, err)
			}
			compare(t, f, p[:n], 100)
			settle(t, c)
			src.hook = nil
			check(t, f, 0, 1<<20)
		})
	}
}

func TestShortAnswerIsCorrupt(t *testing.T) {
	src := &source{size: 200 * kib} // shorter than the size passed to Open
	c := open(t, options(t, src))
	f := openFile(t, c, "a", 1<<20)
	for _, off := range []int64{0, 150 * kib, 500 * kib} {
		n, err := f.ReadAt(t.Context(), make([]byte, 128*kib), off)
		if off > 0 && (!errors.Is(err, store.ErrCorrupt) || n > 0) || off == 0 && err != nil {
			t.Errorf("at %d: %d, %v", off, n, err)
		}
	}
	settle(t, c)
	src.size = 1 << 20
	check(t, f, 0, 1<<20) // no wrong data was stored
}

func TestCloseEndsReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, _, _ := blocked(1 << 20)
		o := options(t, src)
		o.Fetches = 1 // so that one read waits in the limiter
		c := open(t, o)
		f := openFile(t, c, "a", 1<<20)
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				if _, err := f.ReadAt(t.Context(), make([]byte, 10), int64(i)*256*kib); !errors.Is(err, iofs.ErrClosed) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		c.Close()
		wg.Wait()
		if _, err := f.ReadAt(t.Context(), make([]byte, 10), 0); !errors.Is(err, iofs.ErrClosed) {
			t.Errorf("after close: %v", err)
		}
		if s := c.Stats(); s.InFlight != 0 || s.BufferedBytes != 0 || s.OpenFiles != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestReadsWaitForMemory runs far more readers than there are memory and slots for.
func TestReadsWaitForMemory(t *testing.T) {
	const size = 64 << 20
	var now, most atomic.Int64
	src := &source{size: size, hook: func(_ context.Context, _ int64, n int) error {
		if v := now.Add(int64(n)); v > most.Load() {
			most.Store(v)
		}
		now.Add(-int64(n))
		return nil
	}}
	o := options(t, src)
	o.Memory, o.Fetches = 1<<20, 2
	c := open(t, o)
	var wg sync.WaitGroup
	for i := range 40 {
		f := openFile(t, c, fmt.Sprint(i), size)
		wg.Go(func() { check(t, f, int64(i)<<20, 1<<20) })
	}
	wg.Wait()
	settle(t, c)
	if most.Load() > 1<<20 {
		t.Errorf("%d bytes at once", most.Load())
	}
}

func TestLimiterOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &limiter{maxSlots: 4, maxBytes: 100}
		if !g.tryAcquire(75) || g.tryAcquire(1) {
			t.Fatal("read-ahead takes three quarters, no more")
		}
		if err := g.wait(t.Context(), g.enqueue(25, false)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan int, 3)
		for i := range 3 {
			go func() {
				c := t.Context()
				if i == 1 {
					c = ctx
				}
				if g.wait(c, g.enqueue(10, false)) == nil {
					got <- i
				}
			}()
			synctest.Wait()
		}
		if g.tryAcquire(0) {
			t.Error("read-ahead overtook demand")
		}
		cancel()
		synctest.Wait()
		g.releaseSlot(nil)
		g.free(25)
		synctest.Wait()
		if a, b := <-got, <-got; a+b != 2 {
			t.Errorf("admitted %d and %d", a, b)
		}
		if g.bytes != 95 || g.slots != 3 {
			t.Errorf("%d bytes, %d slots", g.bytes, g.slots)
		}
	})
}
