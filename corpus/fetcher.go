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

// fetchRun is the reading of the documents of one round. One goroutine owns it.
type fetchRun struct {
	c        *Corpus
	total    int
	progress func(done, total int)

	done         int
	observations []observation
	bytes        int   // bytes of findings
	succeeded    int   // documents that the store answered for
	consecutive  int   // failures since
	denied       int   // not ours to read
	failures     int   // other failures
	deferred     int   // put off: not asked for as far as the catalogue knows
	missing      int   // documents of no known dump that were not to be had
	lastTry      bool  // nothing is put off
	err          error // the first of these
}

// fetchResult is what came of one task.
type fetchResult struct {
	observed observation
	err      error
	slot     <-chan struct{} // holds an element for a large document until it is taken, or nil
}

// run reads the documents of tasks. It fails when ctx ends, the catalogue cannot be
// written, or the store stops answering.
func (r *fetchRun) run(ctx context.Context, tasks []task) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := r.c.startFetchers(ctx, tasks)
	err := r.gather(ctx, results)
	cancel()
	for range results { // until every worker has ended
	}
	return errors.Join(err, r.flush(ctx))
}

// startFetchers starts workers that read documents; the channel is closed when the last of
// them has ended, which the end of ctx brings about.
func (c *Corpus) startFetchers(ctx context.Context, tasks []task) <-chan fetchResult {
	results := make(chan fetchResult, waiting) // once it is full, a document that waits to be noted keeps its worker waiting
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
				f, err := c.fetchDocumentUpTo(ctx, tasks[i].id, tasks[i].etag, large)
				if errors.Is(err, store.ErrTooLarge) {
					c.fetchLarge(ctx, tasks[i], slots, results)
					continue
				}
				results <- fetchResult{observed: f, err: err}
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
func (c *Corpus) fetchLarge(ctx context.Context, t task, slots chan struct{}, results chan<- fetchResult) {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	f, err := c.fetchDocument(ctx, t.id, t.etag)
	results <- fetchResult{f, err, slots}
}

func (r *fetchRun) gather(ctx context.Context, results <-chan fetchResult) error {
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
			if err := r.add(res); err != nil {
				return err
			}
			if len(r.observations) < batchSize && r.bytes < batchBytes {
				continue
			}
		case <-tick.C:
		}
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
}

// add sorts one result in. It fails when the store has stopped answering.
func (r *fetchRun) add(res fetchResult) error {
	f := res.observed
	switch {
	case res.err == nil:
		r.succeeded++
		r.consecutive = 0
	case errors.Is(res.err, context.Canceled), errors.Is(res.err, context.DeadlineExceeded):
		return nil // gather sees to it
	case errors.Is(res.err, store.ErrPermission):
		r.denied++
		r.markUnread(&f)
		r.c.log.Debug("a document may not be read", "dump", f.id, "error", res.err)
	default:
		r.failures++
		r.consecutive++
		if r.err == nil {
			r.err = res.err
		}
		if r.consecutive >= maxFailures {
			return res.err
		}
		if errors.Is(res.err, store.ErrUnavailable) && !r.lastTry {
			r.done++
			r.deferred++
			return nil // as if it had not been asked
		}
		r.markUnread(&f)
	}
	r.done++
	r.bytes += len(f.raw)
	r.observations = append(r.observations, f)
	return nil
}

// markUnread makes of a finding that the document was not to be had.
func (r *fetchRun) markUnread(f *observation) {
	f.kind = unread
	if f.etag == "" {
		r.missing++
	}
}

// flush notes what was found.
func (r *fetchRun) flush(ctx context.Context) error {
	defer r.report()
	if len(r.observations) == 0 {
		return nil
	}
	findings := r.observations
	r.observations, r.bytes = nil, 0
	changes, err := r.c.cat.record(ctx, findings)
	if err != nil {
		return err
	}
	r.c.events.emit(changes...)
	return nil
}

func (r *fetchRun) report() {
	r.c.state.set(r.done, r.total)
	r.progress(r.done, r.total)
}

// summarize sums the round up: it failed if nothing could be read.
func (r *fetchRun) summarize() error {
	r.c.state.setMissing(r.missing)
	if r.denied > 0 {
		r.c.log.Warn("some documents may not be read", "count", r.denied)
	}
	if r.failures == 0 {
		return nil
	}
	if r.succeeded == 0 {
		return r.err
	}
	r.c.log.Warn("some documents could not be read", "count", r.failures, "error", r.err)
	return nil
}
