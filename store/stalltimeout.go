package store

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"
)

var errStalled = errors.New("no progress for too long")

// call identifies a call in errors.
type call struct{ op, key string }

// watchdogKey is the context key of a try's *watchdog.
type watchdogKey struct{}

// Progress reports that the call with context ctx advanced: bytes were received or sent, or part
// of a long operation is done. A store calls it wherever a call may take long; [Retry] cancels a
// try that makes no progress.
func Progress(ctx context.Context) {
	if w, ok := ctx.Value(watchdogKey{}).(*watchdog); ok {
		w.progress()
	}
}

// Stalled reports whether ctx belongs to a try that [Retry] canceled because it made no progress.
// The connection of such a try is useless, and other idle connections may be too.
func Stalled(ctx context.Context) bool { return context.Cause(ctx) == errStalled }

// attempt makes one try and cancels it if it makes no progress for the duration patience. A
// canceled try fails with ErrUnavailable.
func attempt[T any](ctx context.Context, what call, patience time.Duration, try func(context.Context, *watchdog) (T, error)) (T, error) {
	own, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := newWatchdog(patience, func() { cancel(errStalled) })
	defer w.pause()
	v, err := try(context.WithValue(own, watchdogKey{}, w), w)
	if errors.Is(err, context.Canceled) && ctx.Err() == nil && Stalled(own) {
		err = &Error{Op: what.op, Key: what.key, Kind: ErrUnavailable, Err: errStalled}
	}
	return v, err
}

// watchdog calls a function when there is no progress for a while. It is safe for concurrent use,
// since an HTTP client reads a source in a separate goroutine.
type watchdog struct {
	t        *time.Timer
	patience atomic.Int64 // ns
}

func newWatchdog(patience time.Duration, bite func()) *watchdog {
	w := &watchdog{t: time.AfterFunc(patience, bite)}
	w.patience.Store(int64(patience))
	return w
}

// progress restarts the timer, even after pause.
func (w *watchdog) progress() { w.t.Reset(time.Duration(w.patience.Load())) }

// pause stops the timer until progress is called.
func (w *watchdog) pause() { w.t.Stop() }

// watched is a source that reports progress when it is read.
type watched struct {
	src  io.ReaderAt
	size int64
	w    *watchdog
	// last is the patience after the last byte, when the store may have a lot of work to do.
	last time.Duration
}

func (s watched) ReadAt(p []byte, off int64) (int, error) {
	s.w.pause() // a slow source is not a slow store
	n, err := s.src.ReadAt(p, off)
	if off+int64(n) >= s.size {
		s.w.patience.Store(int64(s.last))
	}
	s.w.progress()
	return n, err
}
