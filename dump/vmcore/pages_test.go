package vmcore

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// pagePackers compress a page as makedumpfile does, by flag.
var pagePackers = map[uint32]func(page []byte) []byte{
	0: bytes.Clone,
	pageZlib: func(page []byte) []byte {
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		w.Write(page)
		w.Close()
		return b.Bytes()
	},
	pageSnappy: func(page []byte) []byte { return snappy.Encode(nil, page) },
	pageZstd: func(page []byte) []byte {
		w, _ := zstd.NewWriter(nil)
		return w.EncodeAll(page, nil)
	},
}

// buildPages returns the pages pfns, each filled with its number, in the format of makedumpfile.
func buildPages(pfns []uint64, flag uint32) (*Pages, []byte) {
	const bitmap, table = 100, 1 << 20
	order := binary.LittleEndian
	file := make([]byte, table+len(pfns)*pageDescSize)
	for i, pfn := range pfns {
		file[bitmap+pfn/8] |= 1 << (pfn % 8)
		page := bytes.Repeat(order.AppendUint64(nil, pfn), 512)
		packed := pagePackers[flag](page)
		desc := file[table+i*pageDescSize:]
		order.PutUint64(desc, uint64(len(file)))
		order.PutUint32(desc[8:], uint32(len(packed)))
		order.PutUint32(desc[12:], flag)
		file = append(file, packed...)
	}
	return &Pages{File: bytes.NewReader(file), Order: order, BlockSize: 4096, Bitmap: bitmap, BitmapLen: 900 << 10, Table: table}, file
}

func TestPages(t *testing.T) {
	t.Parallel()
	pfns := []uint64{0, 1, 7, 8, 300, 65536 * 8, 65536*8 + 3, 2*65536*8 - 1, 5*65536*8 + 100}
	for flag := range pagePackers {
		m, file := buildPages(pfns, flag)
		for i := len(pfns) - 1; i >= 0; i-- {
			var b [8]byte
			if err := m.ReadMemory(b[:], pfns[i]*4096+4088); err != nil || binary.LittleEndian.Uint64(b[:]) != pfns[i] {
				t.Errorf("compression %#x, page %d: % x, %v", flag, pfns[i], b, err)
			}
		}
		for _, pfn := range []uint64{2, 9, 299, 65536*8 + 1, 4 * 65536 * 8, 900 << 13, 1 << 51} {
			if err := m.ReadMemory(make([]byte, 1), pfn*4096); !errors.Is(err, ErrAbsent) {
				t.Errorf("page %d, which is not in the dump: %v", pfn, err)
			}
		}
		b := make([]byte, 8192)
		if err := m.ReadMemory(b, 7*4096); err != nil || b[0] != 7 || b[4096] != 8 {
			t.Errorf("two pages: %v", err)
		}
		if err := m.ReadMemory(b, 8*4096); !errors.Is(err, ErrAbsent) {
			t.Errorf("a page and one that is not in the dump: %v", err)
		}
		// Damaged data, and descriptors that say what cannot be.
		first := binary.LittleEndian.Uint64(file[m.Table:])
		for at, value := range map[uint64]byte{first: 0xff, first + 5: 0xff, m.Table + 10: 0xff, m.Table + 12: 0x3f, m.Table + 7: 0x80, m.Table + 6: 0x7f} {
			bad := bytes.Clone(file)
			bad[at] ^= value
			broken := *m
			broken.File, broken.pages = bytes.NewReader(bad), nil
			if err := broken.ReadMemory(b[:4096], 0); err == nil && flag != 0 || err != nil && !errors.Is(err, ErrAbsent) {
				t.Errorf("compression %#x, byte %d changed: %v", flag, at, err)
			}
		}
	}
	if err := (&Pages{BlockSize: 3}).ReadMemory(make([]byte, 1), 0); !errors.Is(err, ErrAbsent) {
		t.Error(err)
	}
}

func TestSegments(t *testing.T) {
	t.Parallel()
	file := []byte("0123456789abcdefghij")
	m := Segments(bytes.NewReader(file), []Segment{{100, 10, 4}, {104, 0, 4}, {102, 2, 1}, {103, 5, 8}, {200, 18, 10}, {1<<64 - 4, 0, 20}, {300, 1 << 63, 9}})
	for _, c := range []struct {
		addr uint64
		n    int
		want string
	}{
		{100, 4, "abcd"}, {100, 8, "abcd6789"}, {102, 1, "c"}, {108, 3, "abc"}, {200, 2, "ij"}, {1<<64 - 4, 3, "012"},
		{99, 1, ""}, {111, 1, ""}, {108, 4, ""}, {200, 3, ""}, {300, 1, ""}, {0, 1, ""}, {1<<64 - 4, 5, ""},
	} {
		b := make([]byte, c.n)
		err := m.ReadMemory(b, c.addr)
		if c.want == "" && !errors.Is(err, ErrAbsent) || c.want != "" && (err != nil || string(b) != c.want) {
			t.Errorf("%d bytes at %d: %q, %v, want %q", c.n, c.addr, b, err, c.want)
		}
	}
}
