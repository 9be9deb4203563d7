package hotpack

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"thothfs/store"
)

var refA = store.Ref{Key: "a", ETag: "v1"}

// reader is a function that implements io.ReaderAt.
type reader func(p []byte, off int64) (int, error)

func (r reader) ReadAt(p []byte, off int64) (int, error) { return r(p, off) }

// content returns an object of size bytes.
func content(size int64) io.ReaderAt {
	return reader(func(p []byte, off int64) (int, error) {
		n := max(0, min(int64(len(p)), size-off))
		for i := range p[:n] {
			p[i] = byte((off + int64(i)) * 0x9e3779b97f4a7c >> 16)
		}
		if n < int64(len(p)) {
			return int(n), io.EOF
		}
		return int(n), nil
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPackFormat(t *testing.T) {
	const size = 20<<20 + 1234
	for _, tc := range []struct {
		name   string
		ranges []Range
		around int64
		runs   []Range
	}{
		{"nothing", nil, 0, nil},
		{"a byte", []Range{{5000, 1}}, 0, []Range{{4096, 4096}}},
		{"the end", []Range{{size - 1, 100}}, 0, []Range{{20 << 20, 1234}}},
		{"merged", []Range{{9000, 4096}, {0, 10}, {4096, 1}}, 0, []Range{{0, 16384}}},
		{"around", []Range{{1 << 20, 1}, {0, 1}}, 8192, []Range{{0, 12288}, {1<<20 - 8192, 5 * 4096}}},
		{"outside", []Range{{-5, 3}, {size, 1}, {0, -1}, {math.MaxInt64, math.MaxInt64}, {size - 100, math.MaxInt64}}, 0, []Range{{20 << 20, 1234}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, err := Encode(refA, size, content(size), tc.ranges, tc.around, false)
			must(t, err)
			p, err := Decode(refA, size, b)
			must(t, err)
			got := ranges(p)
			if len(got) != len(tc.runs) {
				t.Fatalf("runs %v, want %v", got, tc.runs)
			}
			for i, r := range tc.runs {
				want := make([]byte, r.Len)
				_, _ = content(size).ReadAt(want, r.Off)
				if got[i] != r || !bytes.Equal(p.Runs[i].Data, want) {
					t.Errorf("run %v, want %v", got[i], r)
				}
			}
		})
	}
	if _, err := Encode(refA, size, bytes.NewReader(nil), []Range{{0, 1}}, 0, false); err == nil {
		t.Error("a source that ends early")
	}
}

// TestPackFits checks that a pack is at most 4 MiB, however poorly its pages compress, and that
// the last ranges are dropped first.
func TestPackFits(t *testing.T) {
	const size = 64 << 20
	noise := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	src := reader(func(p []byte, off int64) (int, error) { // the first half is noise, the second zeros
		clear(p)
		for n := int64(0); off+n < size/2 && n < int64(len(p)); n++ {
			p[n] = noise[(off+n+(off+n)>>20*37)%int64(len(noise))]
		}
		return len(p), nil
	})
	for name, tc := range map[string]struct {
		ranges []Range
		has    Range
		least  int64
	}{
		"noise":        {[]Range{{20 << 20, 100}, {0, 16 << 20}}, Range{20 << 20, 4096}, 3 << 20},
		"zeros":        {[]Range{{60 << 20, 100}, {32 << 20, 40 << 20}}, Range{60 << 20, 4096}, 24 << 20},
		"some of each": {[]Range{{40 << 20, 16 << 20}, {0, 16 << 20}}, Range{40 << 20, 16 << 20}, 18 << 20},
	} {
		b, err := Encode(refA, size, src, tc.ranges, 0, false)
		must(t, err)
		p, err := Decode(refA, size, b)
		must(t, err)
		if len(b) > MaxSize || p.Size < tc.least || p.Size > 24<<20 || !p.Has(tc.has.Off, tc.has.Len) {
			t.Errorf("%s: a pack of %d bytes has %d of pages, %v", name, len(b), p.Size, ranges(p))
		}
	}
}

func FuzzPack(f *testing.F) {
	const size = 1 << 20
	f.Add([]byte{1, 0, 1, 5}, int64(1))
	f.Add([]byte{2, 0, 1, 3, 1}, int64(30000))
	f.Add(binary.AppendUvarint([]byte{1}, math.MaxUint64), int64(size))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		if size <= 0 || size > maxObject {
			return
		}
		p, err := parse(size, b)
		if err != nil {
			return
		}
		end := int64(0)
		for _, r := range p.Runs {
			if r.Off < end || r.Len <= 0 || r.Off+r.Len > size || int64(len(r.Data)) != r.Len {
				t.Errorf("run of %d at %d after %d", r.Len, r.Off, end)
			}
			end = r.Off + r.Len
		}
	})
}

func ranges(p *Pack) (all []Range) {
	for _, r := range p.Runs {
		all = append(all, r.Range)
	}
	return all
}
