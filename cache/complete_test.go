package cache

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/store"

	"thothfs/cache/hotpack"
)

// whole returns the content of the object "a" and its MD5.
func whole(size int64) ([]byte, []byte) {
	p := make([]byte, size)
	fill("a", p, 0)
	sum := md5.Sum(p)
	return p, sum[:]
}

// sameFile compares the local file of f with p.
func sameFile(t *testing.T, f *File, p []byte) {
	t.Helper()
	file, ok := f.LocalFile()
	if !ok {
		t.Fatal("no local file")
	}
	defer file.Release()
	got := make([]byte, len(p)+1)
	n, err := file.File().ReadAt(got, 0)
	if err != io.EOF || !bytes.Equal(got[:n], p) {
		t.Errorf("the local file has %d bytes, %v, or others", n, err)
	}
	if f.o.c.Stats().Pinned != 1 {
		t.Errorf("%d pinned", f.o.c.Stats().Pinned)
	}
}

func noFile(t *testing.T, f *File, why string) {
	t.Helper()
	if file, ok := f.LocalFile(); ok {
		file.Release()
		t.Errorf("a local file: %s", why)
	}
}

// progress returns how many bytes of the version are in full blocks on disk, and whether the
// version is complete and verified.
func progress(t *testing.T, f *File) (held int64, verified bool) {
	t.Helper()
	file, err := f.o.c.disk.files.Acquire(&f.o.Version)
	must(t, err)
	defer f.o.c.disk.files.Release(file)
	missing, err := file.MissingBytes()
	must(t, err)
	m, ok := file.Mark()
	return f.o.Size - missing, ok && missing == 0 && m.Valid(file, f.o.c.boot)
}

func TestComplete(t *testing.T) {
	const size = 5<<20 + 77
	data, sum := whole(size)
	src := &source{size: size}
	o := options(t, src)
	c := open(t, o)
	f := openFile(t, c, "a", size)
	noFile(t, f, "nothing is held")
	check(t, f, 1<<20, 300*kib)
	settle(t, c)
	noFile(t, f, "a part is held")
	if held, verified := progress(t, f); held < 384*kib || held > 512*kib || verified {
		t.Errorf("%d held, %v", held, verified)
	}
	f.Expect(sum)
	must(t, f.Complete(t.Context()))
	settle(t, c)
	if held, verified := progress(t, f); held != size || !verified {
		t.Errorf("%d held, %v", held, verified)
	}
	if s := c.Stats(); s.BytesFetched != size || s.Verified != 1 || s.Completed == 0 {
		t.Errorf("%+v", s)
	}
	sameFile(t, f, data)
	before := src.count()
	must(t, f.Complete(t.Context()))
	f.Close()
	noFile(t, f, "the handle is closed")
	if err := f.Complete(t.Context()); err == nil {
		t.Error("completed through a closed handle")
	}
	c.Close()

	c = open(t, o)
	f = openFile(t, c, "a", size)
	sameFile(t, f, data) // with no MD5 expected
	f.Expect(sum)
	sameFile(t, f, data)
	must(t, f.Complete(t.Context()))
	if s := c.Stats(); src.count() != before || s.Verified != 0 {
		t.Errorf("%d requests after the remount, %+v", src.count()-before, s)
	}
	c.boot++ // as after a reboot of the machine
	noFile(t, f, "verified before the machine was started")
	must(t, f.Complete(t.Context()))
	sameFile(t, f, data)
	if s := c.Stats(); src.count() != before || s.Verified != 1 {
		t.Errorf("%d requests, %+v", src.count()-before, s)
	}
	flip(t, localPath(c, "a")+".map", recordOffset(128*kib, 3)+20)
	flip(t, localPath(c, "a")+".data", 1<<20)
	noFile(t, f, "the data file was written to")
	must(t, f.Complete(t.Context()))
	sameFile(t, f, data)
	if s := c.Stats(); src.count() == before || s.Corrupt != 1 || s.Changed != 1 {
		t.Errorf("%d requests, %+v", src.count()-before, s)
	}
}

func TestCompleteIsCompared(t *testing.T) {
	const size = 2<<20 + 5
	data, sum := whole(size)
	o := options(t, &source{size: size})
	c := open(t, o)
	f := openFile(t, c, "a", size)
	wrong := bytes.Clone(sum)
	wrong[0]++
	f.Expect(wrong)
	f.Expect([]byte("no MD5"))
	if err := f.Complete(t.Context()); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	settle(t, c)
	noFile(t, f, "it differs")
	if held, _ := progress(t, f); held != 0 || c.Held(f.o.Ref) != 0 || c.Stats().Mismatched != 1 {
		t.Errorf("%d held, %+v", held, c.Stats())
	}
	f.Expect(sum)
	must(t, f.Complete(t.Context()))
	sameFile(t, f, data)
	f.Expect(wrong)
	noFile(t, f, "another MD5 is expected")
}

// TestCompleteIsComparedWithItsMark checks that a version without an expected MD5 is compared with
// the sum in its mark when the mark is due for renewal.
func TestCompleteIsComparedWithItsMark(t *testing.T) {
	const size = 2<<20 + 5
	c := open(t, options(t, &source{size: size}))
	f := openFile(t, c, "a", size)
	must(t, f.Complete(t.Context()))
	settle(t, c)
	p, err := c.disk.files.Acquire(&f.o.Version)
	must(t, err)
	defer c.disk.files.Release(p)
	m, ok := p.Mark()
	if !ok {
		t.Fatal("a complete version has no mark")
	}
	m.Checked -= int64(verifyEvery/time.Second) + 1
	must(t, p.WriteMark(m), f.Complete(t.Context()))
	if n := c.Stats().Mismatched; n != 0 {
		t.Errorf("the sum of the content does not match its own mark: %d", n)
	}
	m.Sum[0]++
	must(t, p.WriteMark(m))
	if err := f.Complete(t.Context()); !errors.Is(err, store.ErrCorrupt) || c.Stats().Mismatched != 1 {
		t.Errorf("got %v, %+v", err, c.Stats())
	}
}

// TestPackIsNotPartOfACompleteVersion completes a version that was read from a pack with wrong
// content.
func TestPackIsNotPartOfACompleteVersion(t *testing.T) {
	const size = 2 << 20
	data, sum := whole(size)
	o := options(t, &source{size: size})
	lie, err := hotpack.Encode(refA, size, bytes.NewReader(make([]byte, size)), []hotpack.Range{{Off: 0, Len: 1 << 20}}, 0, false)
	must(t, err)
	o.Hot = func(context.Context, store.Ref, int64) ([]byte, error) { return lie, nil }
	c := open(t, o)
	f := openFile(t, c, "a", size)
	must(t, f.Warm(t.Context()))
	f.Expect(sum)
	must(t, f.Complete(t.Context()))
	sameFile(t, f, data)
	check(t, f, 0, size)
}

func TestCompleteFaults(t *testing.T) {
	const size = 3 << 20
	var fail atomic.Bool
	src := &source{size: size, hook: func(_ context.Context, off int64, _ int) error {
		if fail.Load() && off >= 1<<20 {
			return &store.Error{Op: "read", Key: "a", Kind: store.ErrUnavailable}
		}
		return nil
	}}
	c := open(t, options(t, src))
	f := openFile(t, c, "a", size)
	fail.Store(true)
	if err := f.Complete(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	settle(t, c)
	if held, _ := progress(t, f); held != 1<<20 {
		t.Errorf("%d held", held)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	fail.Store(false)
	if err := f.Complete(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	large := c.Open(store.Ref{Key: "large", ETag: "v1"}, 1<<40)
	defer large.Close()
	if err := large.Complete(t.Context()); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	must(t, f.Complete(t.Context()))
	settle(t, c)
	if s := c.Stats(); s.InFlight != 0 || s.BufferedBytes != 0 {
		t.Errorf("%+v", s)
	}
}

// TestPinned makes another cache evict all it can while the file is pinned.
func TestPinned(t *testing.T) {
	const size = 2 << 20
	data, sum := whole(size)
	o := options(t, &source{size: size})
	c := open(t, o)
	f := openFile(t, c, "a", size)
	f.Expect(sum)
	must(t, f.Complete(t.Context()))
	settle(t, c)
	file, ok := f.LocalFile()
	if !ok {
		t.Fatal("no local file")
	}
	f.Close()
	c.Close() // the pin outlives the handle and the cache
	o.Quota = 1
	other := open(t, o)
	limit := func(n int64) {
		q := other.disk.quota
		q.mu.Lock()
		defer q.mu.Unlock()
		q.limit = n
	}
	evict := func() {
		settle(t, other)
		q := other.disk.quota
		must(t, q.measuring.Acquire(t.Context(), 1))
		defer q.measuring.Release(1)
		q.mu.Lock()
		q.futile = time.Time{} // otherwise the next eviction would wait a second
		q.mu.Unlock()
		must(t, q.measure(t.Context(), 0))
	}
	evict()
	g := openFile(t, other, "a", size)
	sameFile(t, g, data)
	check(t, g, 0, size)
	settle(t, other)
	evict()
	got := make([]byte, size)
	if n, err := file.File().ReadAt(got, 0); n != size || err != nil && err != io.EOF || !bytes.Equal(got, data) {
		t.Errorf("%d, %v or other bytes", n, err)
	}
	wrong := openFile(t, other, "a", size)
	wrong.Expect(make([]byte, 16))
	limit(1 << 30)
	if err := wrong.Complete(t.Context()); !errors.Is(err, store.ErrCorrupt) { // discards the file, but does not punch it
		t.Error(err)
	}
	if n, err := file.File().ReadAt(got, 0); n != size || err != nil && err != io.EOF || !bytes.Equal(got, data) {
		t.Errorf("%d, %v or other bytes", n, err)
	}
	file.Release()
	file.Release()
	g.Close()
	wrong.Close()
	limit(1)
	evict()
	if _, err := os.Stat(localPath(other, "a") + ".data"); !os.IsNotExist(err) {
		t.Errorf("still there after the release: %v", err)
	}
}

// TestMappingOutlivesEviction maps a local file, as the kernel does for a program that maps a
// passthrough file. It evicts the file after its release, while it is still read through the
// cache.
func TestMappingOutlivesEviction(t *testing.T) {
	const size = 2 << 20
	data, sum := whole(size)
	src := &source{size: size}
	c := open(t, options(t, src))
	f := openFile(t, c, "a", size)
	f.Expect(sum)
	must(t, f.Complete(t.Context()))
	settle(t, c)
	file, ok := f.LocalFile()
	if !ok {
		t.Fatal("no local file")
	}
	kernels, err := os.Open(file.File().Name()) // the kernel opens the file again, without a lock
	must(t, err)
	mapped, err := unix.Mmap(int(kernels.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	must(t, err)
	defer unix.Munmap(mapped)
	kernels.Close()
	file.Release()
	check(t, f, 0, 4096)
	q := c.disk.quota
	q.mu.Lock()
	q.limit, q.futile = 1, time.Time{}
	q.mu.Unlock()
	settleHouse(t, c)
	if c.Held(f.o.Ref) != 0 {
		t.Fatal("nothing was evicted")
	}
	if !bytes.Equal(mapped, data) {
		t.Error("the mapping has other bytes than before")
	}
	q.mu.Lock()
	q.limit = 1 << 30
	q.mu.Unlock()
	before := src.count()
	check(t, f, 0, size)
	settle(t, c)
	if src.count() == before {
		t.Error("nothing was fetched again")
	}
	if !bytes.Equal(mapped, data) {
		t.Error("the mapping has other bytes after the file was made again")
	}
	must(t, f.Complete(t.Context()))
	sameFile(t, f, data)
}

// TestCompletionInTheBackground checks that completion waits until the link is idle, uses only
// its share, yields to readers, and ends with the last handle.
func TestCompletionInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 40 << 20
		var now atomic.Int64
		src := &source{size: size, hook: func(ctx context.Context, off int64, n int) error {
			now.Add(1)
			defer now.Add(-1)
			return until(ctx, time.Now().Add(80*time.Millisecond))
		}}
		o := options(t, src)
		o.Complete, o.Share = CompleteIdle, 25
		c := open(t, o)
		f := openFile(t, c, "a", size)
		check(t, f, 0, 10)
		for range 10 {
			time.Sleep(idleAfter / 2)
			check(t, f, 5<<20+c.Stats().Fetches*256*kib, 10)
		}
		if s := c.Stats(); s.Completed != 0 {
			t.Errorf("not idle, but %d blocks completed", s.Completed)
		}
		time.Sleep(idleAfter + pollEvery + 3*80*time.Millisecond)
		if s := c.Stats(); s.Completed == 0 || s.Completed > 8 || now.Load() != 0 {
			t.Errorf("%d blocks completed, %d requests under way", s.Completed, now.Load())
		}
		f.Close()
		synctest.Wait()
		settle(t, c)
		before := src.count()
		time.Sleep(time.Minute)
		if s := c.Stats(); src.count() != before || s.Sessions != 0 {
			t.Errorf("%d requests after the last close, %+v", src.count()-before, s)
		}
		f = openFile(t, c, "a", size)
		time.Sleep(time.Minute)
		data, _ := whole(size)
		sameFile(t, f, data)
		if s := c.Stats(); s.BytesFetched > size+2<<20 || s.Sessions != 0 || s.InFlight != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestCompletionAlways(t *testing.T) {
	const size = 6 << 20
	data, sum := whole(size)
	o := options(t, &source{size: size})
	o.Complete = CompleteAlways
	c := open(t, o)
	f := openFile(t, c, "a", size)
	f.Expect(sum)
	for c.Stats().Verified == 0 {
		check(t, f, 1<<20, 4096)
	}
	for c.Stats().Sessions > 0 { // the version is marked as verified right after that
		time.Sleep(time.Millisecond)
	}
	sameFile(t, f, data)
	must(t, f.Warm(t.Context()))
}
