package fs

import (
	"context"
	"sync"
)

// background is work that outlives the call it was begun for.
type background struct {
	ctx     context.Context
	cancel  context.CancelFunc
	working sync.WaitGroup
}

func newBackground() *background {
	b := &background{}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// Go runs f in a goroutine of its own. f is to end when its context does.
func (b *background) Go(f func(context.Context)) {
	b.working.Go(func() { f(b.ctx) })
}

// stop ends what is running and waits for it. Nothing must be begun any more.
func (b *background) stop() {
	b.cancel()
	b.working.Wait()
}
