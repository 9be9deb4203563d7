package history

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
	// maxWriters is the maximum number of objects stored concurrently. Edits that arrive while all
	// writers are busy share the next object.
	maxWriters    = 8
	maxRecords    = 256     // maximum number in one object
	maxObject     = 2 << 20 // maximum size of an object in bytes
	recordTimeout = 30 * time.Second
	closeTimeout  = time.Second // for all records at Close, when no edit is waiting for them
	refusedPause  = time.Minute // after the store has refused a record
)

// Recorder stores the history records of one process. A nil Recorder stores none.
type Recorder struct {
	h            History
	now          func() time.Time
	ctx          context.Context // context of the requests, which may outlive their edits
	cancel       context.CancelFunc
	refusedUntil atomic.Int64 // Unix time in nanoseconds
	writing      sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	pending []*pendingRecord
	writers int
	next    time.Time // earliest time of the next edit
}

// pendingRecord is a record that is being stored.
type pendingRecord struct {
	at       time.Time
	line     []byte
	large    []byte // changes stored separately, or nil
	largeKey string
	done     chan struct{} // closed when the record is stored or storing it has failed
}

// NewRecorder returns a recorder that uses the clock now. The caller must close it.
func NewRecorder(h History, now func() time.Time) *Recorder {
	r := &Recorder{h: h, now: now}
	r.ctx, r.cancel = context.WithCancel(context.Background()) // canceled by Close
	return r
}

// EditTime returns the time to record for an edit that begins at now. It keeps the edits of a
// process in order even if the store's clock has a resolution of seconds.
func (r *Recorder) EditTime(now time.Time) time.Time {
	if r == nil {
		return now
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if behind := r.next.Sub(now); behind >= 0 && behind < 2*time.Second {
		now = r.next
	}
	r.next = now.Add(time.Millisecond)
	return now
}

// Begin starts storing the record of an attempt at e. The returned function waits until the record
// is stored or ctx is done. A record that cannot be stored is logged; the edit does not fail.
func (r *Recorder) Begin(e *Edit) (wait func(context.Context) error) {
	e.try++
	if r == nil || r.refusedUntil.Load() > r.now().UnixNano() || len(e.Changes) == 0 && !e.void {
		return func(context.Context) error { return nil }
	}
	line, large, err := e.encode()
	if err != nil {
		r.h.Log.Warn("an edit is not in the history and cannot be undone", "edit", e.ID, "error", err)
		return func(context.Context) error { return nil }
	}
	p := &pendingRecord{at: e.Time, line: line, large: large, largeKey: e.largeKey(), done: make(chan struct{})}
	r.mu.Lock()
	r.pending = append(r.pending, p)
	if r.writers < maxWriters {
		r.writers++
		r.writing.Add(1)
		go r.write() // ends when no records are pending
	}
	r.mu.Unlock()
	return func(ctx context.Context) error {
		select {
		case <-p.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Void starts recording that e was not made, which hides its records. The returned function waits,
// like that of Begin.
func (r *Recorder) Void(e *Edit) (wait func(context.Context) error) {
	v := *e
	v.void, v.Changes = true, nil
	return r.Begin(&v)
}

// Close waits up to closeTimeout for records that are being stored.
func (r *Recorder) Close() {
	if r == nil {
		return
	}
	timer := time.AfterFunc(closeTimeout, r.cancel)
	r.writing.Wait()
	timer.Stop()
	r.cancel()
}

// write stores records until none are pending.
func (r *Recorder) write() {
	defer r.writing.Done()
	for batch := r.take(); batch != nil; batch = r.take() {
		if err := r.put(batch); err != nil {
			r.h.Log.Warn("edits are not in the history and cannot be undone", "edits", len(batch), "error", err)
		}
		for _, p := range batch {
			close(p.done)
		}
	}
}

// take returns the records for the next object, or nil if the writer should end. A record whose
// changes are stored separately gets an object of its own, so that it fails alone.
func (r *Recorder) take() []*pendingRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, size := 0, 0
	for n < min(len(r.pending), maxRecords) && size < maxObject/2 {
		if n > 0 && (r.pending[0].large != nil || r.pending[n].large != nil) {
			break
		}
		size += len(r.pending[n].line)
		n++
	}
	if n == 0 {
		r.writers--
		return nil
	}
	batch := r.pending[:n:n]
	r.pending = r.pending[n:]
	return batch
}

func (r *Recorder) put(batch []*pendingRecord) error {
	ctx, cancel := context.WithTimeout(r.ctx, recordTimeout)
	defer cancel()
	var text bytes.Buffer
	at := r.now()
	for _, p := range batch {
		if p.large != nil {
			if err := r.h.put(ctx, p.largeKey, p.large); err != nil {
				return err
			}
		}
		if p.at.After(at) { // the clock was set back
			at = p.at
		}
		text.Write(p.line)
	}
	err := r.h.put(ctx, fmt.Sprintf("%s/%s-%016x", editsDir, at.UTC().Format(timeFormat), rand.Uint64()), text.Bytes())
	if errors.Is(err, store.ErrPermission) || errors.Is(err, store.ErrInvalid) {
		r.refusedUntil.Store(r.now().Add(refusedPause).UnixNano())
	}
	return err
}
