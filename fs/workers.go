package fs

import (
	"context"
	"sync"
)

// workers are goroutines that may outlive the call that started them.
type workers struct {
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

func newWorkers() *workers {
	b := &workers{}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// Go runs f in a goroutine. f must return when its context ends.
func (b *workers) Go(f func(context.Context)) {
	b.running.Go(func() { f(b.ctx) })
}

// stop cancels what is running and waits for it. Go must not be called any more.
func (b *workers) stop() {
	b.cancel()
	b.running.Wait()
}
