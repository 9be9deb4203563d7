package corpus

import (
	"context"
	"math/rand/v2"
	"time"

	"thothfs/internal/withctx"
)

const (
	// conflictTimeout is how long an edit without a deadline is retried.
	conflictTimeout  = 2 * time.Minute
	maxConflictPause = time.Second
	minConflictPause = time.Millisecond
)

// conflictBackoff is a randomized pause after a write conflict. One of the competing writers always
// succeeds, so there is progress even without a pause; the pause only avoids useless attempts. It
// lasts up to a few times the duration of an attempt. It does not grow without bound, since the
// writer that has lost most often would then try least often.
type conflictBackoff struct {
	until time.Time
	began time.Time // start of the latest attempt
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

// wait pauses. It returns false if there is no time for another attempt.
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
