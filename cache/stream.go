package cache

// maxWindow is how far read-ahead goes ahead of a reader, in bytes.
const maxWindow = 8 << 20

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
	most        int64 // window

	reads   int
	start   int64 // where it began
	next    int64 // the furthest end of a read
	covered int64 // bytes read between the two, none twice
	window  int64 // 0: not in sequence so far
	ahead   int64 // fetched or being fetched up to here
}

// note takes a read of n bytes at off into account and returns the range to
// fetch ahead, empty if from == to, and whether a sequence has broken off.
func (s *stream) note(off, n int64) (from, to int64, broken bool) {
	slack := max(2*n, 2*s.block)
	if s.reads == 0 || off > s.next+slack || off+n < s.next-slack {
		broken = s.window > 0
		*s = stream{block: s.block, size: s.size, most: s.most, reads: 1, start: off, next: off + n, covered: n}
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

// extend moves the window on once half of it has been read.
func (s *stream) extend() (from, to int64) {
	switch {
	case s.window == 0:
		s.window = s.block
	case s.ahead-s.next > s.window/2:
		return 0, 0
	default:
		s.window = max(min(2*s.window, s.most), s.block)
	}
	from = (max(s.ahead, s.next) + s.block - 1) / s.block * s.block
	to = (min(s.next+s.window, s.size) + s.block - 1) / s.block * s.block
	if from >= to {
		return 0, 0
	}
	s.ahead = to
	return from, to
}

// shrink halves the window: there was no room for all of it.
func (s *stream) shrink() { s.window = max(s.window/2, s.block) }
