package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"

	"thothfs/internal/withctx"
)

// corruptTries is the maximum number of times that a call is repeated after ErrCorrupt.
const corruptTries = 2

const (
	// soon is the limit for the first pause requested by a store.
	soon = 5 * time.Second
	// busyMost is the longest pause if the store requested a shorter one.
	busyMost = time.Second
)

// schedule decides whether and when to repeat a failed call.
type schedule struct {
	o       *RetryOptions
	pause   *backoff.ExponentialBackOff
	failed  int           // consecutive failed tries, not counting those for which the store requested a pause
	since   time.Time     // time of the first of the consecutive failures; zero if there is none
	probe   time.Duration // limit for the next pause requested by the store
	corrupt int           // tries that returned ErrCorrupt
	// patience is how long the next try may go without progress.
	patience time.Duration
}

func newSchedule(o *RetryOptions) *schedule {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier = o.First, o.Most, 2
	b.Reset()
	return &schedule{o: o, pause: b, patience: o.Stall, probe: soon}
}

// progress resets the failures counted so far, because the call advanced.
func (s *schedule) progress() {
	if !s.since.IsZero() {
		s.failed, s.since, s.probe = 0, time.Time{}, soon
		s.patience = s.o.Stall
		s.pause.Reset()
	}
}

// wait returns nil after a pause if the call should be repeated. Otherwise it returns the error
// that the call should return.
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
	if errors.Is(err, errStalled) { // perhaps the store is just slow
		s.patience = min(2*s.patience, s.o.LongStall)
	}
	next := now.Add(s.delay(asked))
	if s.failed >= s.o.Tries || next.Sub(s.since) > s.o.Budget || asked > s.o.Budget {
		return err
	}
	if end, ok := ctx.Deadline(); ok && next.After(end) {
		return err // more informative than the deadline error
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

// askedFor returns the pause that the store requested, or 0.
func askedFor(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// delay returns the pause before the next try: our own, or the one that the store requested,
// limited by probe, plus up to a quarter so that clients do not all return at once.
func (s *schedule) delay(asked time.Duration) time.Duration {
	own := s.pause.NextBackOff()
	if asked == 0 {
		return own
	}
	asked = min(asked, s.probe)
	s.probe = min(3*s.probe, time.Hour)
	return max(min(own, busyMost), asked+rand.N(asked/4+1))
}
