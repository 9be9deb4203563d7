package corpus

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"thothfs/store"
)

// unavailablePause is how long a store that did not respond is not asked again by callers that have
// cached data. Otherwise a reader would have to wait for every single document while the store is
// down.
const unavailablePause = 5 * time.Second

// availability tracks whether the store responds and logs when that changes.
type availability struct {
	mu         sync.Mutex // guards the fields below
	since      time.Time  // when it stopped responding; zero if it responds
	until      time.Time  // end of the pause
	write      verdict
	failure    error     // latest error; nil if it responds
	answeredAt time.Time // when it last responded, by time.Now
}

// record processes the outcome of a store call.
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

// progress records that part of a response has arrived.
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

// recentError returns the latest failure of the store if it was within unavailablePause.
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

// shortTimeout is how long a caller with cached data waits for newer data if the store did not
// respond last time.
const shortTimeout = 500 * time.Millisecond

// withShortTimeout returns ctx, limited to shortTimeout if the store did not respond last time and
// the caller does not need a response.
func (a *availability) withShortTimeout(ctx context.Context, needed bool) (context.Context, context.CancelFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if needed || a.since.IsZero() {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, shortTimeout, errShortTimeout)
}

var errShortTimeout = &store.Error{Op: "get", Kind: store.ErrUnavailable, Err: errNoAnswer}

// errNoAnswer is the cause when a caller with cached data did not wait for the store. It says
// nothing about writes, since the store may only be slow.
var errNoAnswer = errors.New("it did not answer in time")

// shortTimeoutError returns errShortTimeout if the call failed for that reason, and any other error
// unchanged.
func shortTimeoutError(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == errShortTimeout {
		return errShortTimeout
	}
	return err
}

// Away records that the store does not respond, as discovered by the caller. err must be a
// store.ErrUnavailable. What is known counts as current for a short time.
func (c *base) Away(err error) { c.availability.record(c.now(), err, c.log) }
