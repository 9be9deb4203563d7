package corpus

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	tailEvery  = 2 * time.Second // how soon changes by other processes here are seen
	firstRetry = time.Second
	maxBackoff = 5 * time.Minute
)

// Run keeps the catalogue up to date until ctx ends, then returns nil: it reads the
// corpus, and looks at the store every Poll, less often while the store does not
// answer. With a Poll of 0 it looks until it succeeded once. The caller owns the
// goroutine; one Run at a time is enough.
func (c *Corpus) Run(ctx context.Context) error {
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

// idle waits, for ever if d is 0, and passes on what other processes changed. It is
// false when ctx has ended.
func (c *Corpus) idle(ctx context.Context, d time.Duration) bool {
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-over:
			return true
		case <-tick.C:
			if err := c.tail(ctx); err != nil && ctx.Err() == nil {
				c.log.Debug("the catalogue cannot be read", "error", err)
			}
		}
	}
}
