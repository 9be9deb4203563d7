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

// dumpList is the list of all dumps, in the order of their hashes. It is read while
// the catalogue still hands it over: of a million that takes most of a second, and as
// long again to tell the kernel.
type dumpList struct {
	mu    sync.Mutex // guards what follows
	parts [][]corpus.Row
	ended bool          // no more will come
	err   error         // why, if not for there being no more
	news  chan struct{} // closed when one of these has changed, and made anew
}

// listDumps begins a list of all dumps. It goes on until it has all of them, whoever
// waits for it, or until the unmount.
func (t *tree) listDumps() *dumpList {
	l := &dumpList{news: make(chan struct{})}
	t.background.Go(func(ctx context.Context) {
		for part, err := range t.o.Corpus.All(ctx) {
			l.add(part, err)
		}
		if !t.o.Corpus.IsWhole() {
			l.add(nil, errReplaced)
		}
		l.end()
	})
	return l
}

func (l *dumpList) add(part []corpus.Row, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(part) > 0 {
		l.parts = append(l.parts, part) // past the end of what others have
	}
	if err != nil {
		l.err = err
	}
	l.tellLocked()
}

func (l *dumpList) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.tellLocked()
}

func (l *dumpList) tellLocked() {
	close(l.news)
	l.news = make(chan struct{})
}

// longer returns the list as soon as it has more than so many parts, or all of them.
func (l *dumpList) longer(ctx context.Context, have int) ([][]corpus.Row, error) {
	for {
		l.mu.Lock()
		parts, ended, err, news := l.parts, l.ended, l.err, l.news
		l.mu.Unlock()
		switch {
		case len(parts) > have:
			return parts, nil // first what there is
		case ended:
			return parts, err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return parts, ctx.Err()
		}
	}
}

// find returns the row of a dump if it is among those that have come.
func (l *dumpList) find(id dump.ID) (corpus.Row, bool) {
	l.mu.Lock()
	parts := l.parts
	l.mu.Unlock()
	// The last part that does not begin after it.
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

// failed tells whether the list will never have all dumps.
func (l *dumpList) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err != nil
}
