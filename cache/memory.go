package cache

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"

	"thothfs/cache/blockfile"
	"thothfs/internal/sparsefile"
)

const page = blockfile.Page

// memory holds the blocks that could not be stored on disk, up to a limit. It does not hold
// blocks that are on disk, because those are already in the page cache.
type memory struct {
	blocks *lru.Cache[blockKey, memoryBlock]
	used   atomic.Bool // set by the first add; lookups are skipped before that
	block  int64
}

// blockKey identifies a block among all versions.
type blockKey struct {
	id [sha256.Size]byte
	b  int64
}

// memoryBlock is immutable.
type memoryBlock struct {
	data  []byte // nil: all zeros
	pages []bool // which pages are present; nil: all
}

func newMemory(limit, block int64) *memory {
	blocks, _ := lru.New[blockKey, memoryBlock](int(max(1, limit/block)))
	return &memory{blocks: blocks, block: block}
}

// add copies the blocks in buf, which begins with block first.
func (m *memory) add(v *blockfile.Version, first int64, buf []byte) {
	m.used.Store(true)
	for b := first; len(buf) > 0; b++ {
		n := min(m.block, int64(len(buf)))
		var data []byte
		if !sparsefile.IsZero(buf[:n]) {
			data = bytes.Clone(buf[:n])
		}
		m.blocks.Add(blockKey{v.ID, b}, memoryBlock{data: data})
		buf = buf[n:]
	}
}

// addPages adds the pages in data, which begins with page first of block b.
func (m *memory) addPages(v *blockfile.Version, b, first int64, data []byte) {
	m.used.Store(true)
	key := blockKey{v.ID, b}
	old, ok := m.blocks.Get(key)
	if ok && old.pages == nil {
		return
	}
	k := memoryBlock{make([]byte, v.Length(b)), make([]bool, (v.Length(b)+page-1)/page)}
	copy(k.data, old.data)
	copy(k.pages, old.pages)
	copy(k.data[first*page:], data)
	for i := range (int64(len(data)) + page - 1) / page {
		k.pages[first+i] = true
	}
	m.blocks.Add(key, k)
}

// read fills dst with the bytes of block b starting at offset from, if they are in memory.
func (m *memory) read(v *blockfile.Version, b int64, dst []byte, from int64) bool {
	if !m.used.Load() {
		return false
	}
	k, ok := m.blocks.Get(blockKey{v.ID, b})
	switch {
	case !ok || k.data != nil && from+int64(len(dst)) > int64(len(k.data)):
		return false
	case k.pages != nil && slices.Contains(k.pages[from/page:(from+int64(len(dst))+page-1)/page], false):
		return false
	case k.data == nil:
		clear(dst)
	default:
		copy(dst, k.data[from:])
	}
	return true
}

// has reports whether all of block b is in memory.
func (m *memory) has(v *blockfile.Version, b int64) bool {
	if !m.used.Load() {
		return false
	}
	k, ok := m.blocks.Peek(blockKey{v.ID, b})
	return ok && k.pages == nil
}

// bytes returns an upper bound of the memory in use; blocks of zeros take none.
func (m *memory) bytes() int64 { return int64(m.blocks.Len()) * m.block }
