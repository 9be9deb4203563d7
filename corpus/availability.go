package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	gone := errors.Is(err, store.ErrUnavailable)
	if err != nil && !gone && store.Kind(err) == nil {
		return // not a response of the store
	}
	a.mu.Lock()
	since := a.since
	switch {
	case !gone:
		a.since, a.until, a.failure, a.answeredAt = time.Time{}, time.Time{}, nil, time.Now()
		if errors.Is(a.write.err, store.ErrUnavailable) {
			a.write = verdict{} // it responds, but may refuse writes
		} else if a.write.err == nil {
			a.write.at = now
		}
	default:
		if since.IsZero() {
			a.since = now
		}
		a.until, a.failure = now.Add(unavailablePause), err
		if !errors.Is(err, errNoAnswer) {
			a.write = verdict{known: true, at: now, err: err}
		}
	}
	a.mu.Unlock()
	switch {
	case gone && since.IsZero():
		log.Warn("the store is unavailable, going on with what is known", "error", err)
	case !gone && !since.IsZero():
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

const (
	// verdictTime is how long the outcome of a call predicts the outcome of the next write.
	verdictTime = time.Second
	// probeTime is the timeout of a probe.
	probeTime = 3 * time.Second
	// probeGlance is how long a caller waits for a probe if the store is known to refuse writes.
	probeGlance = 300 * time.Millisecond
)

// probeKey is the key of the object that a probe tries to write.
const probeKey = ".thothfs/probe"

// noVersion is an ETag that no object has, so a Put that replaces it changes nothing.
const noVersion = "none"

// verdict is what is known about writing to the store.
type verdict struct {
	known bool      // there was a response to a write, or the store is unavailable
	err   error     // expected error of the next write, or nil
	at    time.Time // time of the call
}

// wrote records the outcome of a write to the store.
func (c *base) wrote(err error) {
	c.availability.record(c.now(), err, c.log)
	if err != nil && store.Kind(err) == nil || errors.Is(err, store.ErrUnavailable) {
		return // not a response of the store, or already recorded
	}
	if !errors.Is(err, store.ErrPermission) && !errors.Is(err, store.ErrNoSpace) {
		err = nil // the store refused only that write
	}
	c.availability.mu.Lock()
	defer c.availability.mu.Unlock()
	c.availability.write = verdict{known: true, at: c.now(), err: err}
}

// CanStore returns the error with which a write to the directory dir would fail now, as far as can
// be found out quickly. It is for callers that cannot report the error of the write itself. A store
// on this machine is asked directly. For other stores, CanStore relies on the outcome of a call
// within the last second. If there was none, it sends a request and waits for up to three seconds,
// or for 300 ms if the store is known to refuse writes.
//
// The error is store.ErrPermission, store.ErrNoSpace, store.ErrUnavailable or ctx's error.
func (c *base) CanStore(ctx context.Context, dir string) error {
	if p, ok := store.AsProber(c.store); ok {
		return p.Probe(ctx, dir)
	}
	v := c.availability.verdict()
	if age := c.now().Sub(v.at); v.known && age >= 0 && age < verdictTime {
		return v.err
	}
	if v.err != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, probeGlance, v.err)
		defer cancel()
	}
	_, err := share(ctx, c, &c.probing, probeKey, func(ctx context.Context) (struct{}, error) { return struct{}{}, c.probe(ctx, v.err) })
	return err
}

func (a *availability) verdict() verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.write
}

// probe finds out whether the store accepts writes. It sends a write whose condition fails, which
// changes nothing; if the store was full, it sends a real write.
func (c *base) probe(ctx context.Context, last error) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	var err error
	if errors.Is(last, store.ErrNoSpace) {
		err = c.putProbe(ctx)
	} else {
		_, err = c.store.Put(ctx, store.Ref{Key: probeKey, ETag: noVersion}, bytes.NewReader(nil), 0)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = &store.Error{Op: "put", Key: probeKey, Kind: store.ErrUnavailable, Err: fmt.Errorf("no answer within %v", probeTime)}
	}
	c.wrote(err)
	return c.availability.verdict().err
}

// putProbe writes the object at probeKey. The history does not record this.
func (c *base) putProbe(ctx context.Context) error {
	attr, err := c.store.Stat(ctx, probeKey)
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return err
	}
	_, err = c.store.Put(ctx, store.Ref{Key: probeKey, ETag: attr.ETag}, bytes.NewReader([]byte("\n")), 1)
	return err
}
