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
)

const (
	maxPrefetched       = 64 << 20  // bytes prefetched for one session, at most
	maxPredicted        = 4096      // ranges, at most
	prefetchRange       = 512 << 10 // bytes of one request: a reader may wait for any part of it
	defaultAround       = 32 << 10  // of a kernel that reads ahead 64 KiB
	maxCachedPrediction = 64 << 20  // that a prediction may read of what is held
)

var (
	errNotHeld     = errors.New("not held")
	errPackArrived = errors.New("a pack has come")
)

// readerAt is an io.ReaderAt.
type readerAt func(p []byte, off int64) (int, error)

func (r readerAt) ReadAt(p []byte, off int64) (int, error) { return r(p, off) }

// bounded gives read the rules of io.ReaderAt for o.
func (o *object) bounded(read func(p []byte, off int64) (int, error)) readerAt {
	return func(p []byte, off int64) (int, error) {
		if off < 0 || off >= o.size {
			return 0, io.EOF
		}
		want := p[:min(int64(len(p)), o.size-off)]
		n, err := 0, error(nil)
		if len(want) > 0 {
			n, err = read(want, off)
		}
		if err == nil && len(want) < len(p) {
			err = io.EOF
		}
		return n, err
	}
}

// prefetchMost is how much one session may prefetch: not so much that the quota
// has to evict it before it is read.
func (c *Cache) prefetchMost() int64 { return min(maxPrefetched, c.disk.quota.limit/4) }

// clip returns the part of a predicted range that is in the object.
func (o *object) clip(off, n int64) (Range, bool) {
	if off < 0 || n <= 0 || off >= o.size {
		return Range{}, false
	}
	return Range{off, min(n, o.size-off)}, true
}

// rehearse predicts from what is held alone, and reports whether all that is
// predicted is held, too: then there is nothing to fetch.
func (s *warmup) predictFromCache() bool {
	o := s.o
	var read atomic.Int64
	var missing atomic.Bool
	var mu sync.Mutex // guards told
	var told []Range
	local := o.bounded(func(p []byte, off int64) (int, error) {
		if missing.Load() || read.Add(int64(len(p))) > maxCachedPrediction || len(o.readHeld(p, off, prefetch)) > 0 {
			missing.Store(true)
			return 0, errNotHeld
		}
		return len(p), nil
	})
	err := o.c.options.Predict(local, o.size, func(off, n int64) {
		r, ok := o.clip(off, n)
		if !ok || missing.Load() {
			return
		}
		mu.Lock()
		more := len(told) < maxPredicted
		if more {
			told = append(told, r)
		}
		mu.Unlock()
		if more && !o.holds(r, &read) {
			missing.Store(true)
		}
	})
	if err != nil || missing.Load() || len(told) == 0 {
		return false
	}
	for _, r := range told {
		s.history.addPredicted(r)
	}
	s.history.endPrediction()
	return true
}

// holds reports whether r is held, and adds what it read to find out.
func (o *object) holds(r Range, read *atomic.Int64) bool {
	buf := make([]byte, min(r.Len, o.block))
	for off := r.Off; off < r.Off+r.Len; off += int64(len(buf)) {
		p := buf[:min(int64(len(buf)), r.Off+r.Len-off)]
		if read.Add(int64(len(p))) > maxCachedPrediction || len(o.readHeld(p, off, prefetch)) > 0 {
			return false
		}
	}
	return true
}

// predict runs the prediction and fetches what it tells: what it wants between
// two reads goes together, so that neighbours are one request. It ends when a
// pack comes, and before its second read, and before anything else is fetched,
// it gives the pack some time to.
func (s *warmup) predict(ctx context.Context, answered <-chan struct{}) {
	o, begun := s.o, time.Now()
	var first sync.Once
	if o.c.options.Hot == nil {
		first.Do(func() {})
	}
	through := o.bounded(func(p []byte, off int64) (n int, err error) {
		ours := false
		first.Do(func() {
			ours = true
			n, err = o.read(ctx, p, off, prefetch)
			s.setPackDeadline(packWait(time.Since(begun)))
		})
		if ours {
			return n, err
		}
		if !s.flush(ctx, answered) {
			return 0, errPackArrived
		}
		return o.read(ctx, p, off, prefetch)
	})
	err := o.c.options.Predict(through, o.size, s.want)
	s.flush(ctx, answered)
	if ctx.Err() == nil {
		s.history.endPrediction()
	}
	if err != nil && !errors.Is(err, errPackArrived) && ctx.Err() == nil {
		o.c.options.Log.Debug("prediction ended early", "key", o.ref.Key, "err", err)
	}
}

// limit ends the waiting for the pack after d.
func (s *warmup) setPackDeadline(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.packDeadline = time.Now().Add(d)
}

// forPack waits for the pack, but not for long, and reports whether it came.
func (s *warmup) waitForPack(ctx context.Context, answered <-chan struct{}) bool {
	s.mu.Lock()
	until := s.packDeadline
	s.mu.Unlock()
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-answered:
	case <-timer.C:
	case <-ctx.Done():
	}
	return s.packed.Load()
}

// want takes note of a predicted range.
func (s *warmup) want(off, n int64) {
	r, ok := s.o.clip(off, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	if ok && !s.ended && len(s.wanted) < maxPredicted {
		s.wanted = append(s.wanted, r)
		s.history.addPredicted(r)
	}
}

// flush begins to fetch what is wanted; false: a pack has come instead.
func (s *warmup) flush(ctx context.Context, answered <-chan struct{}) bool {
	if s.waitForPack(ctx, answered) {
		return false
	}
	s.mu.Lock()
	wanted := s.wanted
	s.wanted = nil
	s.mu.Unlock()
	for _, sp := range s.o.widen(wanted) {
		s.fetch(sp)
	}
	return true
}

// around returns the blocks in which ranges lie, and what the kernel reads
// around a page fault in them, merged.
func (o *object) widen(ranges []Range) (spans []span) {
	for _, r := range ranges {
		lo := max(0, r.Off-o.c.around)
		spans = append(spans, o.blocksOf(Range{lo, min(o.size, r.Off+r.Len+o.c.around) - lo}))
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	merged := spans[:0]
	for _, sp := range spans {
		if k := len(merged) - 1; k >= 0 && sp.first <= merged[k].first+merged[k].n {
			merged[k].n = max(merged[k].n, sp.first+sp.n-merged[k].first)
			continue
		}
		merged = append(merged, sp)
	}
	return merged
}

// blocksOf returns the blocks that r touches.
func (v *version) blocksOf(r Range) span {
	first := r.Off / v.block
	return span{first, (r.Off+r.Len+v.block-1)/v.block - first}
}

// fetch begins to fetch what is absent of sp, as far as the session may.
func (s *warmup) fetch(sp span) {
	s.mu.Lock()
	sp.n = min(sp.n, s.left)
	s.mu.Unlock()
	if sp.n <= 0 {
		return
	}
	o := s.o
	for _, run := range o.absent(sp, max(1, min(o.c.maxRun, prefetchRange/o.block)), prefetch) {
		f := o.startAhead(run, prefetch)
		if f != nil && !s.track(f) {
			o.dropPrefetches([]*fetch{f})
			return
		}
	}
}

// keep remembers a flight of prefetch, to drop it at the end; false: this is it.
func (s *warmup) track(f *fetch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.left < f.span.n {
		return false
	}
	s.left -= f.span.n
	s.fetches = append(s.fetches, f)
	return true
}

// foresee notes that the blocks of sp are prefetched or in a pack; forgo that
// they came to nothing.
func (o *object) markPredicted(sp span) {
	for b := sp.first; b < sp.first+sp.n; b++ {
		if o.predicted.mark(b) {
			o.c.n.prefetched.Add(1)
		}
	}
}

func (o *object) unmarkPredicted(sp span) {
	for b := sp.first; b < sp.first+sp.n; b++ {
		if o.predicted.unmark(b) {
			o.c.n.prefetchDropped.Add(1)
		}
	}
}

// met notes that a reader asked for a block, and counts what was foreseen.
func (o *object) countUse(b int64, late bool) {
	if !o.predicted.unmark(b) {
		return
	}
	o.c.n.prefetchUsed.Add(1)
	if late {
		o.c.n.prefetchLate.Add(1)
	}
}
