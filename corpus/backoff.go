package corpus

import (
	"context"
	"math/rand/v2"
	"time"

	"thothfs/internal/withctx"
)

const (
	// conflictTimeout is how long an edit without a deadline is tried.
	conflictTimeout  = 2 * time.Minute
	maxConflictPause = time.Second
	minConflictPause = time.Millisecond
)

// conflictBackoff is a randomized pause after a write conflict. One of all writers at a time
// succeeds, so there is progress without any pause; a pause only saves useless tries. It lasts
// up to a few times what a try takes and does not grow for ever, so that a writer that lost
// often is not the one that tries least.
type conflictBackoff struct {
	until time.Time
	began time.Time // the latest try
	lost  int
}

func newConflictBackoff(ctx context.Context) *conflictBackoff {
	now := time.Now()
	b := &conflictBackoff{until: now.Add(conflictTimeout), began: now}
	if end, ok := ctx.Deadline(); ok {
		b.until = end
	}
	return b
}

// wait pauses. It returns false when there is no time for another try.
func (b *conflictBackoff) wait(ctx context.Context) bool {
	b.lost++
	now := time.Now()
	took := now.Sub(b.began)
	longest := time.Duration(min(b.lost, 8)) * took
	pause := rand.N(min(max(longest, minConflictPause), maxConflictPause)) + 1
	if now.Add(pause+took).After(b.until) || withctx.Sleep(ctx, pause) != nil {
		return false
	}
	b.began = time.Now()
	return true
}
