package fs

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// How long a client may believe in a name is decided when it looks the name up, since
// the kernel is never told that a name has changed (fusefs/invalidate.go):
//
//   - A name is kept long where its node reports, when its attributes are asked for,
//     that the name is gone. Invalidation has them asked for.
//   - A link is followed without a question about its node. It is kept for some time if
//     edits cannot change whether the dump is in the view, else it is looked up each time.
//   - A missing name is not kept where an edit may add it.
const (
	nameTimeout    = 10 * time.Minute
	linkTimeout    = time.Minute
	missingTimeout = time.Second // in by-hash, where a lookup may have to ask the store
)

// nameDir is a directory that knows whether a name is in it.
type nameDir interface {
	// has returns the time of the dump that the name leads to, 0 if it is a directory.
	// The error is ErrNotExist when the name is missing.
	has(ctx context.Context, name string) (seconds int64, err error)
}

// placed is a node that checks whether it is still under its name.
type placed struct {
	in   nameDir
	name string
	seen atomic.Uint64 // the generation of the corpus at the last check
}

// place sets where the node was at a generation of the corpus.
func (p *placed) place(in nameDir, name string, generation uint64) {
	p.in, p.name = in, name
	p.seen.Store(generation)
}

// check returns ErrNotExist if the node is not under its name any more, and otherwise
// what has returned, if it was asked: while the corpus does not change, it is not.
func (p *placed) check(ctx context.Context, t *Tree) (seconds int64, asked bool, err error) {
	generation := t.o.Corpus.Generation()
	if p.in == nil || p.seen.Load() == generation {
		return 0, false, nil
	}
	seconds, err = p.in.has(ctx, p.name)
	switch {
	case err == nil:
		p.seen.Store(generation)
		return seconds, true, nil
	case errors.Is(err, ErrNotExist):
		return 0, false, err
	}
	return 0, false, nil // not known: as it was
}
