package corpus

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"thothfs/store"
)

// unavailablePause is how long a store that did not answer is left alone by those who can do
// without: a reader must not wait for every single document of a store that is down.
const unavailablePause = 5 * time.Second

// availability knows whether the store answers, and logs when that changes.
type availability struct {
	mu         sync.Mutex // guards what follows
	since      time.Time  // zero: it answers
	until      time.Time  // of the pause
	write      verdict
	why        error     // what failed last; nil: it answers
	answeredAt time.Time // when it last answered, by time.Now
}

// record takes in how a call of the store ended.
func (o *availability) record(now time.Time, err error, log *slog.Logger) {
	if !errors.Is(err, store.ErrUnavailable) {
		if err == nil || store.Kind(err) != nil {
			o.answered(now, log)
		}
		return
	}
	o.mu.Lock()
	first := o.since.IsZero()
	if first {
		o.since = now
	}
	o.until, o.why = now.Add(unavailablePause), err
	if !errors.Is(err, errNoAnswer) {
		o.write = verdict{known: true, at: now, err: err}
	}
	o.mu.Unlock()
	if first {
		log.Warn("the store is unavailable, going on with what is known", "error", err)
	}
}

func (o *availability) answered(now time.Time, log *slog.Logger) {
	o.mu.Lock()
	since := o.since
	o.since, o.until, o.why, o.answeredAt = time.Time{}, time.Time{}, nil, time.Now()
	o.write = o.write.answered(now)
	o.mu.Unlock()
	if !since.IsZero() {
		log.Info("the store is back", "after", now.Sub(since).Round(time.Second))
	}
}

// paused tells whether the store is being left alone.
func (o *availability) paused(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return now.Before(o.until)
}

// progress notes that an answer is on its way.
func (o *availability) progress() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answeredAt = time.Now()
}

func (o *availability) lastAnswer() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.answeredAt
}

// recentError returns how the store failed, if that was a moment ago.
func (o *availability) recentError(now time.Time) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Before(o.until) {
		return o.why
	}
	return nil
}

// shortTimeout is how long who knows an answer waits for a newer one from a store that did not
// answer last time.
const shortTimeout = 500 * time.Millisecond

// Away tells that the store does not answer, as somebody else has found out: err is a
// store.ErrUnavailable. What is known counts as current for a moment.
func (c *Corpus) Away(err error) { c.availability.record(c.now(), err, c.log) }

// withShortTimeout is ctx, or what ends soon when there is no need to wait for the store.
func (o *availability) withShortTimeout(ctx context.Context, needed bool) (context.Context, context.CancelFunc) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if needed || o.since.IsZero() {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, shortTimeout, errShortTimeout)
}

var errShortTimeout = &store.Error{Op: "get", Kind: store.ErrUnavailable, Err: errNoAnswer}

// errNoAnswer is the cause where a caller that knows an answer did not wait for the
// store's. It says nothing about writes: the store may only be slow.
var errNoAnswer = errors.New("it did not answer in time")

// shortTimeoutError returns what an error means that ended a call under orBriefly's context.
func shortTimeoutError(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == errShortTimeout {
		return errShortTimeout
	}
	return err
}
