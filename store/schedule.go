package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// corruptTries is how often what is not what was asked for is asked for again.
const corruptTries = 2

// schedule decides whether and when a failed call is tried again.
type schedule struct {
	o       *RetryOptions
	pause   *backoff.ExponentialBackOff
	failed  int       // tries in a row
	since   time.Time // the first of them failed
	corrupt int       // tries that gave ErrCorrupt
	// patience is how long the next try may make no progress.
	patience time.Duration
}

func newSchedule(o *RetryOptions) *schedule {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier = o.First, o.Most, 2
	b.Reset()
	return &schedule{o: o, pause: b, patience: o.Stall}
}

// progress forgets the failures so far: the call has got further.
func (s *schedule) progress() {
	if s.failed > 0 {
		s.failed = 0
		s.patience = s.o.Stall
		s.pause.Reset()
	}
}

// wait returns nil when the call shall be tried again, now; else the error to
// give up with.
func (s *schedule) wait(ctx context.Context, err error) error {
	if !s.repeatable(err) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	now := time.Now()
	if s.failed == 0 {
		s.since = now
	}
	s.failed++
	if errors.Is(err, errStalled) { // the store may be no quicker than that
		s.patience = min(2*s.patience, s.o.LongStall)
	}
	next := now.Add(s.delay(err))
	if s.failed >= s.o.Tries || next.Sub(s.since) > s.o.Budget {
		return err
	}
	if end, ok := ctx.Deadline(); ok && next.After(end) {
		return err // and not the deadline's error: this one says why
	}
	t := time.NewTimer(next.Sub(now))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *schedule) repeatable(err error) bool {
	if errors.Is(err, ErrCorrupt) {
		s.corrupt++
		return s.corrupt <= corruptTries
	}
	return errors.Is(err, ErrUnavailable)
}

// delay is the pause before the next try: what the store asked for, and up to a
// quarter more so that not all clients come back at once; or our own if longer.
func (s *schedule) delay(err error) time.Duration {
	own := s.pause.NextBackOff()
	var e *Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		return max(own, e.RetryAfter+rand.N(e.RetryAfter/4+1))
	}
	return own
}
