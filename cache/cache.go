package cache

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/semaphore"

	"thothfs/cache/blockfile"
	"thothfs/cache/cachedir"
	"thothfs/store"
)

// Source provides the blocks that the cache does not hold. It is the part of [store.Store] that
// the cache calls. It must be safe for concurrent use and follow the contract of
// store.Store.ReadAt.
type Source interface {
	ReadAt(ctx context.Context, ref store.Ref, p []byte, off int64) (n int, err error)
}

// Options configures a cache.
type Options struct {
	Dir       string // created if absent (0700); may be shared by processes of one user
	Quota     int64  // bytes on disk in Dir; 0: 10 % of the disk, at most 50 GiB
	Source    Source
	Namespace string       // identifies the store, since one Dir may serve several
	Log       *slog.Logger // nil: no logging
	BlockSize int          // bytes, a power of two from 4 KiB to 1 MiB; 0: 128 KiB
	Memory    int64        // bytes of block buffers, and separately of blocks that cannot be stored on disk; 0: 64 MiB
	Fetches   int          // concurrent requests to the Source; 0: 32

	// Predict calls want for the ranges of an object that will be read first; it may do so from
	// any goroutine. It is called when the first handle on a version is opened: first with a
	// reader that returns only cached data, then, unless everything it predicts is cached, with
	// one that reads through the cache. It calls want for a range before reading it. Its reads
	// fail when the last handle is closed. It must limit its own work. Its error ends only the
	// prediction. nil: nothing is predicted.
	Predict func(r io.ReaderAt, size int64, want func(off, n int64)) error
	// Hot returns the hot pack of a version, as encoded by hotpack.Encode, in one round trip,
	// or store.ErrNotExist. It is called concurrently with Predict; if it returns a pack, the
	// prediction ends. An unusable pack is ignored. nil: there are no hot packs.
	Hot func(ctx context.Context, ref store.Ref, size int64) ([]byte, error)
	// Learned stores a hot pack where Hot finds it, for the next program that opens the version
	// on any machine. The pack contains what was predicted, what the stored pack contains, and
	// what was read on demand in the first minute. Learned is called after that minute and
	// after the last handle is closed, each time only if the stored pack lacks something. After
	// it returns store.ErrPermission, it is not called again. nil: nothing is learned.
	Learned func(ctx context.Context, ref store.Ref, size int64, pack []byte) error
	Around  int64 // how far the kernel reads to either side of a page fault; 0: 32 KiB, negative: not at all

	// Complete determines when open versions are fetched completely, one at a time. The
	// fetching stops when the last handle on a version is closed; what was fetched is kept. A
	// version larger than half the quota is not completed.
	Complete Completion
	Share    int // percentage of the link's time that CompleteIdle may use; 0: 50

	floor int64                 // bytes to leave free on the disk, for tests; 0: 5 % of the disk
	fault func(op string) error // makes disk operations fail, for tests
}

const (
	defaultBlock   = 128 << 10
	defaultMemory  = 64 << 20
	defaultFetches = 32
	maxRange       = 1 << 20 // maximum bytes in one request, except for wide read-ahead
)

// Cache keeps blocks of object versions on the local disk. It is safe for
// concurrent use.
type Cache struct {
	block      int64
	maxRun     int64 // maximum blocks in one request
	maxWindow  int64 // maximum bytes of read-ahead for one stream
	warms      bool  // whether versions have warmups
	packSlots  *semaphore.Weighted
	histories  *lru.Cache[[sha256.Size]byte, *accessHistory]
	completing *semaphore.Weighted // held while a version is completed in the background
	foreground idleTracker
	boot       uint64 // hash of the machine's boot ID
	options    Options
	disk       *disk
	memory     *memory
	limiter    limiter
	ready      readyBuffers
	buffers    bufferPool
	n          counters
	latencies  latencies
	wg         sync.WaitGroup  // housekeeper, warmups and fetches
	closing    context.Context // parent of the contexts of all warmups and fetches
	stop       context.CancelFunc

	publishCtx    context.Context // cancelled some time after closing
	publishCancel context.CancelFunc
	publishing    *semaphore.Weighted // held while a pack is published
	publishOff    atomic.Bool         // set when the store refuses packs

	mu       sync.Mutex // guards the fields below
	versions map[versionKey]*openVersion
	closed   bool
}

// versionKey identifies a version together with the size that a caller gave for it.
type versionKey struct {
	name string
	size int64
}

// Open creates or reopens the cache in o.Dir. It takes constant time: the directory is measured
// in the background. It returns an error for a directory that belongs to another user, that
// others can write to (see [cachedir.Private]), or that others can read and that contains other
// files. If the disk is full or read-only, the cache works from memory.
//
// The caller must close the cache.
func Open(o Options) (*Cache, error) {
	if o.Source == nil || o.Dir == "" {
		return nil, fmt.Errorf("cache: no directory or no source")
	}
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	fault := cachedir.Prepare(o.Dir)
	if fault != nil && !isAny(fault, syscall.ENOSPC, syscall.EIO, syscall.EROFS, syscall.EDQUOT) {
		return nil, fault // not a disk that is full, broken or gone, but a mistake in the options
	}
	if real, err := filepath.EvalSymlinks(o.Dir); err == nil {
		o.Dir = real // no symbolic link is followed below it
	}
	c := newCache(o)
	if fault != nil {
		c.disk.failed("open", fault)
	}
	c.wg.Go(func() { c.disk.quota.run(c.closing) })
	return c, nil
}

// setDefaults fills in defaults and validates the options.
func (o *Options) setDefaults() error {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	o.BlockSize = cmp.Or(o.BlockSize, defaultBlock)
	o.Memory = cmp.Or(o.Memory, defaultMemory)
	o.Fetches = cmp.Or(o.Fetches, defaultFetches)
	o.Around = max(0, cmp.Or(o.Around, defaultAround))
	o.Share = cmp.Or(o.Share, defaultShare)
	switch {
	case !slices.Contains([]Completion{CompleteNever, CompleteIdle, CompleteAlways}, o.Complete):
		return fmt.Errorf("cache: completion %q must be empty, idle or always", o.Complete)
	case o.Share < 1 || o.Share > 100:
		return fmt.Errorf("cache: share of %d %% must be from 1 to 100", o.Share)
	case !blockfile.ValidBlock(int64(o.BlockSize)):
		return fmt.Errorf("cache: block size %d must be a power of two from 4 KiB to 1 MiB", o.BlockSize)
	case o.Memory < 0 || o.Fetches < 0 || o.Quota < 0:
		return fmt.Errorf("cache: negative quota, memory or number of fetches")
	}
	return nil
}

func newCache(o Options) *Cache {
	c := &Cache{
		block:      int64(o.BlockSize),
		memory:     newMemory(o.Memory, int64(o.BlockSize)),
		limiter:    limiter{maxSlots: int64(o.Fetches), maxBytes: o.Memory},
		buffers:    bufferPool{block: int64(o.BlockSize)},
		versions:   map[versionKey]*openVersion{},
		warms:      o.Predict != nil || o.Hot != nil || o.Complete != CompleteNever,
		packSlots:  semaphore.NewWeighted(maxPackFetches),
		completing: semaphore.NewWeighted(1),
		publishing: semaphore.NewWeighted(1),
		boot:       bootID(),
		latencies:  latencies{minStall: minStall},
		options:    o,
	}
	c.closing, c.stop = context.WithCancel(context.Background())
	c.publishCtx, c.publishCancel = context.WithCancel(context.Background())
	c.ready = readyBuffers{limiter: &c.limiter, maxAge: readyFor, timers: map[*fetch]*time.Timer{}}
	c.histories, _ = lru.New[[sha256.Size]byte, *accessHistory](maxHistories)
	c.maxRun = max(1, min(maxRange, o.Memory/2)/c.block)
	namespace := sha256.Sum256([]byte(o.Namespace))
	c.disk = &disk{
		n:      &c.n,
		files:  blockfile.NewPool(o.Dir, hex.EncodeToString(namespace[:16]), o.fault),
		health: &health{log: o.Log},
		quota:  newQuota(o, &blockfile.Evictor{Dir: o.Dir, Lookup: c.lookup, Files: &c.n.FilesEvicted, Blocks: &c.n.BlocksEvicted}),
	}
	// A window that the quota or the memory cannot hold would be evicted before it is read.
	c.maxWindow = min(maxWindow, c.disk.quota.limit/4, o.Memory/2)
	return c
}

// bootID returns a hash of the machine's boot ID, or a random number if that is unknown.
func bootID() uint64 {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		b = []byte(rand.Text())
	}
	return xxhash.Sum64(b)
}

// Close ends all fetches and goroutines of the cache and waits for them. Pending reads return
// fs.ErrClosed. Data on disk is kept.
func (c *Cache) Close() error {
	c.mu.Lock()
	again := c.closed
	c.closed = true
	c.mu.Unlock()
	if again {
		return nil
	}
	c.stop()
	grace := time.AfterFunc(closeGrace, c.publishCancel)
	c.wg.Wait()
	grace.Stop()
	c.publishCancel()
	c.disk.files.Close()
	return nil
}

// addWorker registers a goroutine with wg. It returns false if the cache is closed.
func (c *Cache) addWorker() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.wg.Add(1)
	return true
}

// Open returns a handle on the version that ref identifies, which has size bytes. It does not
// access the disk; ReadAt returns an error if ref or size is invalid. The first handle on a
// version starts prefetching (see Options), which continues until the last one is closed. The
// caller must close the handle.
func (c *Cache) Open(ref store.Ref, size int64) *File {
	o := c.acquire(blockfile.NewVersion(ref, size, c.block))
	c.openHandle(o)
	return &File{o: o, streams: streams{block: c.block, size: size, maxWindow: c.maxWindow}}
}

// acquire returns the openVersion of v and takes a reference to it.
func (c *Cache) acquire(v blockfile.Version) *openVersion {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := versionKey{v.Name(), v.Size}
	if o, ok := c.versions[key]; ok && o.retain() {
		return o
	}
	o := &openVersion{Version: v, c: c, fetches: map[int64]*fetch{}, recent: newBlockSet(v.Blocks())}
	if c.warms {
		o.predicted = newBlockSet(v.Blocks())
	}
	o.refs.Store(1)
	c.versions[key] = o
	return o
}

// remove removes o, which has no references left, from the cache.
func (c *Cache) remove(o *openVersion) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if key := (versionKey{o.Name(), o.Size}); c.versions[key] == o {
		delete(c.versions, key)
	}
}

// lookup returns the version with the given name and size if this process has it open, or nil.
func (c *Cache) lookup(name string, size int64) blockfile.OpenVersion {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.versions[versionKey{name, size}]; o != nil {
		return o
	}
	return nil
}

// freeBuffer returns a buffer to the pool and its bytes to the limiter.
func (c *Cache) freeBuffer(buf []byte) {
	c.limiter.free(int64(cap(buf)))
	c.buffers.put(buf)
}

// Held returns the number of bytes that the version ref takes on the local disk (st_blocks), no
// matter which process stored them. Blocks of zeros take no space. It costs one stat(2).
func (c *Cache) Held(ref store.Ref) int64 {
	v := blockfile.NewVersion(ref, 0, c.block)
	return c.disk.files.Usage(&v)
}
