package cache

import (
	"bytes"
	"slices"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
)

// memory holds the blocks that the disk could not take, least recently used
// forgotten first. Blocks that are on disk are not kept here: the page cache
// has them already.
type memory struct {
	blocks *lru.Cache[blockKey, memoryBlock]
	used   atomic.Bool // ever: spares a healthy cache the lookups
	block  int64
}

// kept is a block in memory; it does not change.
type memoryBlock struct {
	data  []byte // nil: all zeros
	pages []bool // which are there; nil: all
}

func newMemory(limit, block int64) *memory {
	blocks, _ := lru.New[blockKey, memoryBlock](int(max(1, limit/block)))
	return &memory{blocks: blocks, block: block}
}

// add copies the blocks in buf, from first on.
func (m *memory) add(v *version, first int64, buf []byte) {
	m.used.Store(true)
	for b := first; len(buf) > 0; b++ {
		n := min(m.block, int64(len(buf)))
		var data []byte
		if !isZero(buf[:n]) {
			data = bytes.Clone(buf[:n])
		}
		m.blocks.Add(blockKey{v.id, b}, memoryBlock{data: data})
		buf = buf[n:]
	}
}

// read fills dst from offset from of block b on, if it is held.
func (m *memory) read(v *version, b int64, dst []byte, from int64) bool {
	if !m.used.Load() {
		return false
	}
	k, ok := m.blocks.Get(blockKey{v.id, b})
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

// addPages adds pages of block b, from first on, to those that are held.
func (m *memory) addPages(v *version, b, first int64, data []byte) {
	m.used.Store(true)
	key := blockKey{v.id, b}
	old, ok := m.blocks.Get(key)
	if ok && old.pages == nil {
		return
	}
	k := memoryBlock{make([]byte, v.length(b)), make([]bool, (v.length(b)+page-1)/page)}
	copy(k.data, old.data)
	copy(k.pages, old.pages)
	copy(k.data[first*page:], data)
	for i := range (int64(len(data)) + page - 1) / page {
		k.pages[first+i] = true
	}
	m.blocks.Add(key, k)
}

// has reports whether block b is held in full.
func (m *memory) has(v *version, b int64) bool {
	if !m.used.Load() {
		return false
	}
	k, ok := m.blocks.Peek(blockKey{v.id, b})
	return ok && k.pages == nil
}

// bytes is at most what the blocks take: those of zeros take nothing.
func (m *memory) bytes() int64 { return int64(m.blocks.Len()) * m.block }
