package mantatest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// wait pauses for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// limiter shares a bandwidth among all who wait on it.
type limiter struct {
	rate atomic.Int64 // bytes per second; 0: no limit
	mu   sync.Mutex   // guards next
	next time.Time    // when the line is free again
}

func (l *limiter) set(rate int64) { l.rate.Store(rate) }

// wait returns when n more bytes have had their time on the line.
func (l *limiter) wait(ctx context.Context, n int) error {
	rate := l.rate.Load()
	if rate <= 0 {
		return nil
	}
	return wait(ctx, time.Until(l.reserve(n, rate)))
}

// reserve books the line for n bytes and returns when they will be through.
func (l *limiter) reserve(n int, rate int64) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.next.Before(now) {
		l.next = now
	}
	l.next = l.next.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
	return l.next
}
