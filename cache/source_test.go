package cache

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/fnv"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"thothfs/store"
)

func TestMain(m *testing.M) {
	if child := os.Getenv("CACHE_TEST_CHILD"); child != "" {
		runChild(child)
		return
	}
	goleak.VerifyTestMain(m)
}

// fill fills p with the content of the object key at off. Every third chunk of 300 KiB is all zeros,
// so that some blocks are all zeros and some are partly zeros.
func fill(key string, p []byte, off int64) {
	h := fnv.New64a()
	h.Write([]byte(key))
	seed := h.Sum64()
	var word [8]byte
	for len(p) > 0 {
		x := (seed ^ uint64(off/8)) * 0x9e3779b97f4a7c15
		x ^= x >> 29
		if off/(300<<10)%3 == 1 {
			x = 0
		}
		binary.LittleEndian.PutUint64(word[:], x)
		n := copy(p, word[off%8:])
		p, off = p[n:], off+int64(n)
	}
}

// source is a Source with known content. Its hook can make reads fail or wait.
type source struct {
	size int64
	hook func(ctx context.Context, off int64, n int) error // nil: none

	mu    sync.Mutex // guards calls
	calls []span     // offset and length
}

func (s *source) ReadAt(ctx context.Context, ref store.Ref, p []byte, off int64) (int, error) {
	s.mu.Lock()
	s.calls = append(s.calls, span{off, int64(len(p))})
	s.mu.Unlock()
	if s.hook != nil {
		if err := s.hook(ctx, off, len(p)); err != nil {
			return 0, err
		}
	}
	if off >= s.size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), s.size-off)
	fill(ref.Key, p[:n], off)
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// options returns the options used by most tests. They set no floor, because the disk of the
// machine may be nearly full.
func options(t testing.TB, src Source) Options {
	return Options{Dir: filepath.Join(t.TempDir(), "cache"), Quota: 1 << 30, Source: src, Namespace: "test", floor: 1,
		Log: slog.New(slog.NewTextHandler(writer{t}, nil))}
}

// writer writes to the log of a test.
type writer struct{ t testing.TB }

func (w writer) Write(p []byte) (int, error) {
	w.t.Log(string(p))
	return len(p), nil
}

func open(t testing.TB, o Options) *Cache {
	t.Helper()
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func openFile(t testing.TB, c *Cache, key string, size int64) *File {
	f := c.Open(store.Ref{Key: key, ETag: "v1"}, size)
	t.Cleanup(func() { f.Close() })
	return f
}

// check reads n bytes at off and compares them with the object's content.
func check(t testing.TB, f *File, off int64, n int) {
	t.Helper()
	p := make([]byte, n)
	got, err := f.ReadAt(t.Context(), p, off)
	if want := int(min(int64(n), f.o.Size-off)); got != want || err != nil && (err != io.EOF || got == n) {
		t.Fatalf("read of %d at %d: %d, %v; want %d", n, off, got, err, want)
	}
	compare(t, f, p[:got], off)
}

func compare(t testing.TB, f *File, p []byte, off int64) {
	t.Helper()
	want := make([]byte, len(p))
	fill(f.o.Ref.Key, want, off)
	if bytes.Equal(p, want) {
		return
	}
	for i := range p {
		if p[i] != want[i] {
			t.Fatalf("wrong byte at %d (block %d)", off+int64(i), (off+int64(i))/f.o.Block)
		}
	}
}

// settle waits until everything fetched has been stored and all buffers have been released.
func settle(t testing.TB, c *Cache) {
	t.Helper()
	for c.n.InFlight.Load() > 0 || buffered(c) > 0 {
		c.ready.releaseAll()
		time.Sleep(time.Microsecond) // wait for fetches that are still storing blocks
	}
}

// buffered returns the number of bytes in buffers in use.
func buffered(c *Cache) int64 {
	_, n := c.limiter.gauges()
	return n
}
