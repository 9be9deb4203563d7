package corpus

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// keyedMutex lets those who change one object of the store do so one after the other, as
// far as they are in this process: they would only get in each other's way.
type keyedMutex struct {
	mu sync.Mutex // guards what follows
	at map[string]*keyedLock
}

type keyedLock struct {
	token chan struct{} // holds one while nobody's turn is on
	users int           // those who are in and those who wait
}

func newKeyedMutex() *keyedMutex { return &keyedMutex{at: map[string]*keyedLock{}} }

// lock waits for a turn at a key, which leave ends.
func (t *keyedMutex) lock(ctx context.Context, key string) (leave func(), err error) {
	t.mu.Lock()
	x := t.at[key]
	if x == nil {
		x = &keyedLock{token: make(chan struct{}, 1)}
		x.token <- struct{}{}
		t.at[key] = x
	}
	x.users++
	t.mu.Unlock()
	select {
	case <-x.token:
		return func() { x.token <- struct{}{}; t.release(key, x) }, nil
	case <-ctx.Done():
		t.release(key, x)
		return nil, ctx.Err()
	}
}

func (t *keyedMutex) release(key string, x *keyedLock) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x.users--; x.users == 0 {
		delete(t.at, key)
	}
}

const (
	// conflictTimeout is how long a change without a deadline tries to get a word in.
	conflictTimeout  = 2 * time.Minute
	maxConflictPause = time.Second
	minConflictPause = time.Millisecond
)

// conflictBackoff paces those who lost against somebody else. Of all that try at a time one
// wins, so there is progress without any pause; a pause only saves tries in vain. It
// is random, up to a few times what a try takes, and does not grow for ever: who has
// lost often must not be the one who tries least.
type conflictBackoff struct {
	until time.Time
	began time.Time // the latest try
	lost  int
}

func newConflictBackoff(ctx context.Context) *conflictBackoff {
	now := time.Now()
	y := &conflictBackoff{until: now.Add(conflictTimeout), began: now}
	if end, ok := ctx.Deadline(); ok {
		y.until = end
	}
	return y
}

// wait is false when there is no time for another try.
func (y *conflictBackoff) wait(ctx context.Context) bool {
	y.lost++
	now := time.Now()
	took := now.Sub(y.began)
	longest := time.Duration(min(y.lost, 8)) * took
	pause := rand.N(min(max(longest, minConflictPause), maxConflictPause)) + 1
	if now.Add(pause + took).After(y.until) {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		y.began = time.Now()
		return true
	case <-ctx.Done():
		return false
	}
}
