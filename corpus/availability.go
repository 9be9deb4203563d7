package corpus

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"thothfs/store"
)

// unavailablePause is how long a store that did not answer is not asked again by callers that
// know an answer: a reader must not wait for every single document of a store that is down.
const unavailablePause = 5 * time.Second

// availability knows whether the store answers, and logs when that changes.
type availability struct {
	mu         sync.Mutex // guards what follows
	since      time.Time  // when it stopped to answer; zero: it answers
	until      time.Time  // end of the pause
	write      verdict
	failure    error     // the last one; nil: it answers
	answeredAt time.Time // when it last answered, by time.Now
}

// record takes the outcome of a call of the store.
func (a *availability) record(now time.Time, err error, log *slog.Logger) {
	if !errors.Is(err, store.ErrUnavailable) {
		if err == nil || store.Kind(err) != nil {
			a.answered(now, log)
		}
		return
	}
	a.mu.Lock()
	first := a.since.IsZero()
	if first {
		a.since = now
	}
	a.until, a.failure = now.Add(unavailablePause), err
	if !errors.Is(err, errNoAnswer) {
		a.write = verdict{known: true, at: now, err: err}
	}
	a.mu.Unlock()
	if first {
		log.Warn("the store is unavailable, going on with what is known", "error", err)
	}
}

func (a *availability) answered(now time.Time, log *slog.Logger) {
	a.mu.Lock()
	since := a.since
	a.since, a.until, a.failure, a.answeredAt = time.Time{}, time.Time{}, nil, time.Now()
	a.write = a.write.answered(now)
	a.mu.Unlock()
	if !since.IsZero() {
		log.Info("the store is back", "after", now.Sub(since).Round(time.Second))
	}
}

// progress records that a part of an answer arrived.
func (a *availability) progress() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answeredAt = time.Now()
}

func (a *availability) lastAnswer() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.answeredAt
}

// recentError returns how the store failed, if that was within unavailablePause.
func (a *availability) recentError(now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Before(a.until) {
		return a.failure
	}
	return nil
}

// paused reports whether the store failed within unavailablePause.
func (a *availability) paused(now time.Time) bool { return a.recentError(now) != nil }

// shortTimeout is how long a caller that knows an answer waits for a newer one from a store
// that did not answer the last time.
const shortTimeout = 500 * time.Millisecond

// withShortTimeout returns ctx, with shortTimeout if the store did not answer the last time
// and the caller can do without an answer.
func (a *availability) withShortTimeout(ctx context.Context, needed bool) (context.Context, context.CancelFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if needed || a.since.IsZero() {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, shortTimeout, errShortTimeout)
}

var errShortTimeout = &store.Error{Op: "get", Kind: store.ErrUnavailable, Err: errNoAnswer}

// errNoAnswer is the reason when a caller that knows an answer did not wait for the store's.
// It says nothing about writes: the store may only be slow.
var errNoAnswer = errors.New("it did not answer in time")

// shortTimeoutError returns errShortTimeout for the error of a call that ended for that
// reason, and any other error as it is.
func shortTimeoutError(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == errShortTimeout {
		return errShortTimeout
	}
	return err
}

// Away records that the store does not answer, as the caller has found out: err is a
// store.ErrUnavailable. What is known counts as current for a moment.
func (c *base) Away(err error) { c.availability.record(c.now(), err, c.log) }
