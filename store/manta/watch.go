package manta

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"
)

// errStalled ends a request that makes no progress.
var errStalled = errors.New("no progress")

// watch ends a request when nothing has happened for a while: no byte of its
// body went out, none of the answer came in. It needs no goroutine.
type watch struct {
	stall   time.Duration
	timer   *time.Timer
	cancel  context.CancelCauseFunc
	stopped atomic.Bool
}

// newWatch returns the context for a request that makes progress.
func newWatch(ctx context.Context, stall time.Duration) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{stall: stall, cancel: cancel}
	w.timer = time.AfterFunc(stall, func() { cancel(errStalled) })
	return ctx, w
}

// touch tells of progress.
func (w *watch) touch() {
	if !w.stopped.Load() {
		w.timer.Reset(w.stall)
	}
}

// stop ends the watch, and with it the context.
func (w *watch) stop() {
	w.stopped.Store(true)
	w.timer.Stop()
	w.cancel(nil)
}

// watchedBody is the body of an answer under watch.
type watchedBody struct {
	io.ReadCloser
	ctx   context.Context // not kept for calls: to tell a stall from other ends
	watch *watch
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.watch.touch()
	}
	if err != nil && err != io.EOF && errors.Is(context.Cause(b.ctx), errStalled) {
		err = errStalled
	}
	return n, err
}

func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	b.watch.stop()
	return err
}
