package cache

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/store"
)

// TestHedge makes the first request for a block stall, for a while or forever, and the second
// one succeed, fail or stall.
func TestHedge(t *testing.T) {
	fail := &store.Error{Op: "read", Key: "a", Kind: store.ErrUnavailable}
	for _, tc := range []struct {
		name         string
		first        time.Duration // time until it returns
		firstErr     error
		second       time.Duration
		secondErr    error
		after        time.Duration
		want         error
		hedges, wins int64
	}{
		{"quick", time.Second, nil, 0, nil, time.Second, nil, 0, 0},
		{"stalled", time.Hour, nil, time.Second, nil, 2500 * time.Millisecond, nil, 1, 1},
		{"slow", 2 * time.Second, nil, time.Second, nil, 2 * time.Second, nil, 1, 0},
		{"second fails", 3 * time.Second, nil, time.Second, fail, 3 * time.Second, nil, 1, 0},
		{"first fails", 2 * time.Second, fail, time.Second, nil, 2500 * time.Millisecond, nil, 1, 1},
		{"both fail", 2 * time.Second, fail, time.Second, fail, 2500 * time.Millisecond, fail, 1, 0},
		{"fails early", time.Second, fail, time.Second, nil, time.Second, fail, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int64
				src := &source{size: 1 << 20, hook: func(ctx context.Context, _ int64, _ int) error {
					wait, err := tc.first, tc.firstErr
					if calls.Add(1) == 2 {
						wait, err = tc.second, tc.secondErr
					}
					if ended := until(ctx, time.Now().Add(wait)); ended != nil {
						return ended
					}
					return err
				}}
				c := open(t, options(t, src))
				f := openFile(t, c, "a", 1<<20)
				begun := time.Now()
				p := make([]byte, 1000)
				_, err := f.ReadAt(t.Context(), p, 5)
				if took := time.Since(begun); err != tc.want || took != tc.after {
					t.Errorf("%v after %v; want %v after %v", err, took, tc.want, tc.after)
				}
				if err == nil {
					compare(t, f, p, 5)
				}
				settle(t, c)
				if s := c.Stats(); s.Hedges != tc.hedges || s.HedgesWon != tc.wins || s.InFlight != 0 {
					t.Errorf("%+v", s)
				}
				if c.limiter.slots != 0 {
					t.Error("slots in use")
				}
			})
		})
	}
}

func TestHedgeWaitsForWhatIsUsual(t *testing.T) {
	l := latencies{minStall: minStall}
	for range 15 {
		l.add(5 * time.Second)
	}
	if got := l.stallTime(); got != minStall {
		t.Errorf("%v after too few requests", got)
	}
	for range 200 {
		l.add(5 * time.Second)
	}
	if got := l.stallTime(); got != 10*time.Second {
		t.Errorf("%v where 5 s is usual", got)
	}
	for i := range 200 { // requests that stalled do not change the median
		l.add(time.Millisecond)
		if i%3 == 0 {
			l.add(time.Minute)
		}
	}
	if got := l.stallTime(); got != minStall {
		t.Errorf("%v where a third stall", got)
	}
	for range 200 {
		l.add(time.Millisecond)
	}
	if got := l.stallTime(); got != minStall {
		t.Errorf("%v", got)
	}
}

// stalling is a Store in which one response in a hundred stalls: nothing arrives, or only a few
// bytes at a time.
type stalling struct {
	store.Store
	rtt     time.Duration
	trickle bool
	calls   atomic.Int64
}

func (s *stalling) ReadAt(ctx context.Context, ref store.Ref, p []byte, off int64) (int, error) {
	if err := until(ctx, time.Now().Add(s.rtt)); err != nil {
		return 0, err
	}
	if s.calls.Add(1)%100 != 50 {
		return len(p), nil
	}
	for range 1000 {
		if err := until(ctx, time.Now().Add(s.rtt)); err != nil {
			return 0, err
		}
		if s.trickle {
			store.Progress(ctx)
		}
	}
	return len(p), nil
}

// BenchmarkStalls reads 300 blocks, one after another, from a store that responds within 20 ms,
// except for one response in a hundred, which takes 20 s. The baseline is store.Retry without
// the cache's hedging, which ends an attempt after 3 s of silence. All times are scaled by
// 1/100.
func BenchmarkStalls(b *testing.B) {
	const size, reads = 64 << 20, 300
	for _, kind := range []string{"silent", "trickle"} {
		for _, way := range []string{"retry", "hedge"} {
			b.Run(kind+"/"+way, func(b *testing.B) {
				var worst, total time.Duration
				requests := int64(0)
				for range b.N {
					src := &stalling{rtt: 200 * time.Microsecond, trickle: kind == "trickle"}
					c := open(b, options(b, store.Retry(src, store.RetryOptions{Stall: 30 * time.Millisecond, First: time.Millisecond})))
					if c.latencies.minStall /= 100; way == "retry" {
						c.latencies.minStall = time.Hour
					}
					f := openFile(b, c, "a", size)
					for i := range int64(reads) {
						begun := time.Now()
						if _, err := f.ReadAt(b.Context(), make([]byte, 4096), i*7919%512*(128*kib)); err != nil {
							b.Fatal(err)
						}
						took := time.Since(begun)
						worst, total = max(worst, took), total+took
					}
					requests += src.calls.Load()
					settle(b, c)
					f.Close()
					c.Close()
				}
				b.ReportMetric(float64(total)*100/1e9/float64(b.N), "s/session")
				b.ReportMetric(float64(worst)*100/1e9, "s/worst")
				b.ReportMetric(float64(requests)/float64(b.N), "requests")
			})
		}
	}
}
