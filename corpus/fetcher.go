package corpus

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"thothfs/corpus/catalog"
	"thothfs/store"
)

const (
	inFlight    = 32  // documents read at once
	waiting     = 128 // documents that were read and wait to be recorded
	large       = 256 << 10
	largeAtOnce = 4   // documents of more than large bytes, each up to maxInfo
	batchSize   = 256 // observations recorded in one transaction
	batchBytes  = 16 << 20
	flushEvery  = 250 * time.Millisecond
	// maxFailures in a row, without one success, mean that the store is down rather than
	// that some of its objects cannot be read.
	maxFailures = 2 * inFlight
)

// fetchRun reads the documents of one reconciliation. One goroutine owns it.
type fetchRun struct {
	*base
	state    *syncState
	total    int
	progress func(done, total int)

	done         int
	observations []catalog.Observation
	bytes        int   // of the documents in observations
	succeeded    int   // documents that the store answered for
	consecutive  int   // failures since
	denied       int   // documents that we may not read
	failures     int   // other failures
	deferred     int   // documents that are left to the next try
	missing      int   // documents that could not be read, of dumps that are not known
	lastTry      bool  // nothing is deferred
	err          error // the first of failures
}

// fetchResult is the outcome of one task.
type fetchResult struct {
	observed catalog.Observation
	err      error
	slot     <-chan struct{} // of a large document: one element is to be received; or nil
}

// run reads the documents of tasks. It fails when ctx ends, the catalogue cannot be written,
// or the store stops answering.
func (r *fetchRun) run(ctx context.Context, tasks []catalog.Task) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := r.startFetchers(ctx, tasks)
	err := r.gather(ctx, results)
	cancel()
	for range results { // until every worker has ended
	}
	return errors.Join(err, r.flush(ctx))
}

// startFetchers starts workers that read documents. The channel is closed when the last of
// them has ended, at the latest soon after the end of ctx.
func (c *base) startFetchers(ctx context.Context, tasks []catalog.Task) <-chan fetchResult {
	results := make(chan fetchResult, waiting) // when it is full the workers wait
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
				o, err := c.fetchDocumentUpTo(ctx, tasks[i].ID, tasks[i].ETag, large)
				if errors.Is(err, store.ErrTooLarge) {
					c.fetchLarge(ctx, tasks[i], slots, results)
					continue
				}
				results <- fetchResult{observed: o, err: err}
			}
		})
	}
	go func() { // ends after the workers
		wg.Wait()
		close(results)
	}()
	return results
}

// fetchLarge reads a large document once few others wait to be recorded: a corpus of large
// documents would fill the memory.
func (c *base) fetchLarge(ctx context.Context, t catalog.Task, slots chan struct{}, results chan<- fetchResult) {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	o, err := c.fetchDocument(ctx, t.ID, t.ETag)
	results <- fetchResult{o, err, slots}
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

// add takes one result. It fails when the store has stopped answering.
func (r *fetchRun) add(res fetchResult) error {
	o := res.observed
	switch {
	case res.err == nil:
		r.succeeded++
		r.consecutive = 0
	case errors.Is(res.err, context.Canceled), errors.Is(res.err, context.DeadlineExceeded):
		return nil // gather returns ctx.Err()
	case errors.Is(res.err, store.ErrPermission):
		r.denied++
		r.markUnread(&o)
		r.log.Debug("a document may not be read", "dump", o.ID, "error", res.err)
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
		r.markUnread(&o)
	}
	r.done++
	if o.Dump != nil {
		r.bytes += len(o.Dump.Doc.Raw())
	}
	r.observations = append(r.observations, o)
	return nil
}

// markUnread makes o say that the document could not be read.
func (r *fetchRun) markUnread(o *catalog.Observation) {
	o.Kind = catalog.Unread
	if o.ETag == "" {
		r.missing++
	}
}

// flush records the observations.
func (r *fetchRun) flush(ctx context.Context) error {
	defer r.report()
	if len(r.observations) == 0 {
		return nil
	}
	observations := r.observations
	r.observations, r.bytes = nil, 0
	changes, err := r.cat.Record(ctx, observations)
	if err != nil {
		return err
	}
	r.publish(changes)
	return nil
}

func (r *fetchRun) report() {
	r.state.update(func(s *syncState) { s.done, s.total = r.done, r.total })
	r.progress(r.done, r.total)
}

// summarize logs what could not be read. It fails if nothing could be.
func (r *fetchRun) summarize() error {
	r.state.update(func(s *syncState) { s.missing = r.missing })
	if r.denied > 0 {
		r.log.Warn("some documents may not be read", "count", r.denied)
	}
	if r.failures == 0 {
		return nil
	}
	if r.succeeded == 0 {
		return r.err
	}
	r.log.Warn("some documents could not be read", "count", r.failures, "error", r.err)
	return nil
}
