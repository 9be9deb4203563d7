package fs

import (
	"bytes"
	"context"
	"slices"
	"sort"
	"sync"

	"thothfs/corpus"
	"thothfs/dump"
)

// streamList is the list of all dumps, in order of their hashes. It can be read while the catalogue
// is still being scanned: scanning a million dumps takes most of a second, and returning them to
// the client takes as long again.
type streamList struct {
	mu    sync.Mutex // guards what follows
	parts [][]corpus.Row
	ended bool          // the list is complete or has failed
	err   error         // why reading failed, or nil
	more  chan struct{} // closed and replaced when any of the above changes
}

// listDumps starts reading a list of all dumps. Reading ends when the list is complete or the tree
// is closed.
func (t *Tree) listDumps() *streamList {
	l := &streamList{more: make(chan struct{})}
	t.workers.Go(func(ctx context.Context) {
		for part, err := range t.o.Corpus.All(ctx) {
			l.add(part, err, false)
		}
		var err error
		if !t.o.Corpus.IsWhole() {
			err = errCatalogReplaced
		}
		l.add(nil, err, true)
	})
	return l
}

func (l *streamList) add(part []corpus.Row, err error, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(part) > 0 {
		l.parts = append(l.parts, part) // appends beyond the slices that readers hold
	}
	if err != nil {
		l.err = err
	}
	l.ended = last
	close(l.more)
	l.more = make(chan struct{})
}

// longer waits until the list contains more than have parts or is complete, and returns it.
func (l *streamList) longer(ctx context.Context, have int) ([][]corpus.Row, error) {
	for {
		l.mu.Lock()
		parts, ended, err, more := l.parts, l.ended, l.err, l.more
		l.mu.Unlock()
		switch {
		case len(parts) > have:
			return parts, nil // report any error later
		case ended:
			return parts, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return parts, ctx.Err()
		}
	}
}

// find returns the row of a dump if it has already been read.
func (l *streamList) find(id dump.ID) (corpus.Row, bool) {
	l.mu.Lock()
	parts := l.parts
	l.mu.Unlock()
	// Find the last part whose first row is not after id.
	i := sort.Search(len(parts), func(i int) bool { return bytes.Compare(parts[i][0].ID[:], id[:]) > 0 }) - 1
	if i < 0 {
		return corpus.Row{}, false
	}
	at, ok := slices.BinarySearchFunc(parts[i], id, func(r corpus.Row, id dump.ID) int { return bytes.Compare(r.ID[:], id[:]) })
	if !ok {
		return corpus.Row{}, false
	}
	return parts[i][at], true
}

// failed reports whether reading the list failed.
func (l *streamList) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err != nil
}
