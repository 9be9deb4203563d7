package cache

import (
	"sync"
	"sync/atomic"

	"thothfs/cache/blockfile"
	"thothfs/cache/hotpack"
)

// maxTracked is the maximum number of blocks in a blockSet. A store may claim any size for an
// object.
const maxTracked = 1 << 24

// openVersion is the state shared by all handles on one version. It exists while there are
// handles, reads or fetches.
type openVersion struct {
	blockfile.Version
	c            *Cache
	refs         atomic.Int64 // handles, reads and fetches; at 0 the version is removed from the cache
	damageLogged atomic.Bool
	changeLogged atomic.Bool
	lastTouch    atomic.Int64 // Unix nanoseconds

	recent    blockSet // blocks read since the evictor's last pass
	predicted blockSet // blocks prefetched but not read yet

	pack     atomic.Pointer[hotpack.Pack] // nil unless a pack is being stored
	history  atomic.Pointer[accessHistory]
	expected atomic.Pointer[blockfile.Digest] // nil: unknown

	handles int     // guarded by Cache.mu
	warmup  *warmup // guarded by Cache.mu; nil without handles

	changes atomic.Int64 // incremented when a fetch ends or a pack is stored

	mu      sync.Mutex // guards fetches and the fields of each fetch that say so; taken before Cache.mu
	fetches map[int64]*fetch
}

// plausible reports whether a version with this ref and size can be read at all.
func (o *openVersion) plausible() bool { return o.Ref.ETag != "" && o.Size > 0 && o.Size <= maxSize }

// retain takes a reference. It returns false if the last reference has been released.
func (o *openVersion) retain() bool {
	for n := o.refs.Load(); n > 0; n = o.refs.Load() {
		if o.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

func (o *openVersion) release() {
	if o.refs.Add(-1) == 0 {
		o.c.remove(o)
		o.Drop()
	}
}

// ClearRead and Drop implement [blockfile.OpenVersion].
func (o *openVersion) ClearRead(b int64) bool { return o.recent.remove(b) }

func (o *openVersion) Drop() { o.c.disk.files.Drop(&o.Version) }

// blockSet is a set of block numbers, safe for concurrent use. For an object with more than
// maxTracked blocks it is always empty.
type blockSet []atomic.Uint32

func newBlockSet(n int64) blockSet {
	if n < 0 || n > maxTracked {
		return nil
	}
	return make(blockSet, (n+31)/32)
}

// add adds block b and reports whether it was absent.
func (s blockSet) add(b int64) bool {
	i, bit := b/32, uint32(1)<<(b%32)
	return i < int64(len(s)) && s[i].Load()&bit == 0 && s[i].Or(bit)&bit == 0
}

// remove removes block b and reports whether it was present.
func (s blockSet) remove(b int64) bool {
	i, bit := b/32, uint32(1)<<(b%32)
	return i < int64(len(s)) && s[i].Load()&bit != 0 && s[i].And(^bit)&bit != 0
}

// span is the n blocks starting at first.
type span struct{ first, n int64 }

// appendBlock adds b to the last span, or starts a new one after a gap or after limit blocks.
func appendBlock(spans []span, b, limit int64) []span {
	if k := len(spans) - 1; k >= 0 && spans[k].first+spans[k].n == b && spans[k].n < limit {
		spans[k].n++
		return spans
	}
	return append(spans, span{b, 1})
}

// blocksOf returns the blocks that r touches.
func (o *openVersion) blocksOf(r hotpack.Range) span {
	first := r.Off / o.Block
	return span{first, (r.Off+r.Len+o.Block-1)/o.Block - first}
}

// part returns the part of p, a read at off, that lies in s, and the offset in s where it
// begins.
func (o *openVersion) part(p []byte, off int64, s span) (dst []byte, from int64) {
	begin := s.first * o.Block
	lo, hi := max(off, begin), min(off+int64(len(p)), begin+o.Bytes(s.first, s.n))
	return p[lo-off : hi-off], lo - begin
}
