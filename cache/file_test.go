package cache

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"thothfs/store"
)

func TestReadAtRules(t *testing.T) {
	const size = 300<<10 + 17
	c := open(t, options(t, &source{size: size}))
	f := openFile(t, c, "a", size)
	for _, tc := range []struct {
		off  int64
		n    int
		want int
		err  error
	}{
		{0, 10, 10, nil},
		{0, 0, 0, nil},
		{size - 1, 1, 1, nil},
		{size - 10, 11, 10, io.EOF},
		{size, 1, 0, io.EOF},
		{size, 0, 0, nil},
		{size + 5, 1, 0, io.EOF},
		{0, size + 1, size, io.EOF},
		{127 << 10, 2 << 10, 2 << 10, nil},
		{4095, 2, 2, nil},
		{-1, 1, 0, store.ErrInvalid},
	} {
		t.Run(fmt.Sprintf("%d at %d", tc.n, tc.off), func(t *testing.T) {
			for range 2 { // from the source, then from disk
				p := make([]byte, tc.n)
				n, err := f.ReadAt(t.Context(), p, tc.off)
				if n != tc.want || !errors.Is(err, tc.err) {
					t.Fatalf("got %d, %v; want %d, %v", n, err, tc.want, tc.err)
				}
				compare(t, f, p[:n], tc.off)
				settle(t, c)
			}
		})
	}
}

func TestEmptyAndInvalid(t *testing.T) {
	src := &source{}
	c := open(t, options(t, src))
	p := make([]byte, 1)
	for _, tc := range []struct {
		name string
		ref  store.Ref
		size int64
		want error
	}{
		{"empty", store.Ref{Key: "a", ETag: "1"}, 0, io.EOF},
		{"no version", store.Ref{Key: "a"}, 10, store.ErrInvalid},
		{"negative size", store.Ref{Key: "a", ETag: "1"}, -1, store.ErrInvalid},
		{"absurd size", store.Ref{Key: "a", ETag: "1"}, math.MaxInt64, store.ErrInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := c.Open(tc.ref, tc.size)
			if n, err := f.ReadAt(t.Context(), p, 0); n != 0 || !errors.Is(err, tc.want) {
				t.Errorf("got %d, %v", n, err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			if _, err := f.ReadAt(t.Context(), p, 0); tc.want == io.EOF && err != io.EOF {
				t.Error(err)
			}
			if err := f.Close(); !errors.Is(err, iofs.ErrClosed) {
				t.Errorf("second close: %v", err)
			}
		})
	}
	if src.count() != 0 {
		t.Errorf("%d requests", src.count())
	}
}

func TestHugeSizeIsServed(t *testing.T) {
	const size = 1 << 61 // more than any file system allows
	c := open(t, options(t, &source{size: size}))
	f := openFile(t, c, "a", size)
	for range 5 {
		check(t, f, 1<<60, 4096)
		check(t, f, size-100, 200)
		settle(t, c)
	}
	if s := c.Stats(); s.State != "normal" {
		t.Errorf("an absurd object made the cache %s", s.State)
	}
}

// TestOracle reads at random offsets from many goroutines, with several block sizes and with
// quotas down to less than one block.
func TestOracle(t *testing.T) {
	for _, block := range []int{4 << 10, 32 << 10, 128 << 10, 1 << 20} {
		for _, quota := range []int64{1, int64(block), 8 * int64(block), 1 << 30} {
			t.Run(fmt.Sprintf("block %d quota %d", block, quota), func(t *testing.T) {
				t.Parallel()
				oracle(t, block, quota)
			})
		}
	}
}

func oracle(t *testing.T, block int, quota int64) {
	const size = 3<<20 + 12345
	o := options(t, &source{size: size})
	o.BlockSize, o.Quota, o.Memory, o.Fetches = block, quota, 4<<20, 3
	c := open(t, o)
	var wg sync.WaitGroup
	for g := range 6 {
		f := openFile(t, c, fmt.Sprint("object", g%2), size)
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			next := int64(0)
			for range 40 {
				n := []int{1, 100, 4096, 10000, 128 << 10, 1 << 20}[r.IntN(6)]
				off := r.Int64N(size)
				if r.IntN(3) > 0 {
					off = next % size // sequential for a while
				}
				next = off + int64(n)
				check(t, f, off, n)
			}
		})
	}
	wg.Wait()
	settle(t, c)
}

func TestRemount(t *testing.T) {
	const size = 1<<20 + 5
	src := &source{size: size}
	o := options(t, src)
	c := open(t, o)
	f := openFile(t, c, "a", size)
	check(t, f, 0, size)
	settle(t, c)
	if c.Held(f.o.Ref) == 0 {
		t.Error("nothing held")
	}
	if got := c.Held(store.Ref{Key: "b", ETag: "1"}); got != 0 {
		t.Errorf("%d bytes held of what was never read", got)
	}
	c.Close()
	before := src.count()
	c = open(t, o)
	f = openFile(t, c, "a", size)
	check(t, f, 0, size)
	if src.count() != before {
		t.Errorf("%d requests after the remount", src.count()-before)
	}
	if s := c.Stats(); s.Hits != 9 || s.Misses != 0 || s.Corrupt != 0 {
		t.Errorf("%+v", s)
	}
	other := c.Open(store.Ref{Key: "a", ETag: "v2"}, size)
	defer other.Close()
	check(t, other, 0, 10)
	if src.count() != before+1 {
		t.Error("another version was served from this one")
	}
}

func TestNamespacesAreApart(t *testing.T) {
	src := &source{size: 4096}
	o := options(t, src)
	a := open(t, o)
	o.Namespace = "other"
	b := open(t, o)
	for _, c := range []*Cache{a, b} {
		check(t, openFile(t, c, "a", 4096), 0, 4096)
	}
	if src.count() != 2 {
		t.Errorf("%d requests, want 2", src.count())
	}
}
