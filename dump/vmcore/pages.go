package vmcore

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

const (
	pageDescSize = 24 // of struct page_desc in makedumpfile's diskdump_mod.h

	// Flags of a page.
	pageZlib   = 1
	pageLZO    = 2
	pageSnappy = 4
	pageZstd   = 0x20

	bitmapChunk = 64 << 10 // bytes of the bitmap that are read at a time
	// maxBitmap is the maximum number of bytes of the bitmap that are read, enough for 4 TiB.
	maxBitmap = 128 << 20
	// maxCachedPages is the number of pages that are kept.
	maxCachedPages = 256
	maxPage        = 64 << 10
)

// Pages is the physical memory in a file of makedumpfile or QEMU that is compressed page by
// page.
type Pages struct {
	File      io.ReaderAt
	Order     binary.ByteOrder
	BlockSize uint64 // size of a page in bytes
	Bitmap    uint64 // offset of the bitmap of dumped pages
	BitmapLen uint64 // in bytes
	Table     uint64 // offset of the page descriptors

	before []uint64 // number of dumped pages before each chunk of the bitmap that was read
	chunk  []byte   // the last chunk read
	at     int      // its number, plus 1; 0 if there is none
	pages  map[uint64][]byte
	zstd   *zstd.Decoder
}

// ReadMemory implements [Memory].
func (m *Pages) ReadMemory(p []byte, addr uint64) error {
	if m.BlockSize < 512 || m.BlockSize > maxPage || m.BlockSize&(m.BlockSize-1) != 0 {
		return fmt.Errorf("%w: pages of %d bytes", ErrAbsent, m.BlockSize)
	}
	for len(p) > 0 {
		page, err := m.page(addr / m.BlockSize)
		if err != nil {
			return err
		}
		n := copy(p, page[addr%m.BlockSize:])
		p, addr = p[n:], addr+uint64(n)
	}
	return nil
}

func (m *Pages) page(pfn uint64) ([]byte, error) {
	if page := m.pages[pfn]; page != nil {
		return page, nil
	}
	index, err := m.index(pfn)
	if err != nil {
		return nil, err
	}
	off := m.Table + index*pageDescSize
	if m.Table > math.MaxInt64 || off > math.MaxInt64 {
		return nil, absent(pfn * m.BlockSize)
	}
	desc := make([]byte, pageDescSize)
	if err := readFull(m.File, desc, int64(off)); err != nil {
		return nil, err
	}
	page, err := m.unpack(m.Order.Uint64(desc), m.Order.Uint32(desc[8:]), m.Order.Uint32(desc[12:]))
	if err != nil {
		return nil, fmt.Errorf("page frame %d: %w", pfn, err)
	}
	if m.pages == nil || len(m.pages) >= maxCachedPages {
		m.pages = map[uint64][]byte{}
	}
	m.pages[pfn] = page
	return page, nil
}

// index returns the number of dumped pages before a page, which must be dumped itself. Bits are
// stored from the lowest of each byte, whatever the byte order.
func (m *Pages) index(pfn uint64) (uint64, error) {
	if pfn/8 >= min(m.BitmapLen, maxBitmap) {
		return 0, absent(pfn * m.BlockSize)
	}
	chunk := int(pfn / 8 / bitmapChunk)
	if len(m.before) == 0 {
		m.before = []uint64{0}
	}
	for i := len(m.before) - 1; i < chunk; i++ {
		if err := m.readChunk(i); err != nil {
			return 0, err
		}
		m.before = append(m.before, m.before[i]+count(m.chunk))
	}
	if err := m.readChunk(chunk); err != nil {
		return 0, err
	}
	at := pfn/8 - uint64(chunk)*bitmapChunk
	last := m.chunk[at]
	if last>>(pfn%8)&1 == 0 {
		return 0, absent(pfn * m.BlockSize)
	}
	return m.before[chunk] + count(m.chunk[:at]) + uint64(bits.OnesCount8(last&(1<<(pfn%8)-1))), nil
}

func (m *Pages) readChunk(i int) error {
	if m.at == i+1 {
		return nil
	}
	start := uint64(i) * bitmapChunk
	b := make([]byte, min(bitmapChunk, m.BitmapLen-start))
	if m.Bitmap > math.MaxInt64-start {
		return absent(start)
	}
	m.at = 0
	if err := readFull(m.File, b, int64(m.Bitmap+start)); err != nil {
		return err
	}
	m.chunk, m.at = b, i+1
	return nil
}

func count(b []byte) (n uint64) {
	for ; len(b) >= 8; b = b[8:] {
		n += uint64(bits.OnesCount64(binary.NativeEndian.Uint64(b)))
	}
	for _, c := range b {
		n += uint64(bits.OnesCount8(c))
	}
	return n
}

// unpack reads the data of a page.
func (m *Pages) unpack(off uint64, size, flags uint32) ([]byte, error) {
	if off > math.MaxInt64 || uint64(size) > m.BlockSize {
		return nil, fmt.Errorf("%w: %d bytes at offset %d", ErrAbsent, size, off)
	}
	packed := make([]byte, size)
	if err := readFull(m.File, packed, int64(off)); err != nil {
		return nil, err
	}
	page := make([]byte, m.BlockSize)
	n, err := 0, error(nil)
	switch flags & (pageZlib | pageLZO | pageSnappy | pageZstd) {
	case 0:
		n = copy(page, packed)
	case pageZlib:
		n, err = inflate(page, packed)
	case pageLZO:
		n, err = unpackLZO(page, packed)
	case pageSnappy:
		n, err = unpackSnappy(page, packed)
	case pageZstd:
		n, err = m.unpackZstd(page, packed)
	default:
		err = fmt.Errorf("compression %#x is unknown", flags)
	}
	if err == nil && n < len(page) {
		err = fmt.Errorf("it has %d bytes of %d", n, len(page))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: damaged page: %w", ErrAbsent, err)
	}
	return page, nil
}

func inflate(page, packed []byte) (int, error) {
	r, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return 0, err
	}
	return io.ReadFull(r, page)
}

func unpackSnappy(page, packed []byte) (int, error) {
	if n, err := snappy.DecodedLen(packed); err != nil || n > len(page) {
		return 0, fmt.Errorf("%d bytes, %w", n, snappy.ErrCorrupt)
	}
	b, err := snappy.Decode(page, packed)
	return len(b), err
}

func (m *Pages) unpackZstd(page, packed []byte) (n int, err error) {
	if m.zstd == nil {
		if m.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPage)); err != nil {
			return 0, err
		}
	}
	b, err := m.zstd.DecodeAll(packed, page[:0])
	if err == nil && len(b) <= len(page) {
		copy(page, b)
	}
	return len(b), err
}
