package cache

import (
	"io"
	"maps"
	"os"
	"slices"
	"testing"
	"time"
)

// readyCache returns a cache that keeps ready buffers for an hour, and a handle that has been
// read sequentially up to off. The read-ahead starting at off is stored and in memory.
func readyCache(t *testing.T) (c *Cache, f *File, off int64) {
	const size = 64 << 20
	c = open(t, options(t, &source{size: size}))
	c.ready.maxAge = time.Hour
	f = openFile(t, c, "a", size)
	for ; off < 4<<20; off += 128 * kib {
		check(t, f, off, 128*kib)
	}
	waitStored(c)
	if buffered(c) == 0 {
		t.Fatal("nothing is kept in memory")
	}
	return c, f, off
}

// waitStored waits until everything fetched is stored.
func waitStored(c *Cache) {
	for anyFetching(c) || c.n.InFlight.Load() > 0 {
		time.Sleep(time.Microsecond) // wait for goroutines that are still storing blocks
	}
}

// anyFetching reports whether any fetch is unfinished, including one whose goroutine has not
// started.
func anyFetching(c *Cache) bool {
	c.mu.Lock()
	versions := slices.Collect(maps.Values(c.versions))
	c.mu.Unlock()
	for _, o := range versions {
		o.mu.Lock()
		for _, f := range o.fetches {
			if f.state == fetching {
				o.mu.Unlock()
				return true
			}
		}
		o.mu.Unlock()
	}
	return false
}

// ruin overwrites the data file of f.
func ruin(t *testing.T, f *File) {
	t.Helper()
	p, err := f.o.c.disk.files.Acquire(&f.o.Version)
	if err != nil {
		t.Fatal(err)
	}
	defer f.o.c.disk.files.Release(p)
	data, err := os.OpenFile(p.Data().Name(), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	junk := make([]byte, 1<<20)
	for i := range junk {
		junk[i] = 0xa5
	}
	for off := int64(0); off < f.o.Size; off += int64(len(junk)) {
		if _, err := data.WriteAt(junk, off); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReaderInSequenceIsServedFromMemory(t *testing.T) {
	c, f, off := readyCache(t)
	ruin(t, f)
	before := c.Stats()
	check(t, f, off, 128*kib)
	data, giveBack, err := f.Lend(t.Context(), make([]byte, 100), off+128*kib)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, f, data, off+128*kib)
	giveBack()
	if s := c.Stats(); s.Corrupt != 0 || s.Misses != before.Misses {
		t.Errorf("the disk was asked: %+v", s)
	}
	for c.ready.releaseAll() {
	}
	check(t, f, off, 128*kib) // fetched from the source again
	if s := c.Stats(); s.Corrupt == 0 {
		t.Errorf("the disk was not asked: %+v", s)
	}
}

// TestReadyBuffersGoWhenTheyAreRead reads to the end and checks that no buffers are kept,
// although the handle stays open.
func TestReadyBuffersGoWhenTheyAreRead(t *testing.T) {
	c, f, off := readyCache(t)
	for ; off < f.o.Size; off += 128 * kib {
		check(t, f, off, 128*kib)
		waitStored(c)
	}
	if n := buffered(c); n != 0 {
		t.Errorf("%d bytes in memory", n)
	}
}

func TestReadyBuffersGoWithTheHandle(t *testing.T) {
	c, f, _ := readyCache(t)
	f.Close()
	if n := buffered(c); n != 0 {
		t.Errorf("%d bytes in memory", n)
	}
}

func TestReadyBuffersGoAfterAWhile(t *testing.T) {
	c := open(t, options(t, &source{size: 64 << 20}))
	c.ready.maxAge = time.Nanosecond
	f := openFile(t, c, "a", 64<<20)
	for off := int64(0); off < 4<<20; off += 128 * kib {
		check(t, f, off, 128*kib)
	}
	for buffered(c) > 0 {
		time.Sleep(time.Microsecond) // wait for the timers
	}
}

// TestReadyBuffersYieldToDemand reads while ready buffers hold all the remaining memory.
func TestReadyBuffersYieldToDemand(t *testing.T) {
	c, f, _ := readyCache(t)
	rest := c.limiter.maxBytes - buffered(c)
	c.limiter.charge(rest)
	check(t, f, 50<<20, 4096) // would block if the buffers were not released
	c.limiter.free(rest)
}

// TestLentBytesStay closes the handle and uses all the memory while bytes are lent.
func TestLentBytesStay(t *testing.T) {
	c, f, off := readyCache(t)
	data, giveBack, err := f.Lend(t.Context(), make([]byte, 64*kib), off)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	c.ready.releaseAll()
	other := openFile(t, c, "b", 32<<20)
	for off := int64(0); off < 32<<20; off += 128 * kib {
		check(t, other, off, 128*kib) // would overwrite the buffer if it were reused
	}
	compare(t, f, data, off)
	giveBack()
	other.Close()
	settle(t, c)
}

// TestLendIsReadAt checks that Lend behaves like ReadAt when nothing is in memory.
func TestLendIsReadAt(t *testing.T) {
	const size = 200 * kib
	c := open(t, options(t, &source{size: size}))
	f := openFile(t, c, "a", size)
	for _, tc := range []struct {
		off  int64
		n    int
		want int
		err  error
	}{{0, 10, 10, nil}, {size - 5, 10, 5, io.EOF}, {size, 1, 0, io.EOF}, {100 * kib, 50 * kib, 50 * kib, nil}, {0, 0, 0, nil}} {
		data, giveBack, err := f.Lend(t.Context(), make([]byte, tc.n), tc.off)
		if len(data) != tc.want || err != tc.err {
			t.Errorf("%d at %d: %d, %v", tc.n, tc.off, len(data), err)
		}
		compare(t, f, data, tc.off)
		giveBack()
	}
}
