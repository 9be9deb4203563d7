package corpus

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	firstRetry = time.Second
	maxBackoff = 5 * time.Minute
)

// Run keeps the catalogue up to date until ctx ends, then returns nil: it reads the
// corpus, and looks at the store every Poll, less often while the store does not
// answer. With a Poll of 0 it looks until it succeeded once. What other processes note
// in the catalogue is told to subscribers at once. The caller owns the goroutine; one
// Run at a time is enough.
func (c *Corpus) Run(ctx context.Context) error {
	var following sync.WaitGroup
	following.Go(func() { c.follow(ctx) }) // ends with ctx
	defer following.Wait()
	failures := 0
	for {
		err := c.poll(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			failures = 0
		default:
			if failures == 0 {
				c.log.Warn("the corpus cannot be read", "error", err)
			}
			failures++
		}
		if !c.idle(ctx, c.interval(failures)) {
			return nil
		}
	}
}

// interval is how long to wait after so many failures in a row; 0 is for ever.
func (c *Corpus) interval(failures int) time.Duration {
	if failures == 0 {
		return c.o.Poll
	}
	base := c.o.Poll
	if base == 0 || !c.Synced() {
		base = firstRetry
	}
	d := min(base<<min(failures-1, 10), max(maxBackoff, base))
	return d - time.Duration(rand.Int64N(int64(d)/8+1)) // many clients, one store
}

// idle waits, for ever if d is 0. It is false when ctx has ended.
func (c *Corpus) idle(ctx context.Context, d time.Duration) bool {
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-over:
		return true
	}
}
