package fs

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// How long a client may cache a name is decided at lookup, since the kernel is never notified later
// that a name has changed (fusefs/invalidate.go):
//
//   - A name is cached for long if its node's Attr reports that the name is gone. An
//     invalidation makes the kernel ask for the attributes.
//   - A link is followed without checking its node. It is cached for some time if edits cannot
//     change whether the dump is in the view; otherwise it is looked up each time.
//   - A missing name is not cached where an edit may add it.
const (
	nameTimeout    = 10 * time.Minute
	linkTimeout    = time.Minute
	missingTimeout = time.Second // in by-hash, where a lookup may have to query the store
)

// placed is embedded in nodes that check whether they are still under their name.
type placed struct {
	in   Dir // nil if the name cannot disappear
	name string
	seen atomic.Uint64 // generation of the corpus at the last check
}

// place records the directory and name of the node at a generation of the corpus.
func (p *placed) place(in Dir, name string, generation uint64) {
	p.in, p.name = in, name
	p.seen.Store(generation)
}

// check returns ErrNotExist if the node is no longer under its name. Otherwise it returns the node
// that is now; ok is false if that is unknown or the corpus has not changed.
func (p *placed) check(ctx context.Context, t *Tree) (now Entry, ok bool, err error) {
	generation := t.o.Corpus.Generation()
	if p.in == nil || p.seen.Load() == generation {
		return now, false, nil
	}
	now, err = p.in.Lookup(ctx, p.name)
	switch {
	case err == nil:
		p.seen.Store(generation)
		return now, true, nil
	case errors.Is(err, ErrNotExist):
		return now, false, err
	}
	return now, false, nil // assume no change
}
