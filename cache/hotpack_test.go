package cache

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/cespare/xxhash/v2"

	"thothfs/store"
)

// content is the object "a" as a local file.
func content(size int64) io.ReaderAt {
	return readerAt(func(p []byte, off int64) (int, error) {
		return (&source{size: size}).ReadAt(context.Background(), store.Ref{Key: "a"}, p, off)
	})
}

var refA = store.Ref{Key: "a", ETag: "v1"}

func packA(t *testing.T, size int64, ranges ...Range) []byte {
	t.Helper()
	b, err := EncodePack(refA, size, content(size), ranges, 0)
	must(t, err)
	return b
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
			b, err := EncodePack(refA, size, content(size), tc.ranges, tc.around)
			must(t, err)
			p, err := decodePack(refA, size, b)
			must(t, err)
			got := p.ranges()
			if len(got) != len(tc.runs) {
				t.Fatalf("runs %v, want %v", got, tc.runs)
			}
			for i, r := range tc.runs {
				want := make([]byte, r.Len)
				fill("a", want, r.Off)
				if got[i] != r || !bytes.Equal(p.runs[i].data, want) {
					t.Errorf("run %v, want %v", got[i], r)
				}
			}
		})
	}
	if _, err := EncodePack(refA, size, bytes.NewReader(nil), []Range{{0, 1}}, 0); err == nil {
		t.Error("a source that ends early")
	}
}

// TestPackFits: a pack takes 4 MiB at most, however large and however bad to compress
// what it could hold, and drops the least certain first.
func TestPackFits(t *testing.T) {
	const size = 64 << 20
	noise := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	src := readerAt(func(p []byte, off int64) (int, error) { // the first half is noise, the other zeros
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
		b, err := EncodePack(refA, size, src, tc.ranges, 0)
		must(t, err)
		p, err := decodePack(refA, size, b)
		must(t, err)
		if len(b) > MaxPack || p.size < tc.least || p.size > 24<<20 || !p.has(tc.has.Off, tc.has.Len) {
			t.Errorf("%s: a pack of %d bytes has %d of pages, %v", name, len(b), p.size, p.ranges())
		}
	}
}

// TestHostilePacks are ignored, and cost no memory.
func TestHostilePacks(t *testing.T) {
	const size = 4 << 20
	good := packA(t, size, Range{0, 100 << 10}, Range{1 << 20, 4096})
	seal := func(b []byte) []byte {
		binary.LittleEndian.PutUint64(b[16:], xxhash.Sum64(b[24:]))
		return b
	}
	change := func(i int, to byte) []byte {
		b := bytes.Clone(good)
		b[i] = to
		return b
	}
	bomb := seal(append(bytes.Clone(good[:packHeader]), zeros(1<<30)...))
	for name, b := range map[string][]byte{
		"empty":           nil,
		"short":           good[:packHeader-1],
		"cut":             good[:len(good)-1],
		"longer":          append(bytes.Clone(good), 0),
		"flipped":         change(len(good)-3, good[len(good)-3]^1),
		"other format":    change(11, '2'),
		"other version":   seal(change(30, good[30]^1)),
		"claims too much": seal(change(59, 0xff)),
		"claims more":     seal(change(56, good[56]+1)),
		"not zstd":        seal(change(packHeader, 0)),
		"bomb":            bomb,
		"too long":        seal(append(bytes.Clone(good[:packHeader]), make([]byte, MaxPack)...)),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := decodePack(refA, size, b); !errors.Is(err, errPack) {
				t.Errorf("taken: %v", err)
			}
			o := options(t, &source{size: size})
			o.Hot = func(context.Context, store.Ref, int64) ([]byte, error) { return b, nil }
			c := open(t, o)
			f := openFile(t, c, "a", size)
			must(t, f.Warm(t.Context()))
			check(t, f, 0, size)
			settle(t, c)
			if s := c.Stats(); s.PacksRefused != 1 || s.Packs != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
	for _, other := range []store.Ref{{Key: "a", ETag: "v2"}, {Key: "b", ETag: "v1"}} {
		if _, err := decodePack(other, size, good); err == nil {
			t.Errorf("taken for %v", other)
		}
	}
	if _, err := decodePack(refA, size+1, good); err == nil {
		t.Error("taken for another size")
	}
}

// zeros is a zstd frame, without a size, of n zeros.
func zeros(n int) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0x58} // no content size, window of 2 MiB
	for ; n > 0; n -= 128 << 10 {
		last := uint32(0)
		if n <= 128<<10 {
			last = 1
		}
		h := last | 1<<1 | (128<<10)<<3 // a block of one byte, repeated
		b = append(b, byte(h), byte(h>>8), byte(h>>16), 0)
	}
	return b
}

func FuzzPack(f *testing.F) {
	const size = 1 << 20
	f.Add([]byte{1, 0, 1, 5}, int64(1))
	f.Add([]byte{2, 0, 1, 3, 1}, int64(30000))
	f.Add(binary.AppendUvarint([]byte{1}, math.MaxUint64), int64(size))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		if size <= 0 || size > maxSize {
			return
		}
		p, err := parsePack(size, b)
		if err != nil {
			return
		}
		end := int64(0)
		for _, r := range p.runs {
			if r.off < end || r.size <= 0 || r.off+r.size > size || int64(len(r.data)) != r.size {
				t.Errorf("run of %d at %d after %d", r.size, r.off, end)
			}
			end = r.off + r.size
		}
	})
}
