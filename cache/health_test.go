package cache

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/store"
	"thothfs/store/mem"
	"thothfs/store/storetest"
)

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged strings.Builder
		h := &health{log: slog.New(slog.NewTextHandler(&logged, nil))}
		state := func(want string) {
			t.Helper()
			if h.String() != want {
				t.Errorf("after %v: %s, want %s", time.Now(), h, want)
			}
		}
		h.failed("write", syscall.EIO)
		time.Sleep(2 * time.Minute)
		h.failed("write", syscall.EIO)
		h.failed("write", syscall.EIO)
		state("normal") // the first is too old to count
		h.failed("write", syscall.EIO)
		state("degraded")
		if h.mayWrite() || !h.mayRead() {
			t.Error("no writes for a second, but reads")
		}
		time.Sleep(probeEvery)
		if !h.mayWrite() || h.mayWrite() {
			t.Error("one write a second")
		}
		h.succeeded()
		state("degraded") // one successful write proves nothing
		time.Sleep(50 * time.Second)
		h.failed("read", syscall.EIO)
		if h.mayRead() {
			t.Error("reads go on though they fail")
		}
		time.Sleep(59 * time.Second)
		if !h.mayWrite() {
			t.Error("no probe")
		}
		h.succeeded()
		state("degraded")
		time.Sleep(2 * time.Second)
		h.succeeded()
		state("normal")
		if !h.mayRead() || !h.mayWrite() {
			t.Error("not used again")
		}
		if n := strings.Count(logged.String(), "\n"); n != 2 {
			t.Errorf("%d lines logged, want one per change:\n%s", n, &logged)
		}
	})
}

// TestDiskFaults makes each kind of disk operation fail for a while. It checks that no reader
// is affected and that the cache recovers.
func TestDiskFaults(t *testing.T) {
	const size = 500*kib + 9
	for op, errnos := range map[string][]error{
		"open": {syscall.EROFS}, "header": {syscall.ENOSPC}, "write": {syscall.ENOSPC, syscall.EDQUOT}, "record": {syscall.EIO}, "read": {syscall.EIO},
	} {
		for _, errno := range errnos {
			t.Run(fmt.Sprint(op, " ", errno), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var broken atomic.Bool
					src := &source{size: size}
					o := options(t, src)
					o.fault = func(this string) error {
						if broken.Load() && this == op {
							return errno
						}
						return nil
					}
					c := open(t, o)
					check(t, openFile(t, c, "before", size), 0, size)
					settle(t, c)
					broken.Store(true)
					for i := range 6 {
						f := openFile(t, c, fmt.Sprint("new", i), size)
						check(t, f, 0, size)
						settle(t, c)
						check(t, f, 0, size)
						check(t, openFile(t, c, "before", size), 0, size)
						settle(t, c)
					}
					if s := c.Stats(); s.State != "degraded" || s.DiskErrors == 0 {
						t.Errorf("%+v", s)
					}
					before := src.count()
					check(t, openFile(t, c, "new5", size), 100, size-100)
					if src.count() != before {
						t.Error("not served from memory")
					}
					broken.Store(false)
					for i := range 70 {
						time.Sleep(time.Second)
						check(t, openFile(t, c, fmt.Sprint("later", i), size), 0, 10)
						settle(t, c)
					}
					if s := c.Stats(); s.State != "normal" {
						t.Errorf("%+v", s)
					}
					last := openFile(t, c, "last", size)
					check(t, last, 0, size)
					settle(t, c)
					if c.Held(last.o.Ref) == 0 {
						t.Error("not on disk again")
					}
				})
			})
		}
	}
}

// TestNthDiskFault makes the n-th disk operation fail, for every n.
func TestNthDiskFault(t *testing.T) {
	const size = 600 * kib
	for n := int64(1); ; n++ {
		var ops atomic.Int64
		o := options(t, &source{size: size})
		o.fault = func(string) error {
			if ops.Add(1) == n {
				return syscall.EIO
			}
			return nil
		}
		c := open(t, o)
		for range 2 {
			check(t, openFile(t, c, "a", size), 10, size)
			settle(t, c)
		}
		c.Close()
		o.fault = nil
		c = open(t, o)
		check(t, openFile(t, c, "a", size), 0, size)
		settle(t, c)
		c.Close()
		if ops.Load() < n {
			return
		}
	}
}

// TestFullDisk fills up a small file system.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m,mode=700"); err != nil {
		t.Skip("mounting a small tmpfs takes privileges: ", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	const size = 10 << 20
	for _, floor := range []int64{0, 1 - 1<<40} { // with and without the 5 % that are kept free
		o := options(t, &source{size: size})
		o.Dir, o.floor, o.Namespace = filepath.Join(dir, "cache"), floor, fmt.Sprint(floor)
		c := open(t, o)
		for i := range 3 {
			f := openFile(t, c, fmt.Sprint("a", i), size)
			check(t, f, 0, size)
			settle(t, c)
			check(t, f, 0, size)
			settle(t, c)
		}
		t.Logf("%+v", c.Stats())
		c.Close()
	}
}

func TestDirectoryRemoved(t *testing.T) {
	const size = 1 << 20
	o := options(t, &source{size: size})
	c := open(t, o)
	f := openFile(t, c, "a", size)
	check(t, f, 0, 300*kib)
	settle(t, c)
	must(t, os.RemoveAll(o.Dir))
	check(t, f, 0, size)
	check(t, openFile(t, c, "b", size), 0, size)
	settle(t, c)
	if c.Held(openFile(t, c, "b", size).o.Ref) == 0 {
		t.Error("the directory was not made again")
	}
	must(t, os.RemoveAll(filepath.Dir(o.Dir)))
	for i := range 5 {
		check(t, openFile(t, c, fmt.Sprint("c", i), size), 0, size)
		settle(t, c)
	}
	if s := c.Stats(); s.State != "degraded" {
		t.Errorf("%+v", s)
	}
	if _, err := os.Stat(filepath.Dir(o.Dir)); err == nil {
		t.Error("the directory above was made again")
	}
	check(t, f, 0, size)
	settle(t, c)
}

// TestUnlinkedFilesAreLeft checks that the cache stops using unlinked files within a minute.
func TestUnlinkedFilesAreLeft(t *testing.T) {
	const size = 1 << 20
	c := open(t, options(t, &source{size: size}))
	f := openFile(t, c, "a", size)
	check(t, f, 0, size)
	settle(t, c)
	must(t, os.Remove(localPath(c, "a")+".map"), os.Remove(localPath(c, "a")+".data"))
	f.o.lastTouch.Store(0)
	check(t, f, 0, size)
	check(t, f, 0, size)
	settle(t, c)
	if c.Held(f.o.Ref) == 0 {
		t.Error("still using files without names")
	}
}

// TestSourceFaults reads from several goroutines while the n-th request fails, once or
// permanently, for every n and each kind of fault.
func TestSourceFaults(t *testing.T) {
	const size = 700 * kib
	data := make([]byte, size)
	fill("a", data, 0)
	storetest.Faults(t, storetest.AllFaults(), func(t *testing.T, arm func(*mem.Faulty)) {
		m := mem.New()
		attr := m.Set("a", data)
		o := options(t, m)
		o.Memory = 512 * kib // so that there are several requests
		c := open(t, o)
		f := c.Open(store.Ref{Key: "a", ETag: attr.ETag}, size)
		defer f.Close()
		arm(m.Faulty)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				p := make([]byte, size)
				n, err := f.ReadAt(t.Context(), p, 0)
				if err != nil && store.Kind(err) == nil {
					t.Errorf("not an error of the store: %v", err)
				}
				compare(t, f, p[:n], 0)
			})
		}
		wg.Wait()
		settle(t, c)
		m.Heal()
		check(t, f, 0, size)
		settle(t, c)
		c.Close()
		c = open(t, o)
		g := c.Open(f.o.Ref, size)
		defer g.Close()
		check(t, g, 0, size)
		settle(t, c)
	})
}
