package corpus

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"thothfs/internal/withctx"
)

const (
	firstRetry = time.Second
	maxBackoff = 5 * time.Minute
)

// Run keeps the catalogue up to date until ctx is done, then returns nil. It reads the corpus, then
// asks the store for changes every Poll, or less often while the store does not respond. If Poll is
// 0 it tries until it has succeeded once. Changes made by other processes that share the catalogue
// are published at once. One Run at a time is enough.
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
		d := c.interval(failures)
		if d == 0 {
			<-ctx.Done()
		}
		if withctx.Sleep(ctx, d) != nil {
			return nil
		}
	}
}

// interval returns how long to wait after the given number of consecutive failures; 0 means
// forever.
func (s *syncer) interval(failures int) time.Duration {
	if failures == 0 {
		return s.o.Poll
	}
	base := s.o.Poll
	if base == 0 || !s.Synced() {
		base = firstRetry
	}
	d := min(base<<min(failures-1, 10), max(maxBackoff, base))
	return d - time.Duration(rand.Int64N(int64(d)/8+1)) // spread the requests of many clients to one store
}
