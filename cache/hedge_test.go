package cache

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/store"
)

// TestHedge has the first request of a block stall, for a while or for good,
// and the second one answer, fail or stall as well.
func TestHedge(t *testing.T) {
	fail := &store.Error{Op: "read", Key: "a", Kind: store.ErrUnavailable}
	for _, tc := range []struct {
		name         string
		first        time.Duration // until it answers
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
	var l latencies
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
	for i := range 200 { // what stalled, and came in the end, is not what is usual
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
