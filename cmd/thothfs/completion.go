package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"thothfs/cache"
)

// completion is a pflag.Value: when the rest of an open dump is fetched, and with which
// share of the link's time in percent (0: the cache's default).
type completion struct {
	when  cache.Completion
	share int
}

func (c *completion) String() string {
	switch {
	case c.when == cache.CompleteNever:
		return "never"
	case c.share > 0:
		return fmt.Sprintf("%s=%d%%", c.when, c.share)
	}
	return string(c.when)
}

func (c *completion) Type() string { return "WHEN" }

func (c *completion) Set(s string) error {
	when, share, hasShare := strings.Cut(s, "=")
	next := completion{when: cache.Completion(when)}
	switch {
	case when == "never" && !hasShare:
		next.when = cache.CompleteNever
	case next.when == cache.CompleteAlways && !hasShare, next.when == cache.CompleteIdle && !hasShare:
	case next.when == cache.CompleteIdle:
		n, err := strconv.Atoi(strings.TrimSuffix(share, "%"))
		if err != nil || n < 1 || n > 100 {
			return fmt.Errorf("idle=%s: a percentage from 1 to 100 is meant", share)
		}
		next.share = n
	default:
		return errors.New("idle, idle=30%, always or never is meant")
	}
	*c = next
	return nil
}
