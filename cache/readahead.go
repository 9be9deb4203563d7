package cache

import "slices"

const (
	maxWindow    = 8 << 20 // bytes that read-ahead goes ahead of a reader
	maxRequest   = 2 << 20 // bytes in one request of read-ahead: a request costs both sides as much as some 100 KiB do
	provenWindow = 4       // blocks; from this window on a sequence grows faster, and outlives reads elsewhere
	maxStreams   = 8       // places of one handle that are tracked
)

// stream finds out whether a handle is read sequentially, and how far to read ahead. It
// is not safe for concurrent use.
//
// Sequential means at least two reads close behind one another, over at least two blocks
// of which they covered at least half. The reads may be slightly out of order, as the kernel
// sends them. A debugger's reads of single pages never qualify, nor do the reads of mmap, of
// 128 KiB around each fault.
type stream struct {
	block, size int64
	maxWindow   int64

	fetches []*fetch // read-ahead in flight or just ended

	reads   int
	start   int64 // where it began
	next    int64 // the furthest end of a read
	covered int64 // bytes read between the two, each once
	window  int64 // 0: not sequential so far
	grown   int64 // next when the window last grew
	ahead   int64 // end of what was fetched ahead
}

// continues reports whether a read is close to where the stream is.
func (s *stream) continues(off, n int64) bool {
	slack := max(2*n, 2*s.block)
	return s.reads > 0 && off <= s.next+slack && off+n >= s.next-slack
}

// record records a read and returns the range to fetch ahead, empty if from == to.
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
	if length > maxWindow { // old reads count less and less
		s.start, s.covered = s.next-length/2, s.covered/2
	}
	return s.extend()
}

// extend advances the window when there is room for a request in it. It widens the window
// whenever half of it was read: twofold, and fourfold for a proven sequence.
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

// requestSize is how many bytes one request asks for: four requests fill a wide window.
func (s *stream) requestSize() int64 {
	return max(min(maxRange, s.maxWindow), min(s.window/4, maxRequest))
}

// shrink halves the window, because there was no room for all of it.
func (s *stream) shrink() { s.window = max(s.window/2, s.block) }

// reset forgets the window but not the place, and returns the fetches to drop.
func (s *stream) reset() (drop []*fetch) {
	drop, s.fetches = s.fetches, nil
	s.window, s.ahead = 0, 0
	return drop
}

// streams are the places where one handle is being read, the last one first: several
// threads, or the parts of a file that are compared, read one sequence each. It is not
// safe for concurrent use.
type streams struct {
	block, size, maxWindow int64
	list                   []*stream
}

// record records a read. It returns its stream, the range to fetch ahead, empty if
// from == to, and the fetches to drop.
//
// A read that continues no stream begins one. Then the least recently used stream goes
// if there are too many, and streams that are not proven lose their read-ahead.
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

// readAhead starts to fetch what is missing of sp, in requests of at most size bytes, as far
// as there is room for it now.
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
