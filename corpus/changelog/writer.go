package changelog

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"thothfs/dump"
	"thothfs/store"
)

const (
	writeDelay   = 200 * time.Millisecond // changes within this time share an entry
	writeTimeout = 30 * time.Second       // for one entry
	closeTimeout = 5 * time.Second        // for the last entries
	trimEvery    = 64                     // average number of entries written between calls of Trim
	trimAtOnce   = 256                    // maximum number of entries removed at a time
)

// Writer writes the change-log entries of one process. A nil Writer writes none.
type Writer struct {
	store   store.Store
	now     func() time.Time
	log     *slog.Logger
	closed  chan struct{} // closed by Close
	refused atomic.Bool   // the store does not accept entries
	writing sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	pending map[dump.ID]string
	active  bool // a goroutine is writing, or about to write, what is pending
}

// NewWriter returns a writer that uses the clock now. The caller must close it.
func NewWriter(s store.Store, now func() time.Time, log *slog.Logger) *Writer {
	return &Writer{store: s, now: now, log: log, closed: make(chan struct{}), pending: map[dump.ID]string{}}
}

// Add adds a document that was stored. It does not wait until the entry is written.
func (w *Writer) Add(id dump.ID, etag string) {
	if w == nil || w.refused.Load() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending[id] = etag
	if !w.active {
		w.active = true
		w.writing.Go(w.write) // ends when nothing is pending
	}
}

// Close writes pending entries, for which it waits up to closeTimeout.
func (w *Writer) Close() {
	if w == nil {
		return
	}
	close(w.closed)
	w.writing.Wait()
}

// write writes entries after writeDelay until nothing is pending. An entry that cannot be stored is
// dropped, since the store has already retried.
func (w *Writer) write() {
	timeout := writeTimeout
	select {
	case <-time.After(writeDelay):
	case <-w.closed:
		timeout = closeTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for lines := w.take(); len(lines) > 0; lines = w.take() {
		name, text := entryName(w.now(), lines), encodeLines(lines)
		_, err := w.store.Put(ctx, store.Ref{Key: Dir + "/" + name}, bytes.NewReader(text), int64(len(text)))
		if errors.Is(err, store.ErrPermission) || errors.Is(err, store.ErrInvalid) {
			w.refused.Store(true)
		}
		if err != nil {
			w.log.Info("cannot write change-log entry; other clients will see these changes later", "dumps", len(lines), "error", err)
			continue
		}
		if rand.IntN(trimEvery) == 0 {
			if err := Trim(ctx, w.store, w.now().Add(-2*Retention)); err != nil {
				w.log.Debug("cannot trim the change log", "error", err)
			}
		}
	}
}

// take returns the lines for the next entry. If there are none, the goroutine must end.
func (w *Writer) take() (lines []line) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, etag := range w.pending {
		if len(lines) == maxVersions {
			break
		}
		lines = append(lines, line{id, etag})
		delete(w.pending, id)
	}
	w.active = len(lines) > 0
	return lines
}

// Trim removes the oldest entries, up to trimAtOnce, that are older than before.
func Trim(ctx context.Context, s store.Store, before time.Time) error {
	var names []string
	for e, err := range s.List(ctx, Dir, "") {
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
		err := s.Remove(ctx, store.Ref{Key: Dir + "/" + name})
		if err != nil && !errors.Is(err, store.ErrNotExist) { // another client is trimming too
			return err
		}
	}
	return nil
}
