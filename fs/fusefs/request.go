package fusefs

import (
	"context"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/cache"
	"thothfs/fs"
)

// request is the context of one kernel request. It ends at the request's deadline, or a grace
// period after the kernel reports a signal to the caller. The grace period is needed because Go
// programs and shells constantly send themselves signals, and a read that is about to succeed must
// not fail with EINTR.
//
// A request starts no goroutine until a layer below calls Done.
type request struct {
	context.Context                 // used only for its values; never done itself
	interrupt       <-chan struct{} // closed on an INTERRUPT from the kernel
	grace           time.Duration
	deadline        time.Time

	trace cache.Trace // timings of a read

	mu    sync.Mutex // guards what follows
	done  chan struct{}
	err   error
	ended chan struct{} // closing it ends the watcher; nil if there is none
}

// untilRead is the maximum time that opendir(2) waits until the corpus has been read. Waiting that
// long is harmless: no kernel lock is held meanwhile, a signal ends the wait, and it fails when the
// store does not respond.
const untilRead = 1000 * time.Hour

// request returns the context of an ordinary request. The caller must call end.
func (b *bridge) request(ctx context.Context) *request {
	return newRequest(ctx, b.o.OpTimeout, b.o.Grace)
}

// newRequest returns a context for a request whose original context is ctx. The caller must call
// end once the reply is ready.
func newRequest(ctx context.Context, timeout, grace time.Duration) *request {
	return &request{
		Context:   context.WithoutCancel(ctx),
		interrupt: ctx.Done(),
		grace:     grace,
		deadline:  time.Now().Add(timeout),
	}
}

// Value implements context.Context. It provides the cache trace and the caller.
func (c *request) Value(key any) any {
	switch key {
	case cache.TraceKey:
		return &c.trace
	case fs.CallerKey:
		if caller, ok := fuse.FromContext(c.Context); ok {
			return caller.Uid
		}
		return nil
	}
	return c.Context.Value(key)
}

// Deadline implements context.Context.
func (c *request) Deadline() (time.Time, bool) { return c.deadline, true }

// Done implements context.Context. The first caller starts the watcher.
func (c *request) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done != nil {
		return c.done
	}
	c.done = make(chan struct{})
	if c.err != nil {
		close(c.done)
		return c.done
	}
	c.ended = make(chan struct{})
	go c.watch(c.ended) // ends at end
	return c.done
}

// Err implements context.Context.
func (c *request) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && c.done == nil && !time.Now().Before(c.deadline) {
		c.err = context.DeadlineExceeded
	}
	return c.err
}

// end releases the resources of the request. Layers still waiting on it see it cancelled.
func (c *request) end() {
	c.finish(context.Canceled)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		close(c.ended)
		c.ended = nil
	}
}

func (c *request) finish(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	if c.done != nil {
		close(c.done)
	}
}

func (c *request) watch(ended <-chan struct{}) {
	deadline := time.NewTimer(time.Until(c.deadline))
	defer deadline.Stop()
	select {
	case <-ended:
		return
	case <-deadline.C:
		c.finish(context.DeadlineExceeded)
		return
	case <-c.interrupt:
	}
	grace := time.NewTimer(c.grace)
	defer grace.Stop()
	select {
	case <-ended:
	case <-deadline.C:
		c.finish(context.DeadlineExceeded)
	case <-grace.C:
		c.finish(context.Canceled)
	}
}
