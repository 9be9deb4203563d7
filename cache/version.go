package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"thothfs/store"
)

// page is the unit of verification: a read of 4 KiB hashes 4 KiB, not a block.
const page = 4 << 10

// version is one version of one object, cut into blocks. It does not change.
type version struct {
	ref   store.Ref
	size  int64
	block int64 // bytes
	id    [sha256.Size]byte
	seed  uint64 // ties every record to this version
}

// newVersion derives the identity from key, ETag and block size, so that caches
// with different block sizes share a directory without meeting. The size is not
// part of it: the header checks that.
func newVersion(ref store.Ref, size, block int64) version {
	b := make([]byte, 0, 64+len(ref.Key)+len(ref.ETag))
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(block))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(ref.Key)))
	b = append(b, ref.Key...)
	b = append(b, ref.ETag...)
	v := version{ref: ref, size: size, block: block, id: sha256.Sum256(b)}
	v.seed = binary.LittleEndian.Uint64(v.id[:]) ^ uint64(size)
	return v
}

// name is the file name without its suffix.
func (v *version) name() string { return hex.EncodeToString(v.id[:]) }

// blocks is the number of blocks, the last possibly short.
func (v *version) blocks() int64 { return (v.size + v.block - 1) / v.block }

// length is the number of bytes in block b.
func (v *version) length(b int64) int64 { return min(v.block, v.size-b*v.block) }

// bytes is the number of bytes in n blocks from first.
func (v *version) bytes(first, n int64) int64 {
	return min((first+n)*v.block, v.size) - first*v.block
}

// blockKey names a block among all versions.
type blockKey struct {
	id [sha256.Size]byte
	b  int64
}
