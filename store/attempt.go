package store

import (
	"context"
	"errors"
	"io"
	"time"
)

var errStalled = errors.New("no progress for too long")

// call names a call in errors.
type call struct{ op, key string }

// attempt makes one try, and ends it when it makes no progress for so long as
// patience says. A try ended like that is ErrUnavailable.
func attempt[T any](ctx context.Context, what call, patience time.Duration, try func(context.Context, *watchdog) (T, error)) (T, error) {
	own, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := newWatchdog(patience, func() { cancel(errStalled) })
	defer w.pause()
	v, err := try(own, w)
	if errors.Is(err, context.Canceled) && ctx.Err() == nil && context.Cause(own) == errStalled {
		err = &Error{Op: what.op, Key: what.key, Kind: ErrUnavailable, Err: errStalled}
	}
	return v, err
}

// watchdog bites when nothing happens. It is safe for concurrent use: an HTTP
// client reads a source in a goroutine of its own.
type watchdog struct{ t *time.Timer }

func newWatchdog(patience time.Duration, bite func()) *watchdog {
	return &watchdog{time.AfterFunc(patience, bite)}
}

// progress gives another so much time.
func (w *watchdog) progress(patience time.Duration) { w.t.Reset(patience) }

// pause lets it sleep until progress.
func (w *watchdog) pause() { w.t.Stop() }

// watched is a source whose reading is progress.
type watched struct {
	src  io.ReaderAt
	size int64
	w    *watchdog
	// during and after the transfer: the store may have much to do at its end.
	during, after time.Duration
}

func (s watched) ReadAt(p []byte, off int64) (int, error) {
	s.w.pause() // a slow source is not a slow store
	n, err := s.src.ReadAt(p, off)
	if off+int64(n) >= s.size {
		s.w.progress(s.after)
	} else {
		s.w.progress(s.during)
	}
	return n, err
}
