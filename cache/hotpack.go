package cache

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

// A hot pack is what a debugger reads first of one version of an object, in one
// small object of its own. It is little-endian:
//
//	0 magic, 16 XXH64 of all that follows, 24 identity (SHA-256 of key, ETag and
//	size), 56 length of the payload as uint32, 60 the payload in one zstd frame
//
// The payload is the number of runs, for each run the pages between it and the one
// before and the pages it has, all as uvarints; then the pages, of 4 KiB, the last
// of the object possibly shorter.
//
// Who may write a pack beside an object may write the object as well, so its
// content is trusted as the object's; its form is not.
const (
	packMagic  = "thothfs hot 1\r\n\x00"
	packHeader = 60
	// MaxPack is how many bytes a pack takes at most, as it is stored.
	MaxPack = 4 << 20
	// maxPages is how many pages of the object it holds at most: stacks and tables of
	// pointers compress well.
	maxPages   = (24 << 20) / page
	maxPayload = maxPages*page + 2*binary.MaxVarintLen64*(maxPages+1)
)

// packID ties a pack to a version.
func packID(ref store.Ref, size int64) [sha256.Size]byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(ref.Key)))
	b = append(append(b, ref.Key...), ref.ETag...)
	return sha256.Sum256(binary.LittleEndian.AppendUint64(b, uint64(size)))
}

// EncodePack makes the hot pack of the version ref, which has size bytes that
// src reads, of the pages that ranges touch: first all of those, in the order
// given, then, as far as [MaxPack] allows, what lies around them to either side
// (see Options.Around). Ranges outside the object are left out.
func EncodePack(ref store.Ref, size int64, src io.ReaderAt, ranges []Range, around int64) ([]byte, error) {
	return fitPack(ref, size, src, choosePages(size, ranges, around), false)
}

// fitPack makes a pack of as many of the pages as [MaxPack] allows, the first of them
// first, leaving out those that cannot be read if lenient.
func fitPack(ref store.Ref, size int64, src io.ReaderAt, pages []int64, lenient bool) ([]byte, error) {
	for {
		p, err := gather(size, src, slices.Sorted(slices.Values(pages)), lenient)
		if err != nil {
			return nil, err
		}
		b, err := p.encode(ref, size)
		if err != nil || len(b) <= MaxPack {
			return b, err
		}
		// What is left compresses about as well as the whole did.
		pages = pages[:int64(len(pages))*MaxPack/int64(len(b))*15/16]
	}
}

// choosePages returns the pages for a pack, the most certain first.
func choosePages(size int64, ranges []Range, around int64) (pages []int64) {
	chosen := map[int64]struct{}{}
	take := func(lo, hi int64) {
		for n := lo / page; n*page < hi && len(chosen) < maxPages; n++ {
			if _, again := chosen[n]; !again {
				chosen[n] = struct{}{}
				pages = append(pages, n)
			}
		}
	}
	valid := func(r Range) bool { return r.Off >= 0 && r.Len > 0 && r.Off < size }
	for _, r := range ranges {
		if valid(r) {
			take(r.Off, r.Off+min(r.Len, size-r.Off))
		}
	}
	for _, r := range ranges {
		if valid(r) && around > 0 {
			end := r.Off + min(r.Len, size-r.Off)
			take(max(0, r.Off-around), end+min(around, size-end))
		}
	}
	return pages
}

// pack is a decoded hot pack: runs of pages, in order. It does not change.
type pack struct {
	runs []pageRun
	size int64 // bytes in all runs
}

type pageRun struct {
	off, size int64
	data      []byte
}

// gather reads the pages, leaving out those that cannot be read if lenient.
func gather(size int64, src io.ReaderAt, pages []int64, lenient bool) (*pack, error) {
	p := &pack{}
	for _, n := range pages {
		off := n * page
		data := make([]byte, min(page, size-off))
		if got, err := src.ReadAt(data, off); got < len(data) {
			if lenient {
				continue
			}
			return nil, cmp.Or(err, io.ErrUnexpectedEOF)
		}
		p.size += int64(len(data))
		if k := len(p.runs) - 1; k >= 0 && p.runs[k].off+p.runs[k].size == off {
			p.runs[k].data = append(p.runs[k].data, data...)
			p.runs[k].size += int64(len(data))
			continue
		}
		p.runs = append(p.runs, pageRun{off, int64(len(data)), data})
	}
	return p, nil
}

func (p *pack) encode(ref store.Ref, size int64) ([]byte, error) {
	payload := binary.AppendUvarint(nil, uint64(len(p.runs)))
	next := int64(0)
	for _, r := range p.runs {
		n := (r.size + page - 1) / page
		payload = binary.AppendUvarint(payload, uint64(r.off/page-next))
		payload = binary.AppendUvarint(payload, uint64(n))
		next = r.off/page + n
	}
	for _, r := range p.runs {
		payload = append(payload, r.data...)
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	b := make([]byte, packHeader, packHeader+len(payload)/2)
	copy(b, packMagic)
	id := packID(ref, size)
	copy(b[24:], id[:])
	binary.LittleEndian.PutUint32(b[56:], uint32(len(payload)))
	b = z.EncodeAll(payload, b)
	binary.LittleEndian.PutUint64(b[16:], xxhash.Sum64(b[24:]))
	return b, nil
}

var errPack = errors.New("unusable hot pack")

// decodePack returns the pack in b if it is one of the version ref. Memory is
// bounded whatever b claims.
func decodePack(ref store.Ref, size int64, b []byte) (*pack, error) {
	id := packID(ref, size)
	switch {
	case len(b) < packHeader || len(b) > MaxPack || string(b[:16]) != packMagic:
		return nil, fmt.Errorf("%w: no pack, or of another format", errPack)
	case binary.LittleEndian.Uint64(b[16:]) != xxhash.Sum64(b[24:]):
		return nil, fmt.Errorf("%w: checksum", errPack)
	case !bytes.Equal(b[24:56], id[:]):
		return nil, fmt.Errorf("%w: of another version", errPack)
	}
	n := binary.LittleEndian.Uint32(b[56:])
	if n > maxPayload {
		return nil, fmt.Errorf("%w: %d bytes", errPack, n)
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPayload), zstd.WithDecoderMaxWindow(maxPayload+maxPayload/8))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	payload, err := z.DecodeAll(b[packHeader:], make([]byte, 0, n))
	if err != nil || len(payload) != int(n) {
		return nil, fmt.Errorf("%w: %d bytes of %d, %v", errPack, len(payload), n, err)
	}
	return parsePack(size, payload)
}

// parsePack cuts a payload into its runs.
func parsePack(size int64, b []byte) (*pack, error) {
	take := func() int64 {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > maxSize {
			b = nil
			return -1
		}
		b = b[n:]
		return int64(v)
	}
	count := take()
	if count < 0 || count > maxPages {
		return nil, fmt.Errorf("%w: %d runs", errPack, count)
	}
	p, pages, next := &pack{}, (size+page-1)/page, int64(0)
	for range count {
		gap, n := take(), take()
		if gap < 0 || n <= 0 || gap > pages-next || n > min(pages-next-gap, maxPages) {
			return nil, fmt.Errorf("%w: pages outside the object", errPack)
		}
		off := (next + gap) * page
		next += gap + n
		p.runs = append(p.runs, pageRun{off: off, size: min(next*page, size) - off})
		p.size += min(next*page, size) - off
	}
	if int64(len(b)) != p.size {
		return nil, fmt.Errorf("%w: %d bytes for pages of %d", errPack, len(b), p.size)
	}
	for i := range p.runs {
		n := p.runs[i].size
		p.runs[i].data, b = b[:n:n], b[n:]
	}
	return p, nil
}

// find returns the run that has n bytes from off on, or nil.
func (p *pack) find(off, n int64) *pageRun {
	i, found := slices.BinarySearchFunc(p.runs, off, func(r pageRun, off int64) int { return cmp.Compare(r.off, off) })
	if !found {
		i--
	}
	if i < 0 || off+n > p.runs[i].off+p.runs[i].size {
		return nil
	}
	return &p.runs[i]
}

// has reports whether the pack has n bytes from off on.
func (p *pack) has(off, n int64) bool { return p.find(off, n) != nil }

// read fills dst with the bytes from off on if the pack has all of them.
func (p *pack) read(dst []byte, off int64) bool {
	r := p.find(off, int64(len(dst)))
	if r == nil {
		return false
	}
	copy(dst, r.data[off-r.off:])
	return true
}

// ranges returns what the pack has.
func (p *pack) ranges() (all []Range) {
	for _, r := range p.runs {
		all = append(all, Range{r.off, r.size})
	}
	return all
}
