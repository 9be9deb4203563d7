package cache

import (
	"context"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"thothfs/store"

	"thothfs/cache/hotpack"
)

// learned opens an object in a new cache and reads a page at each offset.
func learned(t *testing.T, src Source, size int64, packs *packStore, predicted hotpack.Range, offs []int64) Stats {
	t.Helper()
	o := options(t, src)
	o.Around = -1
	o.Predict = predicts(predicted)
	o.Hot, o.Learned = packs.hot, packs.learned
	c := open(t, o)
	defer c.Close()
	f := openFile(t, c, "a", size)
	must(t, f.Warm(t.Context()))
	for _, off := range offs {
		check(t, f, off, page)
	}
	f.Close()
	waitPublished(t, c)
	return c.Stats()
}

// TestWhatWasReadComesFirst predicts more than fits in a pack, and reads other pages.
func TestWhatWasReadComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 256 << 20
		src := &source{size: size}
		var packs packStore
		var offs []int64
		r := rand.New(rand.NewPCG(7, 7))
		for range 100 {
			offs = append(offs, 64<<20+r.Int64N(128<<20)/page*page)
		}
		table := hotpack.Range{Off: 1 << 20, Len: 20 << 20}
		first := learned(t, src, size, &packs, table, offs)
		second := learned(t, src, size, &packs, table, offs)
		third := learned(t, src, size, &packs, table, offs)
		if first.Misses < 50 || second.Misses != 0 || third.Misses != 0 {
			t.Errorf("%d misses, then %d, then %d", first.Misses, second.Misses, third.Misses)
		}
		if n := packs.puts.Load(); n != 1 {
			t.Errorf("%d packs were stored", n)
		}
	})
}

// TestFullPackIsNotStoredAgain reads more than fits in a pack, in a different order each time.
func TestFullPackIsNotStoredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 256 << 20
		src := &source{size: size}
		var packs packStore
		var offs []int64
		r := rand.New(rand.NewPCG(7, 7))
		for len(offs) < 1800 {
			if off := r.Int64N(size-page) / page * page; off/(300*kib)%3 != 1 { // not zeros
				offs = append(offs, off)
			}
		}
		learned(t, src, size, &packs, hotpack.Range{Off: 0, Len: page}, offs)
		before := *packs.pack.Load()
		if len(before) < hotpack.MaxSize/8*7 {
			t.Fatalf("a pack of %d bytes is not full", len(before))
		}
		offs[3], offs[1700] = offs[1700], offs[3]
		learned(t, src, size, &packs, hotpack.Range{Off: 0, Len: page}, offs)
		if n := packs.puts.Load(); n != 1 {
			t.Errorf("%d packs were stored", n)
		}
		r.Shuffle(len(offs), func(i, j int) { offs[i], offs[j] = offs[j], offs[i] })
		for i := range offs[:600] { // a completely different session
			offs[i] = (offs[i] + 90<<20) % (size - page)
		}
		learned(t, src, size, &packs, hotpack.Range{Off: 0, Len: page}, offs)
		if n := packs.puts.Load(); n != 2 {
			t.Errorf("%d packs were stored", n)
		}
	})
}

// TestRefusedPackIsFetchedOnce repeatedly opens a version whose pack belongs to another
// version.
func TestRefusedPackIsFetchedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 8 << 20
		src := &source{size: size}
		var asked, bytes atomic.Int64
		foreign := packA(t, size+1, hotpack.Range{Off: 0, Len: 100})
		o := options(t, src)
		o.Predict = predicts(hotpack.Range{Off: 0, Len: 100})
		o.Hot = func(context.Context, store.Ref, int64) ([]byte, error) {
			asked.Add(1)
			bytes.Add(int64(len(foreign)))
			return foreign, nil
		}
		c := open(t, o)
		for i := range int64(4) {
			f := openFile(t, c, "a", size)
			must(t, f.Warm(t.Context()))
			check(t, f, i<<20, page)
			f.Close()
			settle(t, c)
			f.o.Drop()
			must(t, os.RemoveAll(o.Dir)) // otherwise everything predicted would be cached
		}
		s := c.Stats()
		if asked.Load() != 1 || s.PacksRefused != 1 {
			t.Errorf("asked %d times, %d refused", asked.Load(), s.PacksRefused)
		}
		fetched := bytes.Load()
		for _, call := range src.calls {
			fetched += min(call.n, size-call.first)
		}
		if s.BytesFetched != fetched {
			t.Errorf("%d bytes fetched, but %d were counted", fetched, s.BytesFetched)
		}
	})
}
