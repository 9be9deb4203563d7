package cache

import (
	"bytes"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
)

// memory holds the blocks that the disk could not take, least recently used
// forgotten first. Blocks that are on disk are not kept here: the page cache
// has them already.
type memory struct {
	blocks *lru.Cache[blockKey, []byte] // never changed; nil: all zeros
	used   atomic.Bool                  // ever: spares a healthy cache the lookups
	block  int64
}

func newMemory(limit, block int64) *memory {
	blocks, _ := lru.New[blockKey, []byte](int(max(1, limit/block)))
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
		m.blocks.Add(blockKey{v.id, b}, data)
		buf = buf[n:]
	}
}

// read fills dst from offset from of block b on, if it is held.
func (m *memory) read(v *version, b int64, dst []byte, from int64) bool {
	if !m.used.Load() {
		return false
	}
	data, ok := m.blocks.Get(blockKey{v.id, b})
	switch {
	case !ok || data != nil && from+int64(len(dst)) > int64(len(data)):
		return false
	case data == nil:
		clear(dst)
	default:
		copy(dst, data[from:])
	}
	return true
}

func (m *memory) has(v *version, b int64) bool {
	return m.used.Load() && m.blocks.Contains(blockKey{v.id, b})
}

// bytes is at most what the blocks take: those of zeros take nothing.
func (m *memory) bytes() int64 { return int64(m.blocks.Len()) * m.block }
