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
	// verdictTime is how long the outcome of a call says how the next write will end.
	verdictTime = time.Second
	// probeTime bounds a probe.
	probeTime = 3 * time.Second
	// probeGlance is how long a caller waits for the probe of a store that is known to
	// refuse writes, before it goes by what is known.
	probeGlance = 300 * time.Millisecond
)

// probeKey is the object that a probe would write.
const probeKey = ".thothfs/probe"

// noVersion is the ETag of no object: a Put that replaces it changes nothing.
const noVersion = "none"

// prober finds out whether the store takes writes.
type prober struct {
	*base
	probing singleflight.Group
}

// verdict is what is known about writing to the store.
type verdict struct {
	known bool      // a write was answered, or the store is away
	err   error     // why the next write will fail; nil: it will not
	at    time.Time // of the call that showed it
}

// answered returns the verdict after the store answered a call that did not write.
func (v verdict) answered(now time.Time) verdict {
	switch {
	case errors.Is(v.err, store.ErrUnavailable):
		return verdict{} // whether it takes writes is another question
	case v.err == nil:
		v.at = now
	}
	return v
}

// wrote takes in how a write to the store ended.
func (c *prober) wrote(err error) {
	c.availability.record(c.now(), err, c.log)
	if err != nil && store.Kind(err) == nil || errors.Is(err, store.ErrUnavailable) {
		return // it says nothing, or is noted
	}
	if !errors.Is(err, store.ErrPermission) && !errors.Is(err, store.ErrNoSpace) {
		err = nil // another refusal is about that write alone
	}
	c.availability.mu.Lock()
	defer c.availability.mu.Unlock()
	c.availability.write = verdict{known: true, at: c.now(), err: err}
}

// CanStore returns the error with which a write to the directory dir would fail now, as
// far as that can be known at once: for callers who can only report it beforehand. A
// store on this machine is asked. Of another one the outcome of the latest call counts
// for a second; after that one request asks whether it takes writes, for which CanStore
// waits up to three seconds, and hardly at all if the store is known to refuse them.
//
// Errors are store.ErrPermission, store.ErrNoSpace, store.ErrUnavailable and those of ctx.
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
	// It outlives its first caller: others wait for it, and awaitProbe at the end.
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

// probe finds out whether the store takes writes. A write that no version allows shows
// it without any change, unless the store is full: that shows in a write alone.
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

// putProbe writes the object of the probe. That is no edit and not in the history.
func (c *prober) putProbe(ctx context.Context) error {
	attr, err := c.store.Stat(ctx, probeKey)
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return err
	}
	_, err = c.store.Put(ctx, store.Ref{Key: probeKey, ETag: attr.ETag}, bytes.NewReader([]byte("\n")), 1)
	return err
}

// awaitProbe waits for a probe that is under way.
func (c *prober) awaitProbe() {
	c.probing.Do(probeKey, func() (any, error) { return nil, nil })
}
