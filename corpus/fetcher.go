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
	inFlight    = 32  // maximum number of documents read at once
	waiting     = 128 // maximum number of documents read but not yet recorded
	large       = 256 << 10
	largeAtOnce = 4   // maximum number of documents over large bytes at once, each up to maxInfo
	batchSize   = 256 // number of observations recorded in one transaction
	batchBytes  = 16 << 20
	flushEvery  = 250 * time.Millisecond
	// maxFailures consecutive failures mean that the store is down, rather than that some of its
	// objects cannot be read.
	maxFailures = 2 * inFlight
)

// fetchRun reads the documents for one reconciliation. It belongs to a single goroutine.
type fetchRun struct {
	*syncer
	total    int
	progress func(done, total int)

	done         int
	observations []catalog.Observation
	bytes        int   // total size of the documents in observations
	succeeded    int   // documents that the store responded for
	consecutive  int   // failures since the last success
	denied       int   // documents that we have no permission to read
	failures     int   // other failures
	deferred     int   // documents left for the next try
	missing      int   // documents of unknown dumps that could not be read
	lastTry      bool  // nothing may be deferred
	err          error // first of failures
}

// fetchResult is the outcome of one task.
type fetchResult struct {
	observed catalog.Observation
	err      error
	slot     <-chan struct{} // slot of a large document, released by receiving from it; otherwise nil
}

// run reads the documents of tasks. It fails if ctx is done, the catalogue cannot be written, or
// the store stops responding.
func (r *fetchRun) run(ctx context.Context, tasks []catalog.Task) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := r.startFetchers(ctx, tasks)
	err := r.gather(ctx, results)
	cancel()
	for range results { // wait for all workers to end
	}
	return errors.Join(err, r.flush(ctx))
}

// startFetchers starts workers that read documents. The returned channel is closed when the last of
// them has ended, which is at the latest soon after ctx is done.
func (c *base) startFetchers(ctx context.Context, tasks []catalog.Task) <-chan fetchResult {
	results := make(chan fetchResult, waiting) // workers wait when it is full
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

// fetchLarge reads a large document once only a few others are waiting to be recorded, so that a
// corpus of large documents does not fill the memory.
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

// add processes one result. It fails if the store has stopped responding.
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
			return nil // as if it had not been tried
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

// markUnread records in o that the document could not be read.
func (r *fetchRun) markUnread(o *catalog.Observation) {
	o.Kind = catalog.Unread
	if o.ETag == "" {
		r.missing++
	}
}

// flush stores the observations in the catalogue.
func (r *fetchRun) flush(ctx context.Context) error {
	defer r.report()
	if len(r.observations) == 0 {
		return nil
	}
	observations := r.observations
	r.observations, r.bytes = nil, 0
	_, err := r.observe(ctx, observations)
	return err
}

func (r *fetchRun) report() {
	r.state.update(func(s *syncState) { s.done, s.total = r.done, r.total })
	r.progress(r.done, r.total)
}

// summarize logs which documents could not be read. It fails if none could.
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
