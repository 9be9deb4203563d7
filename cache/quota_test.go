package cache

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"thothfs/cache/blockfile"
	"thothfs/internal/filelock"
)

// usage returns the disk space used by the files under dir, in bytes.
func usage(t *testing.T, dir string) (n int64) {
	t.Helper()
	must(t, filepath.Walk(dir, func(_ string, st os.FileInfo, err error) error {
		if err == nil && st.Mode().IsRegular() {
			n += st.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil // files may disappear during the walk
	}))
	return n
}

// settleHouse waits until the housekeeper has nothing to do, and makes it measure and evict
// even if it has just found nothing to evict.
func settleHouse(t *testing.T, c *Cache) {
	t.Helper()
	settle(t, c)
	q := c.disk.quota
	must(t, q.measuring.Acquire(t.Context(), 1))
	defer q.measuring.Release(1)
	q.mu.Lock()
	q.futile = time.Time{}
	q.mu.Unlock()
	must(t, q.measure(t.Context(), 0))
}

func TestQuota(t *testing.T) {
	for _, tc := range []struct {
		name    string
		objects int
		size    int64
		quota   int64
	}{
		{"many files", 30, 1 << 20, 8 << 20},
		{"one file larger than the quota", 1, 40 << 20, 8 << 20},
		{"no room for a block", 3, 1 << 20, 64 * kib},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := options(t, &source{size: tc.size})
			o.Quota = tc.quota
			c := open(t, o)
			most := int64(0)
			for i := range tc.objects {
				f := openFile(t, c, fmt.Sprint(i), tc.size)
				for off := int64(0); off < tc.size; off += 1 << 20 {
					check(t, f, off, 1<<20)
					settle(t, c)
					most = max(most, usage(t, o.Dir))
				}
				f.Close()
			}
			s := c.Stats()
			t.Logf("at most %d of %d; %+v", most, tc.quota, s)
			if most > tc.quota+16*kib { // room for the tag and the directories
				t.Errorf("%d bytes on disk, quota %d", most, tc.quota)
			}
			if tc.quota > 1<<20 && (most < tc.quota/2 || s.FilesEvicted+s.BlocksEvicted == 0) {
				t.Errorf("%d bytes on disk: quota not used; %+v", most, s)
			}
		})
	}
}

// TestQuotaShared fills one directory from several caches at the same time. Each keeps most of
// its files open.
func TestQuotaShared(t *testing.T) {
	const size, quota = 6 << 20, 10 << 20
	o := options(t, &source{size: size})
	o.Quota = quota
	var wg sync.WaitGroup
	var caches []*Cache
	for range 3 {
		c := open(t, o)
		caches = append(caches, c)
		for i := range 3 {
			f := openFile(t, c, fmt.Sprintf("%p %d", c, i), size)
			wg.Go(func() { check(t, f, 0, size) })
		}
	}
	wg.Wait()
	for _, c := range caches {
		settleHouse(t, c)
	}
	if got := usage(t, o.Dir); got > quota+64*kib {
		t.Errorf("%d bytes on disk, quota %d", got, int64(quota))
	}
}

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	const size = 1 << 20
	o := options(t, &source{size: size})
	o.Quota = 3 << 20
	c := open(t, o)
	for i, age := range []time.Duration{time.Hour, 3 * time.Hour, 2 * time.Hour, -100 * time.Hour} {
		key := fmt.Sprint(i)
		f := openFile(t, c, key, size)
		check(t, f, 0, 128*kib)
		settle(t, c)
		f.Close()
		when := time.Now().Add(-age)
		must(t, os.Chtimes(localPath(c, key)+".map", when, when))
	}
	gone := func(key string) bool {
		_, err := os.Stat(localPath(c, key) + ".map")
		return os.IsNotExist(err)
	}
	for i, want := range []string{"3", "1", "2", "0"} { // file 3 is dated in the future
		if !gone(want) {
			q := c.disk.quota
			q.mu.Lock()
			q.limit = usage(t, filepath.Dir(filepath.Dir(localPath(c, "0")))) - 1
			q.mu.Unlock()
			settleHouse(t, c)
		}
		if !gone(want) {
			t.Fatalf("eviction %d: %s is still there", i, want)
		}
	}
}

func TestPinnedIsLeftWhole(t *testing.T) {
	const size = 1 << 20
	o := options(t, &source{size: size})
	c := open(t, o)
	f := openFile(t, c, "a", size)
	check(t, f, 0, size)
	settle(t, c)
	pin, err := os.Open(localPath(c, "a") + ".data")
	must(t, err)
	defer pin.Close()
	if filelock.TryLock(pin, filelock.Shared) != nil {
		t.Fatal("lock")
	}
	before := c.Held(f.o.Ref)
	c.disk.quota.mu.Lock()
	c.disk.quota.limit = 10
	c.disk.quota.mu.Unlock()
	settleHouse(t, c)
	if got := c.Held(f.o.Ref); got != before {
		t.Errorf("%d of %d bytes left while the file was open", got, before)
	}
	f.Close()
	settleHouse(t, c)
	if got := c.Held(f.o.Ref); got != before {
		t.Errorf("%d of %d bytes left", got, before)
	}
}

func TestRemainsAreCleared(t *testing.T) {
	const size = 1 << 20
	o := options(t, &source{size: size})
	c := open(t, o)
	check(t, openFile(t, c, "a", size), 0, size)
	settle(t, c)
	c.Close()
	path := localPath(c, "a")
	old := time.Now().Add(-time.Hour)
	foreign := filepath.Join(o.Dir, "ab", "notes.data")
	must(t, os.Remove(path+".map"), os.Chtimes(path+".data", old, old),
		os.Mkdir(filepath.Dir(foreign), 0o700), os.WriteFile(foreign, nil, 0o600), os.Chtimes(foreign, old, old))
	c = open(t, o)
	settleHouse(t, c)
	if _, err := os.Stat(path + ".data"); !os.IsNotExist(err) {
		t.Error("data without a map is still there")
	}
	must(t, func() error { _, err := os.Stat(foreign); return err }())
}

func TestDefaultQuota(t *testing.T) {
	o := options(t, &source{})
	o.Quota, o.floor = 0, 0
	c := open(t, o)
	size, _, err := diskSpace(o.Dir)
	must(t, err)
	q := c.disk.quota
	if q.limit != min(size/10, quotaMost) && q.limit != size/100*10 || q.floor != size/100*5 {
		t.Errorf("quota %d, floor %d on a disk of %d", q.limit, q.floor, size)
	}
}

// TestFilesStayFew reads more objects than the pool keeps open.
func TestFilesStayFew(t *testing.T) {
	const n = blockfile.MaxOpen + 50
	src := &source{size: 4096}
	c := open(t, options(t, src))
	files := make([]*File, n)
	for i := range files {
		files[i] = openFile(t, c, fmt.Sprint(i), 4096)
	}
	for range 2 {
		for _, f := range files {
			check(t, f, 0, 4096)
		}
	}
	settle(t, c)
	if s := c.Stats(); s.OpenFiles > 2*blockfile.MaxOpen || src.count() != n {
		t.Errorf("%d files open, %d requests", s.OpenFiles, src.count())
	}
	for _, f := range files {
		f.Close()
	}
	if s := c.Stats(); s.OpenFiles != 0 {
		t.Errorf("%d files open", s.OpenFiles)
	}
}
