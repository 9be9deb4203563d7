package fusefs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"thothfs/cache"
	"thothfs/dump"
	"thothfs/fs"
	"thothfs/store"
	"thothfs/store/mem"
)

// passing is a mount of one dump that the test can fetch completely into the cache.
type passing struct {
	*realMount
	t       *testing.T
	s       *mem.Store
	blocks  *cache.Cache
	dir     string // block directory
	content []byte
	core    string
	want    int64 // expected number of passthrough opens
}

// mountPassing mounts a dump that is read through the cache. On a mount without passthrough the
// same tests must pass, except for the number of passthrough opens.
func mountPassing(t *testing.T) *passing {
	t.Helper()
	return mountPassingWith(t, Options{})
}

func mountPassingWith(t *testing.T, o Options) *passing {
	t.Helper()
	p := &passing{t: t, s: mem.New(), content: noise(7, 3<<20+100), dir: filepath.Join(t.TempDir(), "blocks")}
	putDump(t, p.s, hashA, "core.x.1", p.content, `"cmd": "x", "type": "core"`)
	var err error
	p.blocks, err = cache.Open(cache.Options{Dir: p.dir, Quota: 64 << 20, Source: p.s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.blocks.Close() })
	o.Tree.Cache = p.blocks
	p.realMount = mountWith(t, p.s, o)
	if err := p.corpus.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	p.core = filepath.Join(p.mountpoint, "by-hash", hashA, "core")
	if os.Geteuid() == 0 && !o.NoPassthrough && !p.passes() {
		t.Log("this kernel passes no reads through")
	}
	return p
}

// complete fetches the whole dump into the cache.
func (p *passing) complete() {
	p.t.Helper()
	e, err := p.corpus.DumpFile(p.t.Context(), idOf(p.t, hashA))
	if err != nil {
		p.t.Fatal(err)
	}
	f := p.blocks.Open(store.Ref{Key: hashA + "/" + e.Name, ETag: e.ETag}, e.Size)
	defer f.Close()
	f.Expect(e.MD5)
	if err := f.Complete(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// open opens the dump and reads all of it.
func (p *passing) open() *os.File {
	p.t.Helper()
	f := mustOpen(p.t, p.core)
	p.check(f)
	return f
}

func (p *passing) check(f *os.File) {
	p.t.Helper()
	got := make([]byte, len(p.content))
	if n, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, p.content) {
		p.t.Errorf("%d bytes, or other bytes: %v", n, err)
	}
}

// passedNow checks the number of passthrough opens since the previous call.
func (p *passing) passedNow(n int64) {
	p.t.Helper()
	if p.want += n; p.passes() && p.passed() != p.want {
		p.t.Errorf("%d opens were handed to the kernel, want %d", p.passed(), p.want)
	}
}

// drained waits until the handles on the dump are released, which happens some time after close(2).
func (p *passing) drained() {
	p.t.Helper()
	for range 3000 {
		if stat(p.server.b, "fs.handles") == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.t.Fatal("a handle is not released")
}

func idOf(t *testing.T, hash string) dump.ID {
	t.Helper()
	id, err := dump.ParseID(hash)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// mapped maps a file until the test ends.
func mapped(t *testing.T, f *os.File, n int) []byte {
	t.Helper()
	m, err := unix.Mmap(int(f.Fd()), 0, n, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(m) })
	return m
}

func TestPassthroughOfACompleteDump(t *testing.T) {
	p := mountPassing(t)
	p.complete()
	before := stat(p.server.b, "fs.reads")
	first, second := p.open(), p.open()
	p.passedNow(2)
	if reads := stat(p.server.b, "fs.reads") - before; p.passes() && reads != 0 {
		t.Errorf("%d reads came to us", reads)
	}
	first.Close()
	p.check(second)
	third := p.open()
	p.passedNow(1)
	m := mapped(t, third, len(p.content))
	if !bytes.Equal(m, p.content) {
		t.Error("the mapping has other bytes")
	}
}

// TestSplicedCompleteDump checks that without passthrough a complete dump is spliced from its file,
// even on a handle opened alongside handles that read through the cache.
func TestSplicedCompleteDump(t *testing.T) {
	p := mountPassingWith(t, Options{NoPassthrough: true})
	old := p.open()
	p.complete()
	hits := p.blocks.Stats().BytesRead
	f := mustOpen(t, p.core)
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
	p.check(f)
	m := mapped(t, f, len(p.content))
	if !bytes.Equal(m, p.content) {
		t.Error("the mapping has other bytes")
	}
	if n := p.blocks.Stats().BytesRead - hits; n != 0 {
		t.Errorf("%d bytes came from the cache", n)
	}
	got := make([]byte, 10)
	if n, err := f.ReadAt(got, int64(len(p.content)-5)); n != 5 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	p.passedNow(0)
	p.check(old)
	if n := p.blocks.Stats().Pinned; n != 1 {
		t.Errorf("%d files pinned", n)
	}
	unix.Munmap(m)
	f.Close()
	old.Close()
	p.drained()
	if n := p.blocks.Stats().Pinned; n != 0 {
		t.Errorf("%d files pinned after the last close", n)
	}
}

// TestPassthroughWaitsForTheOthers checks that if a dump becomes complete while it is open,
// existing and new handles are served as before.
func TestPassthroughWaitsForTheOthers(t *testing.T) {
	p := mountPassing(t)
	old := p.open()
	p.complete()
	second := p.open()
	p.passedNow(0)
	old.Close()
	third := p.open()
	p.passedNow(0)
	second.Close()
	third.Close()
	p.drained()
	p.open()
	p.passedNow(1)
}

// TestPassthroughWaitsForMappings checks that a mapping of a dump that is read through this process
// counts as an open file.
func TestPassthroughWaitsForMappings(t *testing.T) {
	p := mountPassing(t)
	old := p.open()
	m, err := unix.Mmap(int(old.Fd()), 0, len(p.content), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	old.Close()
	p.complete()
	p.open().Close()
	p.passedNow(0)
	if !bytes.Equal(m, p.content) {
		t.Error("the mapping has other bytes")
	}
	if err := unix.Munmap(m); err != nil {
		t.Fatal(err)
	}
	p.drained()
	p.open()
	p.passedNow(1)
}

// TestPassthroughMappingOutlivesTheHandles checks that a mapping of a backing file stays valid when
// all handles are closed and the dump is evicted and then read through this process.
func TestPassthroughMappingOutlivesTheHandles(t *testing.T) {
	p := mountPassing(t)
	p.complete()
	f := p.open()
	p.passedNow(1)
	m := mapped(t, f, len(p.content))
	f.Close()
	p.drained()
	names := blockFiles(t, p)
	if len(names) != 2 {
		t.Errorf("%v are the files of one version", names)
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil { // as eviction does, see cache.TestMappingOutlivesEviction
			t.Fatal(err)
		}
	}
	again := p.open()
	p.passedNow(0)
	if !bytes.Equal(m, p.content) {
		t.Error("the mapping has other bytes")
	}
	again.Close()
	p.drained()
	p.complete()
	p.open()
	p.passedNow(1)
	if !bytes.Equal(m, p.content) {
		t.Error("the mapping has other bytes now")
	}
}

func blockFiles(t *testing.T, p *passing) (names []string) {
	t.Helper()
	err := filepath.WalkDir(p.dir, func(name string, d os.DirEntry, err error) error {
		if err == nil && (strings.HasSuffix(name, ".data") || strings.HasSuffix(name, ".map")) {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return names
}

// TestPassthroughOfAReplacedDump replaces a dump while its old version is open with passthrough.
func TestPassthroughOfAReplacedDump(t *testing.T) {
	p := mountPassing(t)
	p.complete()
	old := p.open()
	p.passedNow(1)
	first := p.content
	p.content = noise(8, 2<<20+5)
	putDump(t, p.s, hashA, "core.x.1", p.content, `"cmd": "x", "type": "core"`)
	if err := p.corpus.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var fresh *os.File
	for range 3000 { // the invalidation is asynchronous
		fresh = mustOpen(t, p.core)
		if st, err := fresh.Stat(); err == nil && st.Size() == int64(len(p.content)) {
			break
		}
		fresh.Close()
		time.Sleep(10 * time.Millisecond)
	}
	p.check(fresh)
	got := make([]byte, len(first))
	if _, err := old.ReadAt(got, 0); err != nil || !bytes.Equal(got, first) {
		t.Errorf("the old handle: %v, or other bytes", err)
	}
	p.want = p.passed()
	fresh.Close()
	p.complete()
	p.check(p.open())
}

// TestPassthroughAndDirectIO checks that O_DIRECT works with and without passthrough.
func TestPassthroughAndDirectIO(t *testing.T) {
	p := mountPassing(t)
	direct := func() {
		t.Helper()
		fd, err := unix.Open(p.core, unix.O_RDONLY|unix.O_DIRECT, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		page, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Munmap(page)
		n, err := unix.Pread(fd, page, 1<<20)
		if errors.Is(err, unix.EINVAL) {
			return // the file system of the cache does not support O_DIRECT
		}
		if err != nil || !bytes.Equal(page[:n], p.content[1<<20:1<<20+n]) || n != len(page) {
			t.Errorf("%d bytes, or other bytes: %v", n, err)
		}
	}
	f := p.open()
	direct()
	f.Close()
	p.drained()
	p.complete()
	p.open()
	direct()
	p.passedNow(2)
}

// TestPassthroughUnderRaces opens, maps, reads and closes a dump in many goroutines while it
// becomes complete, is evicted and becomes complete again. No call may fail with EIO, and no byte
// may be wrong.
func TestPassthroughUnderRaces(t *testing.T) {
	p := mountPassing(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	for i := range 4 {
		wg.Go(func() {
			buf := make([]byte, 4096)
			for n := i; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				f, err := os.Open(p.core)
				if err != nil {
					t.Error(err)
					return
				}
				off := n * 7919 % (len(p.content) - len(buf))
				if _, err := f.ReadAt(buf, int64(off)); err != nil && err != io.EOF || !bytes.Equal(buf, p.content[off:off+len(buf)]) {
					t.Errorf("at %d: %v, or other bytes", off, err)
				}
				if n%3 == 0 {
					m, err := unix.Mmap(int(f.Fd()), 0, len(p.content), unix.PROT_READ, unix.MAP_SHARED)
					if err != nil {
						t.Error(err)
					} else if f.Close(); !bytes.Equal(m[off:off+len(buf)], buf) {
						t.Error("the mapping has other bytes")
					}
					unix.Munmap(m)
				}
				f.Close()
			}
		})
	}
	for range 20 {
		p.complete()
		for range 3 {
			mustOpen(t, p.core).Close()
		}
		for _, name := range blockFiles(t, p) {
			os.Remove(name)
		}
	}
}

// fakeKernel accepts or rejects backing files.
type fakeKernel struct{ errno syscall.Errno }

func (k *fakeKernel) RegisterBackingFd(*fuse.BackingMap) (int32, syscall.Errno) { return 1, k.errno }
func (k *fakeKernel) UnregisterBackingFd(int32) syscall.Errno                   { return 0 }

// fakeObject is an open object with a local file that may change.
type fakeObject struct {
	fs.ObjectHandle
	file     *fakeFile
	released int
}

func (h *fakeObject) Close(context.Context) error { h.released++; return nil }
func (h *fakeObject) Local() fs.LocalFile         { h.file.given++; return h.file }

// fakeFile counts how often it was handed out and released.
type fakeFile struct {
	fs.LocalFile
	given, released int
	err             error // returned by Verify
}

func (f *fakeFile) File() *os.File               { return os.Stdin }
func (f *fakeFile) Release()                     { f.released++ }
func (f *fakeFile) Verify(context.Context) error { return f.err }

// fakeBridge returns a bridge that is not mounted.
func fakeBridge(t testing.TB) *bridge {
	t.Helper()
	b, err := newBridge(Options{Tree: fs.Options{Corpus: newPlainCorpus(mem.New()), Cache: noBlocks{}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.tree.Close)
	return b
}

// TestPassthroughRefused checks that a file that the kernel rejects is read through this process,
// and that the rejection is logged once. The next file must be tried again, and each local file
// released exactly once.
func TestPassthroughRefused(t *testing.T) {
	var said bytes.Buffer
	kernel := &fakeKernel{errno: syscall.ELOOP}
	b := fakeBridge(t)
	b.passthrough.probe(&fakeKernel{}, true, slog.New(slog.NewTextHandler(&said, nil)))
	b.passthrough.kernel = kernel
	file := &fakeFile{}
	n := &node{b: b, n: b.tree.Root()}
	enter := func() (gofs.FileHandle, *fakeObject) {
		h := &fakeObject{file: file}
		entered, err := n.enter(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		return entered, h
	}
	for range 2 {
		h, under := enter()
		if _, ok := h.(gofs.FilePassthroughFder); ok {
			t.Error("the kernel gets a file that it does not take")
		}
		h.(gofs.FileReleaser).Release(t.Context())
		if under.released != 1 || file.given != file.released {
			t.Errorf("closed %d times, %d of %d local files released", under.released, file.released, file.given)
		}
	}
	if n := strings.Count(said.String(), "no passthrough"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	kernel.errno = 0
	var handles []gofs.FileHandle
	for range 3 {
		h, _ := enter()
		if fd, ok := h.(gofs.FilePassthroughFder).PassthroughFd(); !ok || fd != 0 {
			t.Errorf("file %d, %v", fd, ok)
		}
		handles = append(handles, h)
	}
	if file.given-file.released != 1 {
		t.Errorf("%d files in use", file.given-file.released)
	}
	for i, h := range handles {
		h.(gofs.FileReleaser).Release(t.Context())
		if left := file.given - file.released; (left == 0) != (i == 2) {
			t.Errorf("%d files in use after release %d", left, i+1)
		}
	}
	b.passthrough.on.Store(false)
	h, _ := enter()
	if _, ok := h.(gofs.FilePassthroughFder); ok {
		t.Error("passthrough, though it is off")
	}
	h.(gofs.FileReleaser).Release(t.Context())
	if file.given != file.released {
		t.Errorf("%d files in use", file.given-file.released)
	}
}

// TestPassthroughProbe checks that passthrough is off when the kernel does not support it or the
// privilege is missing.
func TestPassthroughProbe(t *testing.T) {
	for _, tc := range []struct {
		negotiated bool
		errno      syscall.Errno
		on         bool
	}{{true, 0, true}, {true, syscall.EPERM, false}, {false, 0, false}} {
		var p passthrough
		p.probe(&fakeKernel{tc.errno}, tc.negotiated, slog.New(slog.DiscardHandler))
		if p.on.Load() != tc.on {
			t.Errorf("%+v: %v", tc, p.on.Load())
		}
	}
}
