package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"thothfs/store"

	"golang.org/x/sync/singleflight"
)

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

// prober finds out whether the store accepts writes.
type prober struct {
	*base
	probing singleflight.Group
}

// verdict is what is known about writing to the store.
type verdict struct {
	known bool      // there was a response to a write, or the store is unavailable
	err   error     // expected error of the next write, or nil
	at    time.Time // time of the call
}

// answered returns the verdict after the store has responded to a call other than a write.
func (v verdict) answered(now time.Time) verdict {
	switch {
	case errors.Is(v.err, store.ErrUnavailable):
		return verdict{} // it responds, but may refuse writes
	case v.err == nil:
		v.at = now
	}
	return v
}

// wrote records the outcome of a write to the store.
func (c *prober) wrote(err error) {
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
func (c *prober) CanStore(ctx context.Context, dir string) error {
	if p, ok := store.AsProber(c.store); ok {
		return p.Probe(ctx, dir)
	}
	v := c.availability.verdict()
	if age := c.now().Sub(v.at); v.known && age >= 0 && age < verdictTime {
		return v.err
	}
	var glance <-chan time.Time
	if v.err != nil {
		timer := time.NewTimer(probeGlance)
		defer timer.Stop()
		glance = timer.C
	}
	// The probe may outlive its first caller. Other callers wait for it, and so does awaitProbe.
	own := context.WithoutCancel(ctx)
	done := c.probing.DoChan(probeKey, func() (any, error) { return nil, c.probe(own, v.err) })
	select {
	case r := <-done:
		return r.Err
	case <-glance:
		return v.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (o *availability) verdict() verdict {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.write
}

// probe finds out whether the store accepts writes. It sends a write whose condition fails, which
// changes nothing; if the store was full, it sends a real write.
func (c *prober) probe(ctx context.Context, last error) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	var err error
	if errors.Is(last, store.ErrNoSpace) {
		err = c.putProbe(ctx)
	} else {
		_, err = c.store.Put(ctx, store.Ref{Key: probeKey, ETag: noVersion}, bytes.NewReader(nil), 0)
	}
	if ctx.Err() != nil {
		err = &store.Error{Op: "put", Key: probeKey, Kind: store.ErrUnavailable, Err: fmt.Errorf("no answer within %v", probeTime)}
	}
	c.wrote(err)
	return c.availability.verdict().err
}

// putProbe writes the object at probeKey. The history does not record this.
func (c *prober) putProbe(ctx context.Context) error {
	attr, err := c.store.Stat(ctx, probeKey)
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return err
	}
	_, err = c.store.Put(ctx, store.Ref{Key: probeKey, ETag: attr.ETag}, bytes.NewReader([]byte("\n")), 1)
	return err
}

// awaitProbe waits for a probe in progress to end.
func (c *prober) awaitProbe() {
	c.probing.Do(probeKey, func() (any, error) { return nil, nil })
}
