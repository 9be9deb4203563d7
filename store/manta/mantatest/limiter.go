package mantatest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"thothfs/internal/withctx"
)

// lag is how late a timer may wake a sender without costing it its place: what
// the line did not carry while the sender overslept is made up for.
const lag = 20 * time.Millisecond

// limiter shares a bandwidth among all who wait on it.
type limiter struct {
	rate atomic.Int64 // bytes per second; 0: no limit
	mu   sync.Mutex   // guards next
	next time.Time    // when the line is free again
}

// sender is one who sends over a limiter's line piece by piece, and not
// concurrently.
type sender struct {
	line *limiter
	free time.Time // when its last piece was through; zero before the first
}

func (l *limiter) set(rate int64) { l.rate.Store(rate) }

// wait returns when n more bytes have had their time on the line.
func (s *sender) wait(ctx context.Context, n int) error {
	rate := s.line.rate.Load()
	if rate <= 0 {
		return nil
	}
	s.free = s.line.reserve(n, rate, s.free)
	return withctx.Sleep(ctx, time.Until(s.free))
}

// reserve books the line for n bytes and returns when they will be through. They
// go out when the line is free, but not before ready, the time when their sender
// had them, nor more than lag ago. Without ready a lone sender of many pieces, each
// of which takes about as long as a timer is late, would have half the line.
func (l *limiter) reserve(n int, rate int64, ready time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if ready.IsZero() {
		ready = now
	}
	for _, bound := range []time.Time{ready, now.Add(-lag)} {
		if l.next.Before(bound) {
			l.next = bound
		}
	}
	l.next = l.next.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
	return l.next
}
