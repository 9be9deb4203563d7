package corpus

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"thothfs/store"
)

// pause is how long a store that did not answer is left alone by those who can do
// without: a reader must not wait for every single document of a store that is down.
const pause = 5 * time.Second

// outage knows whether the store answers, and logs when that changes.
type outage struct {
	mu    sync.Mutex // guards what follows
	since time.Time  // zero: it answers
	until time.Time  // of the pause
	write verdict
	why   error     // what failed last; nil: it answers
	heard time.Time // when it last answered, by time.Now
}

// note takes in how a call of the store ended.
func (o *outage) note(now time.Time, err error, log *slog.Logger) {
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
	o.until, o.why = now.Add(pause), err
	if !errors.Is(err, errImpatient) {
		o.write = verdict{known: true, at: now, err: err}
	}
	o.mu.Unlock()
	if first {
		log.Warn("the store is unavailable, going on with what is known", "error", err)
	}
}

func (o *outage) answered(now time.Time, log *slog.Logger) {
	o.mu.Lock()
	since := o.since
	o.since, o.until, o.why, o.heard = time.Time{}, time.Time{}, nil, time.Now()
	o.write = o.write.answered(now)
	o.mu.Unlock()
	if !since.IsZero() {
		log.Info("the store is back", "after", now.Sub(since).Round(time.Second))
	}
}

// pausing tells whether the store is being left alone.
func (o *outage) pausing(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return now.Before(o.until)
}

// hear notes that an answer is on its way.
func (o *outage) hear() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.heard = time.Now()
}

func (o *outage) lastHeard() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.heard
}

// lately returns how the store failed, if that was a moment ago.
func (o *outage) lately(now time.Time) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Before(o.until) {
		return o.why
	}
	return nil
}

// briefly is how long who knows an answer waits for a newer one from a store that did not
// answer last time.
const briefly = 500 * time.Millisecond

// Away tells that the store does not answer, as somebody else has found out: err is a
// store.ErrUnavailable. What is known counts as current for a moment.
func (c *Corpus) Away(err error) { c.outage.note(c.now(), err, c.log) }

// orBriefly is ctx, or what ends soon when there is no need to wait for the store.
func (o *outage) orBriefly(ctx context.Context, needed bool) (context.Context, context.CancelFunc) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if needed || o.since.IsZero() {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, briefly, errBriefly)
}

var errBriefly = &store.Error{Op: "get", Kind: store.ErrUnavailable, Err: errImpatient}

// errImpatient is the cause where a caller that knows an answer did not wait for the
// store's. It says nothing about writes: the store may only be slow.
var errImpatient = errors.New("it did not answer in time")

// silence returns what an error means that ended a call under orBriefly's context.
func silence(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == errBriefly {
		return errBriefly
	}
	return err
}
