// Package withctx provides operations of the standard library that take no context, with one.
package withctx

import (
	"context"
	"io"
	"time"
)

// Sleep pauses for d, or until ctx is done, in which case it returns ctx.Err(). If d <= 0, it
// returns ctx.Err() immediately.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Reader returns a reader that reads from r and returns ctx.Err() once ctx is done. It does not
// interrupt a Read in progress.
func Reader(ctx context.Context, r io.Reader) io.Reader { return &reader{ctx, r} }

type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
