// Package hotpack defines the format of hot packs. A hot pack is a small separate object that
// holds the pages of one object version that a debugger reads first.
//
// Fixed-size numbers are little-endian. The fields of a pack and their offsets are:
//
//	0 magic, 16 XXH64 of all that follows, 24 identity (SHA-256 of key, ETag and
//	size), 56 length of the payload as uint32, 60 the payload in one zstd frame
//
// The payload is the number of runs; for each run, the gap to the previous run and the length
// of the run, in pages, all as uvarints; then the 4 KiB pages themselves. The last page of the
// object may be shorter.
//
// A pack's content is trusted as much as the object's, because anyone who can write one can
// write the other. Its structure is not trusted.
package hotpack

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"

	"thothfs/store"
)

const (
	page   = 4 << 10
	magic  = "thothfs hot 1\r\n\x00"
	header = 60
	// MaxSize is the maximum size of an encoded pack in bytes.
	MaxSize = 4 << 20
	// maxPages is the maximum number of pages in a pack. It allows more bytes than MaxSize
	// because stacks and pointer tables compress well.
	maxPages   = (24 << 20) / page
	maxPayload = maxPages*page + 2*binary.MaxVarintLen64*(maxPages+1)
	maxObject  = 1 << 62
)

// Range is the Len bytes starting at Off.
type Range struct{ Off, Len int64 }

// identity returns the hash that ties a pack to an object version.
func identity(ref store.Ref, size int64) [sha256.Size]byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(ref.Key)))
	b = append(append(b, ref.Key...), ref.ETag...)
	return sha256.Sum256(binary.LittleEndian.AppendUint64(b, uint64(size)))
}

// Encode builds the hot pack for the object version that ref identifies; src reads its content,
// size bytes in all. It takes the pages that ranges touch, in that order, then the pages within
// around bytes of them, until the pack reaches [MaxSize]. It ignores ranges outside the object
// and, if skip is set, pages that cannot be read.
func Encode(ref store.Ref, size int64, src io.ReaderAt, ranges []Range, around int64, skip bool) ([]byte, error) {
	pages := choosePages(size, ranges, around)
	for {
		p, err := gather(size, src, slices.Sorted(slices.Values(pages)), skip)
		if err != nil {
			return nil, err
		}
		b, err := p.encode(ref, size)
		if err != nil || len(b) <= MaxSize {
			return b, err
		}
		// Assume that the remaining pages compress about as well as all of them did.
		pages = pages[:int64(len(pages))*MaxSize/int64(len(b))*15/16]
	}
}

// choosePages returns the pages for a pack, in order of preference.
func choosePages(size int64, ranges []Range, around int64) (pages []int64) {
	chosen := map[int64]struct{}{}
	add := func(lo, hi int64) {
		for n := lo / page; n*page < hi && len(chosen) < maxPages; n++ {
			if _, again := chosen[n]; !again {
				chosen[n] = struct{}{}
				pages = append(pages, n)
			}
		}
	}
	for _, margin := range []int64{0, max(0, around)} {
		for _, r := range ranges {
			if r.Off >= 0 && r.Len > 0 && r.Off < size {
				end := r.Off + min(r.Len, size-r.Off)
				add(max(0, r.Off-margin), end+min(margin, size-end))
			}
		}
	}
	return pages
}

// Pack is a decoded hot pack. It is immutable.
type Pack struct {
	Runs []Run // sorted by offset
	Size int64 // total bytes in all runs
}

// Run is a sequence of consecutive pages and their content.
type Run struct {
	Range
	Data []byte
}

// gather reads the pages. If skip is set, it leaves out pages that cannot be read.
func gather(size int64, src io.ReaderAt, pages []int64, skip bool) (*Pack, error) {
	p := &Pack{}
	for _, n := range pages {
		off := n * page
		data := make([]byte, min(page, size-off))
		if got, err := src.ReadAt(data, off); got < len(data) {
			if skip {
				continue
			}
			return nil, cmp.Or(err, io.ErrUnexpectedEOF)
		}
		p.Size += int64(len(data))
		if k := len(p.Runs) - 1; k >= 0 && p.Runs[k].Off+p.Runs[k].Len == off {
			p.Runs[k].Data = append(p.Runs[k].Data, data...)
			p.Runs[k].Len += int64(len(data))
			continue
		}
		p.Runs = append(p.Runs, Run{Range{off, int64(len(data))}, data})
	}
	return p, nil
}

func (p *Pack) encode(ref store.Ref, size int64) ([]byte, error) {
	payload := binary.AppendUvarint(nil, uint64(len(p.Runs)))
	next := int64(0)
	for _, r := range p.Runs {
		n := (r.Len + page - 1) / page
		payload = binary.AppendUvarint(payload, uint64(r.Off/page-next))
		payload = binary.AppendUvarint(payload, uint64(n))
		next = r.Off/page + n
	}
	for _, r := range p.Runs {
		payload = append(payload, r.Data...)
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	b := make([]byte, header, header+len(payload)/2)
	copy(b, magic)
	id := identity(ref, size)
	copy(b[24:], id[:])
	binary.LittleEndian.PutUint32(b[56:], uint32(len(payload)))
	b = z.EncodeAll(payload, b)
	binary.LittleEndian.PutUint64(b[16:], xxhash.Sum64(b[24:]))
	return b, nil
}

// ErrUnusable means that a pack is malformed or belongs to another version.
var ErrUnusable = errors.New("unusable hot pack")

// HeadSize is the number of bytes of a pack that CheckHead needs.
const HeadSize = header

// CheckHead returns ErrUnusable if b is not the beginning of a pack for the version that ref
// identifies.
func CheckHead(ref store.Ref, size int64, b []byte) error {
	id := identity(ref, size)
	switch {
	case len(b) < header || string(b[:16]) != magic:
		return fmt.Errorf("%w: no pack, or another format", ErrUnusable)
	case !bytes.Equal(b[24:56], id[:]):
		return fmt.Errorf("%w: it belongs to another version", ErrUnusable)
	}
	return nil
}

// Decode decodes the pack in b and checks that it belongs to the version that ref identifies.
// Its memory use is bounded regardless of the sizes that b claims.
func Decode(ref store.Ref, size int64, b []byte) (*Pack, error) {
	if err := CheckHead(ref, size, b); err != nil {
		return nil, err
	}
	switch {
	case len(b) > MaxSize:
		return nil, fmt.Errorf("%w: %d bytes", ErrUnusable, len(b))
	case binary.LittleEndian.Uint64(b[16:]) != xxhash.Sum64(b[24:]):
		return nil, fmt.Errorf("%w: checksum mismatch", ErrUnusable)
	}
	n := binary.LittleEndian.Uint32(b[56:])
	if n > maxPayload {
		return nil, fmt.Errorf("%w: %d bytes", ErrUnusable, n)
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPayload), zstd.WithDecoderMaxWindow(maxPayload+maxPayload/8))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	payload, err := z.DecodeAll(b[header:], make([]byte, 0, n))
	if err != nil || len(payload) != int(n) {
		return nil, fmt.Errorf("%w: %d bytes of %d, %v", ErrUnusable, len(payload), n, err)
	}
	return parse(size, payload)
}

// parse splits a payload into its runs.
func parse(size int64, b []byte) (*Pack, error) {
	next := func() int64 {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > maxObject {
			b = nil
			return -1
		}
		b = b[n:]
		return int64(v)
	}
	count := next()
	if count < 0 || count > maxPages {
		return nil, fmt.Errorf("%w: %d runs", ErrUnusable, count)
	}
	p, pages, at := &Pack{}, (size+page-1)/page, int64(0)
	for range count {
		gap, n := next(), next()
		if gap < 0 || n <= 0 || gap > pages-at || n > min(pages-at-gap, maxPages) {
			return nil, fmt.Errorf("%w: pages outside the object", ErrUnusable)
		}
		off := (at + gap) * page
		at += gap + n
		p.Runs = append(p.Runs, Run{Range: Range{off, min(at*page, size) - off}})
		p.Size += min(at*page, size) - off
	}
	if int64(len(b)) != p.Size {
		return nil, fmt.Errorf("%w: %d bytes for pages of %d", ErrUnusable, len(b), p.Size)
	}
	for i := range p.Runs {
		n := p.Runs[i].Len
		p.Runs[i].Data, b = b[:n:n], b[n:]
	}
	return p, nil
}

// find returns the run that contains the n bytes starting at off, or nil.
func (p *Pack) find(off, n int64) *Run {
	i, found := slices.BinarySearchFunc(p.Runs, off, func(r Run, off int64) int { return cmp.Compare(r.Off, off) })
	if !found {
		i--
	}
	if i < 0 || off+n > p.Runs[i].Off+p.Runs[i].Len {
		return nil
	}
	return &p.Runs[i]
}

// Has reports whether the pack contains the n bytes starting at off.
func (p *Pack) Has(off, n int64) bool { return p.find(off, n) != nil }

// Read fills dst with the bytes starting at off if the pack contains all of them.
func (p *Pack) Read(dst []byte, off int64) bool {
	r := p.find(off, int64(len(dst)))
	if r == nil {
		return false
	}
	copy(dst, r.Data[off-r.Off:])
	return true
}

// WithoutContent returns a copy of p that keeps its ranges but not their content.
func (p *Pack) WithoutContent() *Pack {
	q := &Pack{Size: p.Size}
	for _, r := range p.Runs {
		q.Runs = append(q.Runs, Run{Range: r.Range})
	}
	return q
}

// WorthStoring reports whether p, encoded in n bytes, should replace old. p must contain pages
// that old lacks. If p is close to the maximum size, at least 1/16 of its content must be new;
// otherwise every session that reads more than fits in a pack would store another one.
func (p *Pack) WorthStoring(n int, old *Pack) bool {
	added, least := int64(0), int64(0)
	for _, r := range p.Runs {
		for off := r.Off; off < r.Off+r.Len; off += page {
			if n := min(page, r.Off+r.Len-off); !old.Has(off, n) {
				added += n
			}
		}
	}
	if n > MaxSize/8*7 || p.Size > maxPages*page/8*7 {
		least = p.Size / 16
	}
	return added > least
}
