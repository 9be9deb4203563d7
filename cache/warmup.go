package cache

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"thothfs/cache/hotpack"
)

const (
	maxPrefetched       = 64 << 20  // maximum bytes prefetched by one warmup
	maxPredicted        = 4096      // maximum number of predicted ranges
	maxCachedPrediction = 64 << 20  // maximum bytes that predictFromCache reads
	prefetchRange       = 512 << 10 // maximum bytes in one request; a reader may wait for any part of it
	defaultAround       = 32 << 10  // suits a kernel that reads ahead 64 KiB
)

var (
	errNotHeld     = errors.New("not held")
	errPackArrived = errors.New("a pack has arrived")
)

// warmup fetches data of an open version that no reader has asked for yet: the hot pack, the
// prediction, and the rest if Options.Complete asks for it. It ends with the last handle.
type warmup struct {
	o           *openVersion
	cancel      context.CancelFunc
	done        chan struct{} // closed when the pack and the prefetched blocks are stored or given up
	history     *accessHistory
	packArrived atomic.Bool

	mu           sync.Mutex // guards the fields below; taken before openVersion.mu
	ended        bool
	wanted       []hotpack.Range // predicted ranges not being fetched yet
	fetches      []*fetch        // prefetches
	left         int64           // blocks that may still be prefetched
	packDeadline time.Time       // when prefetch stops waiting for the pack
}

// openHandle adds a handle to o. The first one starts a warmup.
func (c *Cache) openHandle(o *openVersion) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o.handles++
	if o.handles > 1 || c.closed || !c.warms || !o.plausible() {
		return
	}
	ctx, cancel := context.WithCancel(c.closing)
	// A prefetch larger than a fraction of the quota would be evicted before it is read.
	w := &warmup{o: o, cancel: cancel, done: make(chan struct{}), left: min(maxPrefetched, c.disk.quota.limit/4) / c.block,
		history: c.historyOf(o), packDeadline: time.Now().Add(maxPackWait)}
	o.history.Store(w.history)
	c.foreground.touch() // a reader is about to arrive
	o.warmup = w
	o.refs.Add(1) // the handle holds one, so it is not 0
	c.wg.Add(1)
	go w.run(ctx) // stopped by end
}

// closeHandle removes a handle from o. The last one ends the warmup.
func (c *Cache) closeHandle(o *openVersion) {
	c.mu.Lock()
	o.handles--
	var w *warmup
	if o.handles == 0 {
		w, o.warmup = o.warmup, nil
	}
	c.mu.Unlock()
	if w != nil {
		w.end()
	}
}

// end stops the warmup and drops its fetches.
func (w *warmup) end() {
	w.cancel()
	w.mu.Lock()
	w.ended, w.wanted = true, nil
	w.mu.Unlock()
	w.drop(func(*fetch) bool { return true })
}

// drop drops the fetches for which unwanted returns true: the last ones first, since those may
// be queued and must not be admitted.
func (w *warmup) drop(unwanted func(*fetch) bool) {
	var drop []*fetch
	w.mu.Lock()
	w.fetches = slices.DeleteFunc(w.fetches, func(f *fetch) bool {
		if !unwanted(f) {
			return false
		}
		drop = append(drop, f)
		return true
	})
	w.mu.Unlock()
	slices.Reverse(drop)
	w.o.dropAhead(drop...)
}

func (w *warmup) run(ctx context.Context) {
	c := w.o.c
	defer c.wg.Done()
	c.n.Sessions.Add(1)
	defer c.n.Sessions.Add(-1)
	defer w.o.release()
	w.prefetch(ctx)
	close(w.done)
	if c.options.Learned != nil && c.addWorker() {
		w.o.refs.Add(1)
		c.n.Lessons.Add(1) // before Sessions is decremented: if both are 0, nothing is left to do
		go w.publish(ctx)  // stopped by end
	}
	w.complete(ctx)
}

// prefetch fetches what will be read unless it is cached: from the pack, or as predicted if
// there is no pack or it does not arrive in time.
func (w *warmup) prefetch(ctx context.Context) {
	predicts := w.o.c.options.Predict != nil
	if predicts && w.predictFromCache() {
		return
	}
	answered := make(chan struct{})
	go func() { // awaited below
		defer close(answered)
		if w.o.c.options.Hot != nil {
			w.fetchPack(ctx)
		}
	}()
	if predicts {
		w.predict(ctx, answered)
	}
	<-answered
	w.mu.Lock()
	fetches := slices.Clone(w.fetches)
	w.mu.Unlock()
	_ = waitDone(ctx, fetches)
}

// readerAt is a function that implements io.ReaderAt. It is not called for empty reads.
type readerAt func(p []byte, off int64) (int, error)

func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return r(p, off)
}

// reader returns an io.ReaderAt that calls read only for ranges inside o.
func (o *openVersion) reader(read readerAt) io.ReaderAt { return io.NewSectionReader(read, 0, o.Size) }

// heldReader returns a reader that fails unless holds, which fills p, returns true.
func (o *openVersion) heldReader(holds func(p []byte, off int64) bool) io.ReaderAt {
	return o.reader(func(p []byte, off int64) (int, error) {
		if !holds(p, off) {
			return 0, errNotHeld
		}
		return len(p), nil
	})
}

// clip returns the part of a predicted range that lies in the object, or false if there is
// none.
func (o *openVersion) clip(off, n int64) (hotpack.Range, bool) {
	if off < 0 || n <= 0 || off >= o.Size {
		return hotpack.Range{}, false
	}
	return hotpack.Range{Off: off, Len: min(n, o.Size-off)}, true
}

// predictFromCache runs the prediction on cached data only. It reports whether everything
// predicted is cached as well, so that there is nothing to fetch.
func (w *warmup) predictFromCache() bool {
	o := w.o
	var read atomic.Int64
	var missing atomic.Bool
	var mu sync.Mutex // guards predicted
	var predicted []hotpack.Range
	holds := func(p []byte, off int64) bool {
		if missing.Load() || read.Add(int64(len(p))) > maxCachedPrediction || !o.holds(p, off) {
			missing.Store(true)
			return false
		}
		return true
	}
	err := o.c.options.Predict(o.heldReader(holds), o.Size, func(off, n int64) {
		r, ok := o.clip(off, n)
		if !ok || missing.Load() {
			return
		}
		mu.Lock()
		if ok = len(predicted) < maxPredicted; ok {
			predicted = append(predicted, r)
		}
		mu.Unlock()
		buf := make([]byte, min(r.Len, o.Block))
		for end := r.Off + r.Len; ok && r.Off < end; r.Off += int64(len(buf)) {
			ok = holds(buf[:min(int64(len(buf)), end-r.Off)], r.Off)
		}
	})
	if err != nil || missing.Load() || len(predicted) == 0 {
		return false
	}
	w.history.addPredicted(predicted...)
	w.history.predictionDone.Store(true)
	return true
}

// predict runs the prediction and fetches the ranges it predicts. Ranges predicted between two
// reads are fetched together, so that neighbours become one request. predict ends when a pack
// arrives. Before its second read and before the first prefetch, it waits a while for the pack.
func (w *warmup) predict(ctx context.Context, answered <-chan struct{}) {
	o, begun := w.o, time.Now()
	var first sync.Once
	if o.c.options.Hot == nil {
		first.Do(func() {})
	}
	through := o.reader(func(p []byte, off int64) (n int, err error) {
		isFirst := false
		first.Do(func() {
			isFirst = true
			n, err = o.read(ctx, p, off, prefetch)
			// It takes one round trip to find out that there is no pack. A pack is larger than a
			// block, and arrives sooner if nothing competes with it.
			wait := min(max(4*time.Since(begun), minPackWait), maxPackWait)
			w.mu.Lock()
			w.packDeadline = time.Now().Add(wait)
			w.mu.Unlock()
		})
		if isFirst {
			return n, err
		}
		if !w.fetchWanted(ctx, answered) {
			return 0, errPackArrived
		}
		return o.read(ctx, p, off, prefetch)
	})
	err := o.c.options.Predict(through, o.Size, w.want)
	w.fetchWanted(ctx, answered)
	if ctx.Err() == nil {
		w.history.predictionDone.Store(true)
	}
	if err != nil && !errors.Is(err, errPackArrived) && ctx.Err() == nil {
		o.c.options.Log.Debug("prediction ended early", "key", o.Ref.Key, "err", err)
	}
}

// want records a predicted range.
func (w *warmup) want(off, n int64) {
	r, ok := w.o.clip(off, n)
	w.mu.Lock()
	defer w.mu.Unlock()
	if ok && !w.ended && len(w.wanted) < maxPredicted {
		w.wanted = append(w.wanted, r)
		w.history.addPredicted(r)
	}
}

// fetchWanted waits for a pack until packDeadline. It returns false if a pack has arrived;
// otherwise it starts to fetch the predicted ranges.
func (w *warmup) fetchWanted(ctx context.Context, answered <-chan struct{}) bool {
	w.mu.Lock()
	deadline := w.packDeadline
	w.mu.Unlock()
	select {
	case <-answered:
	case <-time.After(time.Until(deadline)):
	case <-ctx.Done():
	}
	if w.packArrived.Load() {
		return false
	}
	w.mu.Lock()
	wanted := w.wanted
	w.wanted = nil
	w.mu.Unlock()
	for _, s := range w.o.blocksAround(wanted) {
		w.fetch(s)
	}
	return true
}

// blocksAround returns the blocks of ranges and of what the kernel reads around a page fault in
// them. Adjacent spans are merged.
func (o *openVersion) blocksAround(ranges []hotpack.Range) (spans []span) {
	for _, r := range ranges {
		lo := max(0, r.Off-o.c.options.Around)
		spans = append(spans, o.blocksOf(hotpack.Range{Off: lo, Len: min(o.Size, r.Off+r.Len+o.c.options.Around) - lo}))
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	merged := spans[:0]
	for _, s := range spans {
		if k := len(merged) - 1; k >= 0 && s.first <= merged[k].first+merged[k].n {
			merged[k].n = max(merged[k].n, s.first+s.n-merged[k].first)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// fetch starts to fetch the absent blocks of s, up to the warmup's limit.
func (w *warmup) fetch(s span) {
	w.mu.Lock()
	s.n = min(s.n, w.left)
	w.mu.Unlock()
	if s.n <= 0 {
		return
	}
	l := w.o.look()
	defer l.close()
	for _, run := range l.absent(s, max(1, min(w.o.c.maxRun, prefetchRange/w.o.Block)), prefetch) {
		if f := l.startAhead(run, prefetch); f != nil && !w.track(f, run.n) {
			return
		}
	}
}

// track adds f to the fetches dropped at the end, and subtracts n from the blocks left. If the
// warmup has ended or n is too large, it drops f and returns false.
func (w *warmup) track(f *fetch, n int64) bool {
	w.mu.Lock()
	ok := !w.ended && w.left >= n
	if ok {
		w.left -= n
		w.fetches = append(w.fetches, f)
	}
	w.mu.Unlock()
	if !ok {
		w.o.dropAhead(f)
	}
	return ok
}

// markPredicted marks blocks that are prefetched or in a pack as predicted.
func (o *openVersion) markPredicted(s span) {
	for b := s.first; b < s.first+s.n; b++ {
		if o.predicted.add(b) {
			o.c.n.Prefetched.Add(1)
		}
	}
}

// unmarkPredicted unmarks the blocks of a prefetch that failed or was dropped.
func (o *openVersion) unmarkPredicted(s span) {
	for b := s.first; b < s.first+s.n; b++ {
		if o.predicted.remove(b) {
			o.c.n.PrefetchDropped.Add(1)
		}
	}
}

// countUse counts a read of block b if the block was predicted. late means that the block had
// not arrived.
func (o *openVersion) countUse(b int64, late bool) {
	if !o.predicted.remove(b) {
		return
	}
	o.c.n.PrefetchUsed.Add(1)
	if late {
		o.c.n.PrefetchLate.Add(1)
	}
}
