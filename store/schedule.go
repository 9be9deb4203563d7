package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"

	"thothfs/internal/withctx"
)

// corruptTries is how often what is not what was asked for is asked for again.
const corruptTries = 2

const (
	// soon is the longest of the first pauses that a store asked for.
	soon = 5 * time.Second
	// busyMost is the longest pause where the store asked for a shorter one.
	busyMost = time.Second
)

// schedule decides whether and when a failed call is tried again.
type schedule struct {
	o       *RetryOptions
	pause   *backoff.ExponentialBackOff
	failed  int           // tries in a row, but for those that the store asked to make later
	since   time.Time     // the first of all in a row failed; zero if none did
	probe   time.Duration // the longest pause that the store may ask for next
	corrupt int           // tries that gave ErrCorrupt
	// patience is how long the next try may make no progress.
	patience time.Duration
}

func newSchedule(o *RetryOptions) *schedule {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier = o.First, o.Most, 2
	b.Reset()
	return &schedule{o: o, pause: b, patience: o.Stall, probe: soon}
}

// progress forgets the failures so far: the call has got further.
func (s *schedule) progress() {
	if !s.since.IsZero() {
		s.failed, s.since, s.probe = 0, time.Time{}, soon
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
	asked := askedFor(err)
	now := time.Now()
	if s.since.IsZero() {
		s.since = now
	}
	if asked == 0 {
		s.failed++
	}
	if errors.Is(err, errStalled) { // the store may be no quicker than that
		s.patience = min(2*s.patience, s.o.LongStall)
	}
	next := now.Add(s.delay(asked))
	if s.failed >= s.o.Tries || next.Sub(s.since) > s.o.Budget || asked > s.o.Budget {
		return err
	}
	if end, ok := ctx.Deadline(); ok && next.After(end) {
		return err // and not the deadline's error: this one says why
	}
	return withctx.Sleep(ctx, next.Sub(now))
}

func (s *schedule) repeatable(err error) bool {
	if errors.Is(err, ErrCorrupt) {
		s.corrupt++
		return s.corrupt <= corruptTries
	}
	return errors.Is(err, ErrUnavailable)
}

// askedFor is how long the store asked to be left alone, 0 if it did not.
func askedFor(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// delay is the pause before the next try: our own; or what the store asked for,
// within probe, and up to a quarter more so that not all clients come back at once.
func (s *schedule) delay(asked time.Duration) time.Duration {
	own := s.pause.NextBackOff()
	if asked == 0 {
		return own
	}
	asked = min(asked, s.probe)
	s.probe = min(3*s.probe, time.Hour)
	return max(min(own, busyMost), asked+rand.N(asked/4+1))
}
