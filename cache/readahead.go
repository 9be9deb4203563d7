package cache

// maxWindow is how far read-ahead goes ahead of a reader, in bytes.
const maxWindow = 8 << 20

// maxPiece is how much one request of read-ahead asks for, in bytes: a request costs
// both sides as much as some 100 KiB do.
const maxRequest = 2 << 20

// proven is the window, in blocks, from which on a sequence is believed in: it
// grows faster, and is not given up when the handle is read elsewhere.
const provenWindow = 4

// maxStreams is how many places a handle is read at that are kept apart.
const maxStreams = 8

// stream finds out whether a handle is read in sequence, and how far ahead to
// fetch. It is not safe for concurrent use.
//
// In sequence means: at least two reads that lie close behind one another, the
// kernel's habit of sending neighbouring requests out of order allowed for, over
// at least two blocks of which they covered at least half. A debugger's reads of
// single pages here and there never qualify; nor do mmap's, of 128 KiB around
// each fault.
type stream struct {
	block, size int64
	maxWindow   int64 // window

	flights []*fetch // read-ahead, under way or lately landed

	reads   int
	start   int64 // where it began
	next    int64 // the furthest end of a read
	covered int64 // bytes read between the two, none twice
	window  int64 // 0: not in sequence so far
	grown   int64 // where next was when the window last grew
	ahead   int64 // fetched or being fetched up to here
}

// fits reports whether a read goes on where the stream is.
func (s *stream) continues(off, n int64) bool {
	slack := max(2*n, 2*s.block)
	return s.reads > 0 && off <= s.next+slack && off+n >= s.next-slack
}

// note takes a read of n bytes at off into account and returns the range to
// fetch ahead, empty if from == to, and whether a sequence has broken off.
func (s *stream) record(off, n int64) (from, to int64, broken bool) {
	if !s.continues(off, n) {
		broken = s.window > 0
		*s = stream{block: s.block, size: s.size, maxWindow: s.maxWindow, reads: 1, start: off, next: off + n, covered: n}
		return 0, 0, broken
	}
	s.reads++
	if end := off + n; end > s.next {
		s.covered += min(n, end-s.next)
		s.next = end
	}
	span := s.next - s.start
	if span < 2*s.block || 2*s.covered < span {
		return 0, 0, false
	}
	if span > maxWindow { // old merits count less and less
		s.start, s.covered = s.next-span/2, s.covered/2
	}
	from, to = s.extend()
	return from, to, false
}

// extend moves the window on when there is room for a request in it, and widens
// it each time that half of it has been read: twofold, and fourfold once a few
// blocks have proved the sequence.
func (s *stream) extend() (from, to int64) {
	switch {
	case s.window == 0:
		s.window, s.grown = s.block, s.next
	case s.window-(s.ahead-s.next) < min(s.window/2, s.requestSize()):
		return 0, 0
	case s.next-s.grown >= s.window/2:
		factor := int64(2)
		if s.window >= provenWindow*s.block {
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

// piece is how much one request asks for: four of them fill a wide window.
func (s *stream) requestSize() int64 {
	return max(min(maxRange, s.maxWindow), min(s.window/4, maxRequest))
}

// shrink halves the window: there was no room for all of it.
func (s *stream) shrink() { s.window = max(s.window/2, s.block) }

// rest forgets the window but not the place.
func (s *stream) reset() (drop []*fetch) {
	drop, s.flights = s.flights, nil
	s.window, s.ahead = 0, 0
	return drop
}

// streams are the places where one handle is being read, those last read first:
// several threads, or the parts of a file that are compared, each have their own
// sequence. They are not safe for concurrent use.
type streams struct {
	block, size, maxWindow int64
	list                   []*stream
}

// note takes a read into account and returns its stream, the range to fetch
// ahead, empty if from == to, and the read-ahead to drop.
//
// A read that goes on nowhere begins a stream: the least recently used makes
// place, and those that have not proved themselves lose their read-ahead.
func (t *streams) record(off, n int64) (s *stream, from, to int64, drop []*fetch) {
	at := t.nearest(off, n)
	if at < 0 {
		for _, s := range t.list {
			if s.window < provenWindow*t.block {
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
	from, to, _ = s.record(off, n)
	return s, from, to, drop
}

// nearest returns which stream a read goes on with, or -1.
func (t *streams) nearest(off, n int64) int {
	best, distance := -1, int64(0)
	for i, s := range t.list {
		if d := max(off-s.next, s.next-off); s.continues(off, n) && (best < 0 || d < distance) {
			best, distance = i, d
		}
	}
	return best
}

// drop forgets all streams and returns their read-ahead.
func (t *streams) reset() (flights []*fetch) {
	for _, s := range t.list {
		flights = append(flights, s.reset()...)
	}
	t.list = nil
	return flights
}
