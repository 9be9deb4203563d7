package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"thothfs/store"
)

const (
	// historyWriters is how many objects are stored at once. Edits that come while all
	// of them are busy share the next object.
	historyWriters = 8
	// historyTimeout is how long a record may take to be stored.
	historyTimeout = 30 * time.Second
	// historyLast is how long records may take at the end: no edit waits for them.
	historyLast = time.Second
	// historyPause is how long a store that refuses records is not asked again.
	historyPause = time.Minute
)

// historyLog stores the records of one process. A nil one stores none.
type historyLog struct {
	c       *Corpus
	ctx     context.Context // of its requests, for they outlive the call that edits
	cancel  context.CancelFunc
	refused atomic.Int64 // until then, in nanoseconds since 1970, the store takes no records
	writing sync.WaitGroup

	mu      sync.Mutex // guards what follows
	pending []*pendingRecord
	writers int
	latest  time.Time // that an edit was given
}

// pendingRecord is a record on its way into the store.
type pendingRecord struct {
	at       time.Time
	line     []byte
	large    []byte // changes to be stored under largeKey before the record
	largeKey string
	done     chan struct{} // closed when it is stored or never will be
}

func newHistoryLog(c *Corpus) *historyLog {
	l := &historyLog{c: c}
	l.ctx, l.cancel = context.WithCancel(context.Background()) // ended by close
	return l
}

// next is the time of an edit that begins now. The edits of a process are in order even
// where the store tells its time in whole seconds.
func (l *historyLog) next(now time.Time) time.Time {
	if l == nil {
		return now
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if behind := l.latest.Sub(now); behind >= 0 && behind < 2*time.Second {
		now = l.latest
	}
	l.latest = now.Add(time.Millisecond)
	return now
}

// begin begins to store the record of an edit that is about to be made. wait waits
// until that is done, or for ctx. An edit whose record cannot be stored can be made all
// the same: that is logged.
func (l *historyLog) begin(e *HistoryEdit) (wait func(context.Context) error) {
	nothing := func(context.Context) error { return nil }
	if l == nil || l.refused.Load() > l.c.now().UnixNano() || len(e.Changes) == 0 && !e.void {
		return nothing
	}
	line, large, err := e.encode()
	if err != nil || len(large) > maxLarge {
		l.c.log.Warn("an edit is not in the history and cannot be undone", "edit", e.ID, "bytes", len(large), "error", err)
		return nothing
	}
	r := &pendingRecord{at: e.Time, line: line, large: large, largeKey: e.largeKey(), done: make(chan struct{})}
	l.mu.Lock()
	l.pending = append(l.pending, r)
	if l.writers < historyWriters {
		l.writers++
		l.writing.Add(1)
		go l.write() // ends when nothing is pending
	}
	l.mu.Unlock()
	return func(ctx context.Context) error {
		select {
		case <-r.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// void says that the last try of an edit did not come about. It never waits.
func (l *historyLog) void(e *HistoryEdit) {
	v := *e
	v.void, v.Changes, v.try = true, nil, e.try+1
	l.begin(&v)
}

// close waits for what is under way, if that does not take long.
func (l *historyLog) close() {
	if l == nil {
		return
	}
	timer := time.AfterFunc(historyLast, l.cancel)
	l.writing.Wait()
	timer.Stop()
	l.cancel()
}

// write stores records until there are none.
func (l *historyLog) write() {
	defer l.writing.Done()
	for {
		some := l.take()
		if some == nil {
			return
		}
		if err := l.put(some); err != nil {
			l.c.log.Warn("edits are not in the history and cannot be undone", "edits", len(some), "error", err)
		}
		for _, r := range some {
			close(r.done)
		}
	}
}

// take takes as many records as an object may have; nil ends the writer.
func (l *historyLog) take() []*pendingRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, size := 0, 0
	for n < len(l.pending) && n < maxRecords && size < maxHistory/2 {
		size += len(l.pending[n].line)
		n++
	}
	if n == 0 {
		l.writers--
		return nil
	}
	some := l.pending[:n:n]
	l.pending = l.pending[n:]
	return some
}

func (l *historyLog) put(some []*pendingRecord) error {
	ctx, cancel := context.WithTimeout(l.ctx, historyTimeout)
	defer cancel()
	var text bytes.Buffer
	at := l.c.storeNow()
	for _, r := range some {
		if r.large != nil {
			if err := l.store(ctx, r.largeKey, r.large); err != nil {
				return err
			}
		}
		if r.at.After(at) { // a clock that was set back
			at = r.at
		}
		text.Write(r.line)
	}
	return l.store(ctx, fmt.Sprintf("%s/%s-%016x", historyDir, at.UTC().Format(entryTime), rand.Uint64()), text.Bytes())
}

func (l *historyLog) store(ctx context.Context, key string, text []byte) error {
	_, err := l.c.store.Put(ctx, store.Ref{Key: key}, bytesAt(text), int64(len(text)))
	if errors.Is(err, store.ErrPermission) || errors.Is(err, store.ErrInvalid) {
		l.refused.Store(l.c.now().Add(historyPause).UnixNano())
	}
	return err
}
