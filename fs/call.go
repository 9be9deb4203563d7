package fs

import (
	"context"
	"sync"
	"time"

	"thothfs/cache"
)

// call is the context of one request of the kernel while it waits for the layers
// below. It ends when the request's deadline passes, and some grace after the
// kernel says that a signal wants the caller back: Go programs and shells send
// themselves signals all the time, and a read that is about to succeed must not
// become EINTR by them.
//
// A call costs nothing until somebody below really waits for its Done.
type call struct {
	context.Context                 // for its values; never done itself
	interrupt       <-chan struct{} // closed by the kernel's INTERRUPT
	grace           time.Duration
	deadline        time.Time

	trace cache.Trace // where the time of a read goes

	mu      sync.Mutex // guards what follows
	done    chan struct{}
	err     error
	ended   chan struct{} // ends the watcher
	hasOver bool
}

// newCall begins a call for a request whose context is ctx. end must be called
// when the request is answered.
func newCall(ctx context.Context, timeout, grace time.Duration) *call {
	return &call{
		Context:   context.WithoutCancel(ctx),
		interrupt: ctx.Done(),
		grace:     grace,
		deadline:  time.Now().Add(timeout),
	}
}

// Value implements context.Context. The cache finds its trace here.
func (c *call) Value(key any) any {
	if key == cache.TraceKey {
		return &c.trace
	}
	return c.Context.Value(key)
}

// Deadline implements context.Context.
func (c *call) Deadline() (time.Time, bool) { return c.deadline, true }

// Done implements context.Context. The first caller starts the watcher.
func (c *call) Done() <-chan struct{} {
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
	go c.watch(c.ended) // ends with the call, see end
	return c.done
}

// Err implements context.Context.
func (c *call) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && c.done == nil && !time.Now().Before(c.deadline) {
		c.err = context.DeadlineExceeded
	}
	return c.err
}

// end releases what the call holds. Whoever still waits for it sees it cancelled.
func (c *call) end() {
	c.finish(context.Canceled)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil && !c.hasOver {
		c.hasOver = true
		close(c.ended)
	}
}

func (c *call) finish(err error) {
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

func (c *call) watch(ended <-chan struct{}) {
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
