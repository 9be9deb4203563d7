package cache

import (
	"bytes"
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// The map file beside the data is a header of 4 KiB and a record for each
// block, all little-endian, at a place that depends only on the block's number:
//
//	header  0 magic, 16 size of the object, 24 size of a block, 32 identity
//	        (SHA-256, of key, ETag and size of a block), 64 XXH3 of the 64 bytes
//	        before; then key and ETag for people, cut where the seal begins; at
//	        the end the seal of a complete version, see seal.go
//	record  0 XXH3 of what follows, seeded with version and block number,
//	        8 state, 16 XXH3 of each 4 KiB page of the block; of a block in part,
//	        0 for the pages that are absent
//
// Invariant: whatever a record says is believed only if its checksum holds,
// and whatever the data file says only if the record's sums hold. So a torn
// write, a power cut that lost data but kept its record, a hole punched by
// another process or a file from elsewhere can cost a fetch, never a wrong byte.
const (
	headerSize   = 4 << 10
	headerFixed  = 72
	recordFixed  = 16
	stateOffset  = 8
	magic        = "thothfs blocks 2"
	stateAbsent  = 0 // also what a hole in the map file reads as
	statePresent = 1
	stateZero    = 2 // the block is all zeros and takes no space
	statePartial = 3 // some pages are present
)

// recordSize is the size of a record for blocks of that many bytes.
func recordSize(block int64) int64 { return recordFixed + 8*((block+page-1)/page) }

func recordOffset(block, b int64) int64 { return headerSize + b*recordSize(block) }

// header is the map file's first 4 KiB.
func (v *version) header() []byte {
	h := make([]byte, headerSize)
	copy(h, magic)
	binary.LittleEndian.PutUint64(h[16:], uint64(v.size))
	binary.LittleEndian.PutUint64(h[24:], uint64(v.block))
	copy(h[32:], v.id[:])
	binary.LittleEndian.PutUint64(h[64:], xxh3.Hash(h[:64]))
	n := headerFixed + copy(h[headerFixed:markOffset], v.ref.Key)
	if n < markOffset {
		h[n] = '\n'
		copy(h[n+1:markOffset], v.ref.ETag)
	}
	return h
}

// owns reports whether a map file with this header belongs to v.
func (v *version) owns(header []byte) bool {
	return len(header) >= headerFixed && bytes.Equal(header[:headerFixed], v.header()[:headerFixed])
}

// parseHeader returns the sizes that a header states, or false if it is none.
func parseHeader(h []byte) (size, block int64, ok bool) {
	if len(h) < headerFixed || string(h[:16]) != magic || binary.LittleEndian.Uint64(h[64:]) != xxh3.Hash(h[:64]) {
		return 0, 0, false
	}
	size, block = int64(binary.LittleEndian.Uint64(h[16:])), int64(binary.LittleEndian.Uint64(h[24:]))
	return size, block, size >= 0 && validBlock(block)
}

// sealRecord fills rec for block b, whose content is data.
func (v *version) encodeRecord(rec []byte, b int64, state byte, data []byte) {
	clear(rec)
	rec[stateOffset] = state
	if state == statePresent {
		for i := 0; i*page < len(data); i++ {
			sum := xxh3.Hash(data[i*page : min((i+1)*page, len(data))])
			binary.LittleEndian.PutUint64(rec[recordFixed+8*i:], sum)
		}
	}
	binary.LittleEndian.PutUint64(rec, v.recordSum(rec, b))
}

// pageSum is the place of a page's checksum in rec.
func pageSum(rec []byte, n int64) []byte { return rec[recordFixed+8*n:][:8] }

// addPages enters pages of block b into a record that is absent or partial. It
// stays partial even when it has all pages: what comes in pages may be from a
// pack, and a complete version is made of what the Source gave. A page whose sum
// is zero, which cannot be told from an absent one, stays absent.
func (v *version) addPages(rec []byte, b, first int64, data []byte) {
	for i := int64(0); i*page < int64(len(data)); i++ {
		sum := xxh3.Hash(data[i*page : min((i+1)*page, int64(len(data)))])
		binary.LittleEndian.PutUint64(pageSum(rec, first+i), sum)
	}
	rec[stateOffset] = statePartial
	binary.LittleEndian.PutUint64(rec, v.recordSum(rec, b))
}

// hasPages reports whether the record has sums for n pages from first.
func hasPages(rec []byte, first, n int64) bool {
	for i := first; i < first+n; i++ {
		if binary.LittleEndian.Uint64(pageSum(rec, i)) == 0 {
			return false
		}
	}
	return true
}

// recordSum is the checksum that belongs at the front of rec, which it leaves
// as it was.
func (v *version) recordSum(rec []byte, b int64) uint64 {
	old := binary.LittleEndian.Uint64(rec)
	binary.LittleEndian.PutUint64(rec, v.seed+uint64(b)*0x9e3779b97f4a7c15)
	sum := xxh3.Hash(rec)
	binary.LittleEndian.PutUint64(rec, old)
	return sum
}

// recordState is what rec says of block b; a record that does not check is
// stateAbsent.
func (v *version) recordState(rec []byte, b int64) byte {
	s := rec[stateOffset]
	if s == stateAbsent || binary.LittleEndian.Uint64(rec) != v.recordSum(rec, b) {
		return stateAbsent
	}
	return s
}

// verify reports whether data, which begins at the given page of its block, is
// what rec says.
func verify(rec, data []byte, first int) bool {
	for i := 0; i*page < len(data); i++ {
		sum := binary.LittleEndian.Uint64(rec[recordFixed+8*(first+i):])
		if xxh3.Hash(data[i*page:min((i+1)*page, len(data))]) != sum {
			return false
		}
	}
	return true
}

// isZero reports whether p holds nothing but zeros.
func isZero(p []byte) bool {
	for len(p) >= 8 {
		if binary.LittleEndian.Uint64(p) != 0 {
			return false
		}
		p = p[8:]
	}
	for _, c := range p {
		if c != 0 {
			return false
		}
	}
	return true
}
