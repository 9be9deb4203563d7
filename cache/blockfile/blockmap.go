package blockfile

import (
	"bytes"
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// The block map is a header of 4 KiB followed by a record for each block, all little-endian.
// The offset of a record depends only on the number of its block.
//
//	header  0 magic, 16 size of the object, 24 size of a block, 32 identity
//	        (SHA-256 of key, ETag and size of a block), 64 XXH3 of the 64
//	        bytes before; then key and ETag for human readers, truncated where the mark
//	        begins; at the end the mark of a verified version, see [Mark]
//	record  0 XXH3 of what follows, seeded with version and block number,
//	        8 state, 16 XXH3 of each 4 KiB page of the block, 0 for the absent pages
//	        of a partial block
//
// A record is valid only if its checksum matches, and data only if it matches the checksums in
// its record. So a torn write, a power failure that lost data but kept its record, a hole
// punched by another process or a file from elsewhere can cause a fetch, but never a wrong
// byte.
const (
	headerSize   = 4 << 10
	headerFixed  = 72
	recordFixed  = 16
	stateOffset  = 8
	magic        = "thothfs blocks 2"
	stateAbsent  = 0 // also what a hole in the block map reads as
	statePresent = 1
	stateZero    = 2 // the block is all zeros and takes no space
	statePartial = 3 // some pages are present
)

// recordSize returns the size of a record for a block of the given size.
func recordSize(block int64) int64 { return recordFixed + 8*pages(block) }

func recordOffset(block, b int64) int64 { return headerSize + b*recordSize(block) }

// header returns the first 4 KiB of v's block map.
func (v *Version) header() []byte {
	h := make([]byte, headerSize)
	copy(h, magic)
	binary.LittleEndian.PutUint64(h[16:], uint64(v.Size))
	binary.LittleEndian.PutUint64(h[24:], uint64(v.Block))
	copy(h[32:], v.ID[:])
	binary.LittleEndian.PutUint64(h[64:], xxh3.Hash(h[:64]))
	n := headerFixed + copy(h[headerFixed:markOffset], v.Ref.Key)
	if n < markOffset {
		h[n] = '\n'
		copy(h[n+1:markOffset], v.Ref.ETag)
	}
	return h
}

// owns reports whether a block map with this header belongs to v.
func (v *Version) owns(header []byte) bool {
	return len(header) >= headerFixed && bytes.Equal(header[:headerFixed], v.header()[:headerFixed])
}

// parseHeader returns the sizes in a header, or false if h is not a valid header.
func parseHeader(h []byte) (size, block int64, ok bool) {
	if len(h) < headerFixed || string(h[:16]) != magic || binary.LittleEndian.Uint64(h[64:]) != xxh3.Hash(h[:64]) {
		return 0, 0, false
	}
	size, block = int64(binary.LittleEndian.Uint64(h[16:])), int64(binary.LittleEndian.Uint64(h[24:]))
	return size, block, size >= 0 && ValidBlock(block)
}

// setRecord sets the state of block b and adds the checksums of data, which begins with page
// first of the block. In a partial record, a page whose checksum is zero counts as absent.
func (v *Version) setRecord(rec []byte, b int64, state byte, first int64, data []byte) {
	rec[stateOffset] = state
	for ; len(data) > 0; first++ {
		p := data[:min(Page, len(data))]
		binary.LittleEndian.PutUint64(pageSum(rec, first), xxh3.Hash(p))
		data = data[len(p):]
	}
	binary.LittleEndian.PutUint64(rec, v.recordSum(rec, b))
}

// pageSum returns the bytes in rec that hold the checksum of page n.
func pageSum(rec []byte, n int64) []byte { return rec[recordFixed+8*n:][:8] }

// verify reports whether data, which begins with page first of its block, matches rec.
func verify(rec, data []byte, first int64) bool {
	for ; len(data) > 0; first++ {
		p := data[:min(Page, len(data))]
		if xxh3.Hash(p) != binary.LittleEndian.Uint64(pageSum(rec, first)) {
			return false
		}
		data = data[len(p):]
	}
	return true
}

// hasPages reports whether the record contains checksums for the n pages starting at first.
func hasPages(rec []byte, first, n int64) bool {
	for i := first; i < first+n; i++ {
		if binary.LittleEndian.Uint64(pageSum(rec, i)) == 0 {
			return false
		}
	}
	return true
}

// recordSum returns the checksum that belongs at the front of rec. It leaves rec unchanged.
func (v *Version) recordSum(rec []byte, b int64) uint64 {
	old := binary.LittleEndian.Uint64(rec)
	binary.LittleEndian.PutUint64(rec, v.seed+uint64(b)*0x9e3779b97f4a7c15)
	sum := xxh3.Hash(rec)
	binary.LittleEndian.PutUint64(rec, old)
	return sum
}

// recordState returns the state of block b according to rec, or stateAbsent if rec's checksum
// does not match.
func (v *Version) recordState(rec []byte, b int64) byte {
	s := rec[stateOffset]
	if s == stateAbsent || binary.LittleEndian.Uint64(rec) != v.recordSum(rec, b) {
		return stateAbsent
	}
	return s
}
