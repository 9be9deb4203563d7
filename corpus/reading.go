package corpus

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"thothfs/store"
)

const (
	inFlight    = 32  // documents read at once
	waiting     = 128 // that were read, while others are noted
	large       = 256 << 10
	largeAtOnce = 4   // documents of more than large bytes, each of which may have maxInfo
	batchSize   = 256 // findings noted in one transaction
	batchBytes  = 16 << 20
	flushEvery  = 250 * time.Millisecond
	// maxFailures in a row, without one success, are an outage of the store rather
	// than trouble with some of its objects.
	maxFailures = 2 * inFlight
)

// reading is the reading of the documents of one round. One goroutine owns it.
type reading struct {
	c        *Corpus
	total    int
	progress func(done, total int)

	done     int
	findings []finding
	held     int   // bytes of findings
	good     int   // documents that the store answered for
	inARow   int   // failures since
	denied   int   // not ours to read
	failures int   // other failures
	put      int   // put off: not asked for as far as the catalogue knows
	missing  int   // documents of no known dump that were not to be had
	final    bool  // nothing is put off
	err      error // the first of these
}

// result is what came of one task.
type result struct {
	finding finding
	err     error
	slot    <-chan struct{} // holds an element for a large document until it is taken, or nil
}

// read reads the documents of tasks. It fails when ctx ends, the catalogue cannot be
// written, or the store stops answering.
func (r *reading) read(ctx context.Context, tasks []task) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := r.c.fetch(ctx, tasks)
	err := r.gather(ctx, results)
	cancel()
	for range results { // until every worker has ended
	}
	return errors.Join(err, r.flush(ctx))
}

// fetch starts workers that read documents; the channel is closed when the last of
// them has ended, which the end of ctx brings about.
func (c *Corpus) fetch(ctx context.Context, tasks []task) <-chan result {
	results := make(chan result, waiting) // once it is full, a document that waits to be noted keeps its worker waiting
	slots := make(chan struct{}, largeAtOnce)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(inFlight, len(tasks)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(tasks) {
					return
				}
				f, err := c.readUpTo(ctx, tasks[i].id, tasks[i].etag, large)
				if errors.Is(err, store.ErrTooLarge) {
					c.fetchLarge(ctx, tasks[i], slots, results)
					continue
				}
				results <- result{finding: f, err: err}
			}
		})
	}
	go func() { // ends after the workers
		wg.Wait()
		close(results)
	}()
	return results
}

// fetchLarge reads a document that turned out to be large, when few others of that kind
// are held that are not noted yet: a corpus of such documents would fill the memory.
func (c *Corpus) fetchLarge(ctx context.Context, t task, slots chan struct{}, results chan<- result) {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	f, err := c.read(ctx, t.id, t.etag)
	results <- result{f, err, slots}
}

func (r *reading) gather(ctx context.Context, results <-chan result) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case res, ok := <-results:
			if !ok {
				return ctx.Err()
			}
			if res.slot != nil {
				<-res.slot
			}
			if err := r.take(res); err != nil {
				return err
			}
			if len(r.findings) < batchSize && r.held < batchBytes {
				continue
			}
		case <-tick.C:
		}
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
}

// take sorts one result in. It fails when the store has stopped answering.
func (r *reading) take(res result) error {
	f := res.finding
	switch {
	case res.err == nil:
		r.good++
		r.inARow = 0
	case errors.Is(res.err, context.Canceled), errors.Is(res.err, context.DeadlineExceeded):
		return nil // gather sees to it
	case errors.Is(res.err, store.ErrPermission):
		r.denied++
		r.miss(&f)
		r.c.log.Debug("a document may not be read", "dump", f.id, "error", res.err)
	default:
		r.failures++
		r.inARow++
		if r.err == nil {
			r.err = res.err
		}
		if r.inARow >= maxFailures {
			return res.err
		}
		if errors.Is(res.err, store.ErrUnavailable) && !r.final {
			r.done++
			r.put++
			return nil // as if it had not been asked
		}
		r.miss(&f)
	}
	r.done++
	r.held += len(f.raw)
	r.findings = append(r.findings, f)
	return nil
}

// miss makes of a finding that the document was not to be had.
func (r *reading) miss(f *finding) {
	f.kind = unread
	if f.etag == "" {
		r.missing++
	}
}

// flush notes what was found.
func (r *reading) flush(ctx context.Context) error {
	defer r.tell()
	if len(r.findings) == 0 {
		return nil
	}
	findings := r.findings
	r.findings, r.held = nil, 0
	changes, err := r.c.cat.record(ctx, findings)
	if err != nil {
		return err
	}
	r.c.events.emit(changes...)
	return nil
}

func (r *reading) tell() {
	r.c.state.set(r.done, r.total)
	r.progress(r.done, r.total)
}

// verdict sums the round up: it failed if nothing could be read.
func (r *reading) verdict() error {
	r.c.state.setMissing(r.missing)
	if r.denied > 0 {
		r.c.log.Warn("some documents may not be read", "count", r.denied)
	}
	if r.failures == 0 {
		return nil
	}
	if r.good == 0 {
		return r.err
	}
	r.c.log.Warn("some documents could not be read", "count", r.failures, "error", r.err)
	return nil
}
