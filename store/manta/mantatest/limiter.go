package mantatest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"thothfs/internal/withctx"
)

// lag is how late a timer may wake a sender without loss of bandwidth. If a sender is later than
// that, the time in which the line was idle is lost.
const lag = 20 * time.Millisecond

// sharedLine shares a bandwidth among all senders that wait on it.
type sharedLine struct {
	rate atomic.Int64 // bytes per second; 0 means no limit
	mu   sync.Mutex   // guards next
	next time.Time    // when the line will be free again
}

// sender sends pieces over a line, one after the other.
type sender struct {
	line *sharedLine
	free time.Time // when its last piece is sent; zero before the first
}

func (l *sharedLine) set(rate int64) { l.rate.Store(rate) }

// wait returns when the line has had enough time for n more bytes.
func (s *sender) wait(ctx context.Context, n int) error {
	rate := s.line.rate.Load()
	if rate <= 0 {
		return nil
	}
	s.free = s.line.reserve(n, rate, s.free)
	return withctx.Sleep(ctx, time.Until(s.free))
}

// reserve reserves the line for n bytes and returns the time at which they are sent. They start
// when the line is free, but not before ready, the time when the sender had them, and not more
// than lag ago. Without ready, a lone sender of many pieces would get half the bandwidth if each
// piece takes about as long as a timer is late.
func (l *sharedLine) reserve(n int, rate int64, ready time.Time) time.Time {
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
