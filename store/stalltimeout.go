package store

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"
)

var errStalled = errors.New("no progress for too long")

// call names a call in errors.
type call struct{ op, key string }

// watchdogKey is the key of a try's *watchdog in its context.
type watchdogKey struct{}

// Progress reports that the call with the context ctx advanced: bytes came in or went out, or
// part of a long operation is done. A store calls it wherever a call may take long; [Retry]
// ends a try without progress.
func Progress(ctx context.Context) {
	if w, ok := ctx.Value(watchdogKey{}).(*watchdog); ok {
		w.progress()
	}
}

// Stalled reports whether ctx belongs to a try that [Retry] ended because it made no progress.
// The connection of such a try is useless, and other idle connections may be too.
func Stalled(ctx context.Context) bool { return context.Cause(ctx) == errStalled }

// attempt makes one try and cancels it when it makes no progress for patience. Such a try
// fails with ErrUnavailable.
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

// watchdog calls a function when there is no progress for a while. It is safe for concurrent
// use, since an HTTP client reads a source in a goroutine of its own.
type watchdog struct {
	t        *time.Timer
	patience atomic.Int64 // ns
}

func newWatchdog(patience time.Duration, bite func()) *watchdog {
	w := &watchdog{t: time.AfterFunc(patience, bite)}
	w.patience.Store(int64(patience))
	return w
}

// progress restarts the timer, also after pause.
func (w *watchdog) progress() { w.t.Reset(time.Duration(w.patience.Load())) }

// pause stops the timer until progress.
func (w *watchdog) pause() { w.t.Stop() }

// watched is a source that reports progress when it is read.
type watched struct {
	src  io.ReaderAt
	size int64
	w    *watchdog
	// last is the patience after the last byte, when the store may have much to do.
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
