package blockfile

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"

	"thothfs/internal/sparsefile"
	"thothfs/store"
)

// Page is the unit of verification: a read of 4 KiB hashes 4 KiB, not a whole block.
const Page = 4 << 10

// ValidBlock reports whether n is a valid block size.
func ValidBlock(n int64) bool { return n >= Page && n <= 1<<20 && bits.OnesCount64(uint64(n)) == 1 }

// Version is one version of one object, divided into blocks. It is immutable.
type Version struct {
	Ref   store.Ref
	Size  int64 // bytes in the object
	Block int64 // bytes in a block
	ID    [sha256.Size]byte
	seed  uint64 // ties every record to this version
}

// NewVersion returns a Version whose ID is derived from key, ETag and block size, so that
// caches with different block sizes can share a directory. The header is used to check the
// size.
func NewVersion(ref store.Ref, size, block int64) Version {
	b := make([]byte, 0, 64+len(ref.Key)+len(ref.ETag))
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(block))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(ref.Key)))
	b = append(b, ref.Key...)
	b = append(b, ref.ETag...)
	v := Version{Ref: ref, Size: size, Block: block, ID: sha256.Sum256(b)}
	v.seed = binary.LittleEndian.Uint64(v.ID[:]) ^ uint64(size)
	return v
}

// Name returns the name of the version's files, without suffix.
func (v *Version) Name() string { return hex.EncodeToString(v.ID[:]) }

// Blocks returns the number of blocks. The last one may be short.
func (v *Version) Blocks() int64 { return (v.Size + v.Block - 1) / v.Block }

// Length returns the number of bytes in block b.
func (v *Version) Length(b int64) int64 { return min(v.Block, v.Size-b*v.Block) }

// Bytes returns the number of bytes in the n blocks starting at first.
func (v *Version) Bytes(first, n int64) int64 { return min((first+n)*v.Block, v.Size) - first*v.Block }

// MaxCost returns an upper bound of the disk space that the blocks in buf take.
func (v *Version) MaxCost(buf []byte) (n int64) {
	for len(buf) > 0 {
		block := buf[:min(v.Block, int64(len(buf)))]
		buf = buf[len(block):]
		if n += recordSize(v.Block); !sparsefile.IsZero(block) {
			n += pages(int64(len(block))) * Page
		}
	}
	return n
}

// MaxPagesCost is MaxCost for n bytes in pages of one block.
func (v *Version) MaxPagesCost(n int64) int64 { return recordSize(v.Block) + pages(n)*Page }

// pages returns the number of pages that n bytes take.
func pages(n int64) int64 { return (n + Page - 1) / Page }
