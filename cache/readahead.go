package cache

import "slices"

const (
	maxWindow    = 8 << 20 // maximum bytes that read-ahead is ahead of a reader
	maxRequest   = 2 << 20 // maximum bytes in one read-ahead request; a request costs both sides about as much as 100 KiB of data
	provenWindow = 4       // blocks; a stream with at least this window grows faster, and survives reads elsewhere
	maxStreams   = 8       // maximum number of streams tracked per handle
)

// stream detects whether a handle is read sequentially, and decides how far to read ahead. It
// is not safe for concurrent use.
//
// Sequential means at least two reads close to each other, which span at least two blocks and
// cover at least half of that span. The reads may be slightly out of order, as the kernel sends
// them. A debugger's reads of single pages never qualify, nor do the reads of 128 KiB around
// each page fault of an mmap.
type stream struct {
	block, size int64
	maxWindow   int64

	fetches []*fetch // read-ahead in flight or just ended

	reads   int
	start   int64 // start of the sequence
	next    int64 // furthest end of any read
	covered int64 // bytes read between start and next, each counted once
	window  int64 // 0: not sequential so far
	grown   int64 // value of next when the window last grew
	ahead   int64 // end of the read-ahead
}

// continues reports whether a read is close to the current position of the stream.
func (s *stream) continues(off, n int64) bool {
	slack := max(2*n, 2*s.block)
	return s.reads > 0 && off <= s.next+slack && off+n >= s.next-slack
}

// record records a read and returns the range to fetch ahead, which is empty if from == to.
func (s *stream) record(off, n int64) (from, to int64) {
	if !s.continues(off, n) {
		*s = stream{block: s.block, size: s.size, maxWindow: s.maxWindow, reads: 1, start: off, next: off + n, covered: n}
		return 0, 0
	}
	s.reads++
	if end := off + n; end > s.next {
		s.covered += min(n, end-s.next)
		s.next = end
	}
	length := s.next - s.start
	if length < 2*s.block || 2*s.covered < length {
		return 0, 0
	}
	if length > maxWindow { // old reads gradually lose weight
		s.start, s.covered = s.next-length/2, s.covered/2
	}
	return s.extend()
}

// extend advances the window when it has room for a request. Whenever half of the window has
// been read, extend widens it: twofold, or fourfold for a proven stream.
func (s *stream) extend() (from, to int64) {
	switch {
	case s.window == 0:
		s.window, s.grown = s.block, s.next
	case s.window-(s.ahead-s.next) < min(s.window/2, s.requestSize()):
		return 0, 0
	case s.next-s.grown >= s.window/2:
		factor := int64(2)
		if s.proven() {
			factor = 4
		}
		s.window, s.grown = max(min(factor*s.window, s.maxWindow), s.block), s.next
	}
	from = (max(s.ahead, s.next) + s.block - 1) / s.block * s.block
	to = (min(s.next+s.window, s.size) + s.block - 1) / s.block * s.block
	if from >= to {
		return 0, 0
	}
	s.ahead = to
	return from, to
}

func (s *stream) proven() bool { return s.window >= provenWindow*s.block }

// requestSize returns the size of one request in bytes: four requests fill a wide window.
func (s *stream) requestSize() int64 {
	return max(min(maxRange, s.maxWindow), min(s.window/4, maxRequest))
}

// shrink halves the window, because there was not enough room for all of it.
func (s *stream) shrink() { s.window = max(s.window/2, s.block) }

// reset forgets the window but not the position, and returns the fetches to drop.
func (s *stream) reset() (drop []*fetch) {
	drop, s.fetches = s.fetches, nil
	s.window, s.ahead = 0, 0
	return drop
}

// streams tracks the places where one handle is being read, most recently used first. Several
// threads, or parts of a file that are being compared, each read their own sequence. It is not
// safe for concurrent use.
type streams struct {
	block, size, maxWindow int64
	list                   []*stream
}

// record records a read. It returns the stream of the read, the range to fetch ahead, which is
// empty if from == to, and the fetches to drop.
//
// A read that continues no stream starts a new one. If there are then too many streams, the
// least recently used one is dropped; streams that are not proven lose their read-ahead.
func (t *streams) record(off, n int64) (s *stream, from, to int64, drop []*fetch) {
	at := t.nearest(off, n)
	if at < 0 {
		for _, s := range t.list {
			if !s.proven() {
				drop = append(drop, s.reset()...)
			}
		}
		if len(t.list) == maxStreams {
			drop = append(drop, t.list[maxStreams-1].reset()...)
			t.list = t.list[:maxStreams-1]
		}
		t.list = append(t.list, &stream{block: t.block, size: t.size, maxWindow: t.maxWindow})
		at = len(t.list) - 1
	}
	s = t.list[at]
	copy(t.list[1:at+1], t.list[:at])
	t.list[0] = s
	from, to = s.record(off, n)
	return s, from, to, drop
}

// nearest returns the index of the stream that a read continues, or -1.
func (t *streams) nearest(off, n int64) int {
	best, distance := -1, int64(0)
	for i, s := range t.list {
		if d := max(off-s.next, s.next-off); s.continues(off, n) && (best < 0 || d < distance) {
			best, distance = i, d
		}
	}
	return best
}

// reset forgets all streams and returns the fetches to drop.
func (t *streams) reset() (drop []*fetch) {
	for _, s := range t.list {
		drop = append(drop, s.reset()...)
	}
	t.list = nil
	return drop
}

// readAhead starts to fetch the missing blocks of sp, in requests of at most size bytes, as far
// as there is room now.
func (f *File) readAhead(s *stream, sp span, size int64) {
	o, c := f.o, f.o.c
	l := o.look()
	defer l.close()
	var started []*fetch
	dropped := int64(0)
	for _, run := range l.absent(sp, max(c.maxRun, size/o.Block), readAhead) {
		n := c.buffers.capacity(o.Bytes(run.first, run.n))
		if !c.limiter.tryAcquire(n) && !(c.ready.releaseAll() && c.limiter.tryAcquire(n)) {
			dropped += run.n
			continue
		}
		fetch := l.startAhead(run, readAhead)
		if fetch == nil {
			c.limiter.releaseSlot(nil)
			c.limiter.free(n)
			continue
		}
		c.n.ReadAhead.Add(run.n)
		started = append(started, fetch)
	}
	c.n.AheadDropped.Add(dropped)
	f.mu.Lock()
	if dropped > 0 {
		s.shrink()
	}
	unwanted := f.closed || s.window == 0
	if !unwanted {
		o.mu.Lock()
		s.fetches = slices.DeleteFunc(s.fetches, func(fetch *fetch) bool { return fetch.state == ended })
		o.mu.Unlock()
		s.fetches = append(s.fetches, started...)
	}
	f.mu.Unlock()
	if unwanted {
		o.dropAhead(started...)
	}
}
