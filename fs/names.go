package fs

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/store"
)

// How long the kernel believes in a name is decided when it looks the name up, since it
// is never told that a name has changed (notify.go):
//
//   - A name that is there is kept long where the node under it says by itself, when its
//     attributes are asked for, that the name has gone. The notifier has them asked for.
//   - A link is followed without its node being asked. It is kept for some time if edits
//     cannot change whether the dump is in the view, else it is looked up each time.
//   - A name that is missing is not kept where an edit may bring it.
const (
	nameTimeout    = 10 * time.Minute
	linkTimeout    = time.Minute
	missingTimeout = time.Second // in by-hash, where the store may have to be asked
)

// keepNoMissing has the kernel look a name up each time while it is missing. A lookup
// that finds it sets another timeout.
func keepNoMissing(out *fuse.EntryOut) { out.SetEntryTimeout(instant) }

// named is a node that knows when it last was under its name.
type named struct {
	seen atomic.Uint64 // the generation of the corpus at that time
}

// namesDir is a directory that knows whether a name is in it.
type namesDir interface {
	// has returns the time of the dump that the name leads to, 0 if it is a directory.
	// It is store.ErrNotExist when the name is not there.
	has(c context.Context, name string) (seconds int64, err error)
}

// check reports whether n, whose part m is, is still under its name. While the corpus
// does not change nobody is asked. seconds is what has returned, if it was asked.
func (m *named) check(ctx context.Context, n *node) (seconds int64, asked, gone bool) {
	generation := n.t.o.Corpus.Generation()
	if m.seen.Load() == generation {
		return 0, false, false
	}
	name, parent := n.Parent()
	if parent == nil {
		return 0, false, false
	}
	dir, ok := parent.Operations().(namesDir)
	if !ok {
		return 0, false, false
	}
	c := n.t.call(ctx)
	defer c.end()
	seconds, err := dir.has(c, name)
	if err == nil {
		m.seen.Store(generation)
	}
	return seconds, err == nil, errors.Is(err, store.ErrNotExist)
}
