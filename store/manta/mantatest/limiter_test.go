package mantatest

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestLimiter: all together get what the line has, in turn.
func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l limiter
		began := time.Now()
		if err := l.wait(t.Context(), 1<<30); err != nil || time.Since(began) != 0 {
			t.Errorf("without a limit: %v, %v", time.Since(began), err)
		}
		l.set(1000)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 5 {
					if err := l.wait(t.Context(), 100); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if d := time.Since(began); d != 2*time.Second {
			t.Errorf("2000 bytes at 1000 bytes/s took %v", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.wait(ctx, 1<<20); err != context.DeadlineExceeded {
			t.Errorf("given up: %v", err)
		}
	})
}
