package corpus

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"thothfs/corpus/catalog"
	"thothfs/store"
)

// base is the state shared by all parts of a corpus.
type base struct {
	o            Options
	store        store.Store
	log          *slog.Logger
	now          func() time.Time // replaced in tests
	cat          *catalog.Catalog
	events       *events
	availability availability
	probing      singleflight.Group // of CanStore
	unwritable   atomic.Bool        // the last write to the catalogue failed
	skew         atomic.Int64       // how far the store's clock is ahead of now, in nanoseconds

	shared sync.WaitGroup  // tracks calls of share
	ctx    context.Context // context of work that continues after its caller has left
	cancel context.CancelFunc
}

// observe stores observations and notifies subscribers. It reports whether anything changed.
func (c *base) observe(ctx context.Context, observations []catalog.Observation) (changed bool, err error) {
	changes, err := c.cat.Record(ctx, observations)
	c.publish(changes)
	return len(changes) > 0, err
}

// tryObserve is like observe, but only logs a failure to write the catalogue, since what was seen
// remains true.
func (c *base) tryObserve(ctx context.Context, o catalog.Observation) (changed bool) {
	changed, err := c.observe(ctx, []catalog.Observation{o})
	if failed := c.unwritable.Swap(err != nil); err != nil && !failed {
		c.log.Error("the catalogue cannot be written", "path", c.cat.Path(), "error", err)
	}
	return changed
}

// publish passes the changes made by this process to subscribers and wakes the processes that share
// the catalogue.
func (c *base) publish(changes []Change) {
	if len(changes) > 0 {
		c.touchChanged()
		c.events.emit(changes...)
	}
}

// share runs f once for all concurrent callers with the same key. A caller returns when its ctx is
// done, but f continues, at most until the corpus is closed.
func share[T any](ctx context.Context, c *base, g *singleflight.Group, key string, f func(context.Context) (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	c.shared.Go(func() { // ends with f
		v, err, _ := g.Do(key, func() (any, error) { return f(c.ctx) })
		done <- result{v.(T), err}
	})
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// storeNow returns the current time by the store's clock, which all clients share. It is this
// machine's clock corrected by the difference that setClock has measured.
func (c *base) storeNow() time.Time { return c.now().Add(time.Duration(c.skew.Load())) }

// setClock adjusts storeNow to the modification time of an object that was just stored. A zero time
// is ignored.
func (c *base) setClock(stored time.Time) {
	if !stored.IsZero() {
		c.skew.Store(int64(stored.Sub(c.now())))
	}
}

// recent remembers a value for each of the most recent keys. When it holds maxRecent values it
// forgets all of them, which is harmless because they only save work. The zero value is ready to
// use.
type recent[K, V comparable] struct {
	mu     sync.Mutex // guards values
	values map[K]V
}

const maxRecent = 8192

// get returns the value for key, or the zero value.
func (r *recent[K, V]) get(key K) V {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.values[key]
}

func (r *recent[K, V]) set(key K, value V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.values == nil || len(r.values) >= maxRecent {
		r.values = map[K]V{}
	}
	r.values[key] = value
}

// remove forgets key unless its value has changed.
func (r *recent[K, V]) remove(key K, value V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.values[key] == value {
		delete(r.values, key)
	}
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// nonNil returns b, or an empty slice if b is nil.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
