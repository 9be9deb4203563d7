package cache

import (
	"context"
	"time"
)

// Trace is where the time of a read went that had to wait. A read whose context has
// one under [TraceKey] fills it; what was held leaves it as it was. It is for one
// goroutine.
type Trace struct {
	Requests int           // range requests that the read waited for, those of others and of prefetch included
	Queued   time.Duration // the longest that one of them waited for its turn
	Fetched  time.Duration // the longest that the Source took over one
	Hedged   int           // of them, those that were made twice because the first stalled
	Packed   int           // of them, those for which the hot pack came first
	// Unended are requests, not among Requests, that the read waited for when its
	// context ended.
	Unended int
}

type traceKey struct{}

// TraceKey is the key of a *Trace in a context.
var TraceKey any = traceKey{}

// times are those of a flight, set when it lands.
type times struct {
	queued, fetched time.Duration
	hedged          bool
}

// note adds a flight that a reader has waited for, with this outcome; t may be nil.
func (t *Trace) record(f *fetch, err error) {
	if t == nil {
		return
	}
	f.o.mu.Lock()
	took := f.times
	f.o.mu.Unlock()
	t.Requests++
	t.Queued, t.Fetched = max(t.Queued, took.queued), max(t.Fetched, took.fetched)
	if took.hedged {
		t.Hedged++
	}
	if err == nil && took.fetched == 0 {
		t.Packed++
	}
}

// gaveUp adds n flights that a reader has stopped waiting for; t may be nil.
func (t *Trace) abandon(n int) {
	if t != nil {
		t.Unended += n
	}
}

// traceOf is the Trace of ctx, or nil.
func traceOf(ctx context.Context) *Trace {
	t, _ := ctx.Value(TraceKey).(*Trace)
	return t
}
