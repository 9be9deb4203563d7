package corpus

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"thothfs/dump"
	"thothfs/store"
)

// The change log of a corpus lies in the store itself: who edits or uploads leaves a
// small object in .thothfs/changes, whose name sorts by time, and others list what came
// since they last did. It is a courtesy, so that they need not ask for every document:
// an entry that is lost (with a process that was killed, by a clock that is wrong) costs
// time, for every document has its turn in the end. The original knows nothing of it, and
// passes over a directory of that name.
const changesDir = ".thothfs/changes"

const (
	logDelay   = 200 * time.Millisecond // changes that come within it share an entry
	logTimeout = 30 * time.Second       // to store an entry
	logLast    = 5 * time.Second        // and the last one, at the end
	maxEntry   = 4096                   // dumps in one entry
	logKept    = 28 * 24 * time.Hour    // entries may be removed after that
	trimEvery  = 64                     // entries written, on average
	trimAtOnce = 256                    // entries
)

// changeLog writes the entries of one process. A nil one writes none.
type changeLog struct {
	c       *Corpus
	wake    chan struct{} // holds an element when something is pending
	closed  chan struct{} // closed by close
	done    chan struct{} // closed when its goroutine has ended
	refused atomic.Bool   // the store takes no entries

	mu      sync.Mutex // guards what follows
	pending map[dump.ID]string
}

func newChangeLog(c *Corpus) *changeLog {
	l := &changeLog{c: c, wake: make(chan struct{}, 1), closed: make(chan struct{}), done: make(chan struct{}), pending: map[dump.ID]string{}}
	go l.run() // ended by close
	return l
}

// storeNow is the time by the store's clock, which all writers share: this machine's
// clock, corrected by what the store said when it last took a document.
func (c *Corpus) storeNow() time.Time { return c.now().Add(time.Duration(c.skew.Load())) }

// setClock learns the store's clock from the time that it gave to what was stored just
// now. A store that does not say leaves the clock as it is.
func (c *Corpus) setClock(stored time.Time) {
	if !stored.IsZero() {
		c.skew.Store(int64(stored.Sub(c.now())))
	}
}

// note has others told that a document was stored. It never waits.
func (l *changeLog) note(id dump.ID, etag string) {
	if l == nil || l.refused.Load() {
		return
	}
	l.mu.Lock()
	l.pending[id] = etag
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// close stores what is pending, if that does not take long.
func (l *changeLog) close() {
	if l == nil {
		return
	}
	close(l.closed)
	<-l.done
}

func (l *changeLog) run() {
	defer close(l.done)
	for {
		select {
		case <-l.wake:
		case <-l.closed:
			l.flush(logLast)
			return
		}
		select {
		case <-time.After(logDelay):
			l.flush(logTimeout)
		case <-l.closed:
			l.flush(logLast)
			return
		}
	}
}

// flush stores what is pending. What cannot be stored is dropped: the store retries what
// may pass.
func (l *changeLog) flush(patience time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for all := l.take(); len(all) > 0; all = l.take() {
		name, text := entryName(l.c.storeNow(), all), encodeEntry(all)
		_, err := l.c.store.Put(ctx, store.Ref{Key: changesDir + "/" + name}, bytesAt(text), int64(len(text)))
		if errors.Is(err, store.ErrPermission) || errors.Is(err, store.ErrInvalid) {
			l.refused.Store(true)
		}
		if err != nil {
			l.c.log.Info("others learn of some changes later: no entry in the change log", "dumps", len(all), "error", err)
			continue
		}
		if rand.IntN(trimEvery) == 0 {
			if err := l.c.trimLog(ctx, l.c.storeNow().Add(-2*logKept)); err != nil {
				l.c.log.Debug("the change log is not trimmed", "error", err)
			}
		}
	}
}

// take takes what is pending, as much as an entry may have.
func (l *changeLog) take() (all []logged) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, etag := range l.pending {
		if len(all) == maxEntry {
			break
		}
		all = append(all, logged{id, etag})
		delete(l.pending, id)
	}
	return all
}

// trimLog removes some of the entries that were made before a time, oldest first.
func (c *Corpus) trimLog(ctx context.Context, before time.Time) error {
	var names []string
	for e, err := range c.store.List(ctx, changesDir, "") {
		if errors.Is(err, store.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		entry, ok := parseEntryName(e.Name)
		if !ok || e.Dir {
			continue
		}
		if !entry.at.Before(before) || len(names) == trimAtOnce {
			break
		}
		names = append(names, e.Name)
	}
	for _, name := range names {
		err := c.store.Remove(ctx, store.Ref{Key: changesDir + "/" + name})
		if err != nil && !errors.Is(err, store.ErrNotExist) { // somebody else trims as well
			return err
		}
	}
	return nil
}
