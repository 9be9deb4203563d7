package cache

import (
	"context"
	"sync"
	"sync/atomic"
)

// maxMarked bounds the bitmap of blocks lately read, for sizes that a store
// claims and nobody believes; beyond it the clock spares nothing.
const maxMarked = 1 << 24

// object is what all handles on one version share while there are any, or
// fetches under way.
type object struct {
	version
	c            *Cache
	refs         atomic.Int64 // handles, reads and flights; at 0 it is over
	damageLogged atomic.Bool  // and that was logged
	changeLogged atomic.Bool  // changed by others while it was sealed, and that was logged
	lastTouch    atomic.Int64 // Unix nanoseconds of the last note of use on disk

	recent    blockSet // lately read, for the clock
	predicted blockSet // prefetched and not read yet

	pack    atomic.Pointer[pack]          // while it is not stored
	history atomic.Pointer[accessHistory] // nil: nothing is to be learned

	expected atomic.Pointer[digest] // MD5 of the whole; nil: not known

	handles int     // guarded by Cache.mu
	warmup  *warmup // guarded by Cache.mu; nil without handles

	mu      sync.Mutex // guards flights and what each flight says it guards; taken before Cache.mu
	fetches map[int64]*fetch
}

func newObject(c *Cache, v version) *object {
	o := &object{version: v, c: c, fetches: map[int64]*fetch{}, recent: newBlockSet(v.blocks())}
	if c.warms {
		o.predicted = newBlockSet(v.blocks())
	}
	o.refs.Store(1)
	return o
}

// plausible reports whether ref and size are such that anything can be read.
func (o *object) plausible() bool { return o.ref.ETag != "" && o.size > 0 && o.size <= maxSize }

// retain takes a reference, unless the last is gone.
func (o *object) retain() bool {
	for {
		n := o.refs.Load()
		if n == 0 {
			return false
		}
		if o.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (o *object) release() {
	if o.refs.Add(-1) == 0 {
		o.c.removeObject(o)
		o.c.disk.files.drop(o)
	}
}

// blockSet is a set of blocks, safe for concurrent use. One for too large an
// object is always empty.
type blockSet []atomic.Uint32

func newBlockSet(n int64) blockSet {
	if n < 0 || n > maxMarked {
		return nil
	}
	return make(blockSet, (n+31)/32)
}

// mark adds block b, and returns whether that is new.
func (s blockSet) mark(b int64) bool {
	if b/32 >= int64(len(s)) {
		return false
	}
	w, bit := &s[b/32], uint32(1)<<(b%32)
	return w.Load()&bit == 0 && w.Or(bit)&bit == 0
}

// unmark takes block b out, and returns whether it was in.
func (s blockSet) unmark(b int64) bool {
	if b/32 >= int64(len(s)) {
		return false
	}
	w, bit := &s[b/32], uint32(1)<<(b%32)
	return w.Load()&bit != 0 && w.And(^bit)&bit != 0
}

// mark notes that block b was read.
func (o *object) markRead(b int64) { o.recent.mark(b) }

// unmark returns whether block b was read since it was last asked; o may be nil.
func (o *object) clearRead(b int64) bool { return o != nil && o.recent.unmark(b) }

// part returns where block b lies in a read of len(p) bytes at off: that part
// of p, and at which offset of the block it begins.
func (o *object) part(p []byte, off, b int64) (dst []byte, from int64) {
	begin := b * o.block
	lo, hi := max(off, begin), min(off+int64(len(p)), begin+o.length(b))
	return p[lo-off : hi-off], lo - begin
}

// span is n blocks from first.
type span struct{ first, n int64 }

// add lengthens the last span by b, or begins another where there is none, a
// gap, or limit blocks already.
func add(spans []span, b, limit int64) []span {
	if k := len(spans) - 1; k >= 0 && spans[k].first+spans[k].n == b && spans[k].n < limit {
		spans[k].n++
		return spans
	}
	return append(spans, span{b, 1})
}

// read fills p from off on, all of it within the object.
func (o *object) read(ctx context.Context, p []byte, off int64, why priority) (int, error) {
	missing := o.readHeld(p, off, why)
	if len(missing) == 0 {
		return len(p), nil
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	waits, err := o.startFetches(p, off, missing, why)
	if err != nil {
		return 0, err
	}
	if pk := o.pack.Load(); pk != nil { // it came since we looked
		o.serveFromPack(pk)
	}
	if n, err := o.wait(ctx, waits, off); err != nil {
		return n, err
	}
	return len(p), nil
}

// readLocal fills what memory and disk hold, and returns the rest in spans fit
// for one range request each.
func (o *object) readHeld(p []byte, off int64, why priority) (missing []span) {
	first, last := off/o.block, (off+int64(len(p))-1)/o.block
	disk := diskReader{o: o}
	defer disk.release()
	lost, pk := int64(0), o.pack.Load()
	for b := first; b <= last; b++ {
		dst, from := o.part(p, off, b)
		if pk != nil && pk.read(dst, b*o.block+from) || o.readInFlight(b, dst, from) || o.c.memory.read(&o.version, b, dst, from) || disk.read(b, dst, from) {
			if why == demand {
				o.countUse(b, false)
			}
			continue
		}
		missing = add(missing, b, o.c.maxRun)
		lost++
	}
	if why == demand {
		o.c.n.misses.Add(lost)
		o.c.n.hits.Add(last - first + 1 - lost)
	}
	return missing
}

// absent returns the blocks of s that are neither held nor under way, in spans
// of at most limit blocks. To completion only what is on disk is held.
func (o *object) absent(s span, limit int64, why priority) (spans []span) {
	coming := o.inFlight(s)
	want := func(b int64) {
		if !coming[b] && (why == background || !o.c.memory.has(&o.version, b)) {
			spans = add(spans, b, limit)
		}
	}
	pair := o.c.disk.openFile(o)
	if pair == nil {
		for b := s.first; b < s.first+s.n; b++ {
			want(b)
		}
		return spans
	}
	defer o.c.disk.files.release(pair)
	if err := pair.missingBlocks(&o.version, s.first, s.n, want); err != nil {
		o.c.disk.failed("read", err)
	}
	return spans
}

func (o *object) inFlight(s span) map[int64]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.fetches) == 0 {
		return nil
	}
	coming := map[int64]bool{}
	for b := s.first; b < s.first+s.n; b++ {
		if o.fetches[b] != nil {
			coming[b] = true
		}
	}
	return coming
}
