package cache

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/cespare/xxhash/v2"

	"thothfs/store"

	"thothfs/cache/hotpack"
)

// content returns a reader of the object "a".
func content(size int64) io.ReaderAt {
	return readerAt(func(p []byte, off int64) (int, error) {
		return (&source{size: size}).ReadAt(context.Background(), store.Ref{Key: "a"}, p, off)
	})
}

var refA = store.Ref{Key: "a", ETag: "v1"}

func packA(t *testing.T, size int64, ranges ...hotpack.Range) []byte {
	t.Helper()
	b, err := hotpack.Encode(refA, size, content(size), ranges, 0, false)
	must(t, err)
	return b
}

// TestHostilePacks checks that malformed packs are ignored and take no memory.
func TestHostilePacks(t *testing.T) {
	const size = 4 << 20
	good := packA(t, size, hotpack.Range{Off: 0, Len: 100 << 10}, hotpack.Range{Off: 1 << 20, Len: 4096})
	withSum := func(b []byte) []byte {
		binary.LittleEndian.PutUint64(b[16:], xxhash.Sum64(b[24:]))
		return b
	}
	change := func(i int, to byte) []byte {
		b := bytes.Clone(good)
		b[i] = to
		return b
	}
	bomb := withSum(append(bytes.Clone(good[:60]), zeros(1<<30)...))
	for name, b := range map[string][]byte{
		"empty":           nil,
		"short":           good[:60-1],
		"cut":             good[:len(good)-1],
		"longer":          append(bytes.Clone(good), 0),
		"flipped":         change(len(good)-3, good[len(good)-3]^1),
		"other format":    change(11, '2'),
		"other version":   withSum(change(30, good[30]^1)),
		"claims too much": withSum(change(59, 0xff)),
		"claims more":     withSum(change(56, good[56]+1)),
		"not zstd":        withSum(change(60, 0)),
		"bomb":            bomb,
		"too long":        withSum(append(bytes.Clone(good[:60]), make([]byte, hotpack.MaxSize)...)),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := hotpack.Decode(refA, size, b); !errors.Is(err, hotpack.ErrUnusable) {
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
		if _, err := hotpack.Decode(other, size, good); err == nil {
			t.Errorf("taken for %v", other)
		}
	}
	if _, err := hotpack.Decode(refA, size+1, good); err == nil {
		t.Error("taken for another size")
	}
}

// zeros returns a zstd frame of n zeros that does not contain its size.
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
