package cache

import (
	"sync"
	"time"
)

// spareFor is how long bytes that nobody has come for stay in memory.
const readyFor = time.Second

// spares are the flights of read-ahead that are stored, whose buffers wait for the
// reader that comes their way: it then need not read from disk, and verify, what was
// in memory a moment ago. They take what others leave of the gate's bytes, half of all
// at most, and go as soon as anybody lacks some.
type readyBuffers struct {
	gate   *limiter
	maxAge time.Duration // with readers

	mu     sync.Mutex // guards all below; a leaf
	timers map[*fetch]*time.Timer
}

// keep makes a spare of a flight that has its blocks on disk, if there is memory and
// anything of it unread; false: the flight is over as usual. The user that has the buffer
// hands it on.
func (s *readyBuffers) add(f *fetch) bool {
	if f.why != readAhead || !s.gate.halfFree() {
		return false
	}
	f.o.mu.Lock()
	f.ready = f.prefetchers > 0 && f.unread > 0
	spare := f.ready
	f.o.mu.Unlock()
	if !spare {
		return false
	}
	s.mu.Lock()
	s.timers[f] = time.AfterFunc(s.maxAge, f.endReady)
	s.mu.Unlock()
	if !s.gate.halfFree() || !f.isReady() { // since we looked
		f.endReady()
	}
	return true
}

// yield frees the memory of all spares, and returns whether there was any.
func (s *readyBuffers) releaseAll() bool {
	s.mu.Lock()
	list := make([]*fetch, 0, len(s.timers))
	for f := range s.timers {
		list = append(list, f)
	}
	s.mu.Unlock()
	for _, f := range list {
		f.endReady()
	}
	return len(list) > 0
}

func (s *readyBuffers) remove(f *fetch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.timers[f]; t != nil {
		t.Stop()
		delete(s.timers, f)
	}
}

func (f *fetch) isReady() bool {
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	return f.ready
}

// part ends a flight that is a spare, and does nothing to another.
func (f *fetch) endReady() {
	f.o.mu.Lock()
	spare := f.endReadyLocked()
	f.o.mu.Unlock()
	f.afterReady(spare)
}

// partLocked is the first half of part, parted the second, without the lock.
func (f *fetch) endReadyLocked() bool {
	spare := f.ready
	if f.ready = false; spare {
		f.o.forgetLocked(f)
	}
	return spare
}

func (f *fetch) afterReady(spare bool) {
	f.o.c.readyBuffers.remove(f)
	if spare {
		f.releaseBuffer()
	}
}

// aboard fills dst with bytes of block b, from offset from of the block on, if a flight
// that has landed still has them in memory.
func (o *object) readInFlight(b int64, dst []byte, from int64) bool {
	data, giveBack := o.lendBlocks(b, b, b*o.block+from, int64(len(dst)))
	if data == nil {
		return false
	}
	copy(dst, data)
	giveBack()
	return true
}

// lend returns n bytes at off where they are in memory, if they are those of one flight
// that has landed, and what lets go of them.
func (o *object) lend(off, n int64) (data []byte, giveBack func()) {
	first, last := off/o.block, (off+n-1)/o.block
	data, giveBack = o.lendBlocks(first, last, off, n)
	if data == nil {
		return nil, nil
	}
	o.c.n.hits.Add(last - first + 1)
	for b := first; b <= last; b++ {
		o.countUse(b, false)
	}
	return data, giveBack
}

// lendBlocks is lend for the blocks from first to last, in which the bytes lie.
func (o *object) lendBlocks(first, last, off, n int64) (data []byte, giveBack func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.fetches[first]
	if f == nil || f.state != filled || last >= f.span.first+f.span.n {
		return nil, nil
	}
	f.users++
	f.unread -= n
	for b := first; b <= last; b++ {
		o.markRead(b)
	}
	return f.buf[off-f.span.first*o.block:][:n], f.endLoan
}

// giveBack lets go of what was lent; a spare that has been read to the end is over.
func (f *fetch) endLoan() {
	f.o.mu.Lock()
	read := f.unread <= 0
	f.o.mu.Unlock()
	if read {
		f.endReady()
	}
	f.releaseBuffer()
}
