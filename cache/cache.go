package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/bits"
	"path/filepath"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"thothfs/store"
)

// Source is where blocks come from when they are not held: the part of
// [store.Store] that the cache calls. It must be safe for concurrent use and
// follow the contract of store.Store.ReadAt.
type Source interface {
	ReadAt(ctx context.Context, ref store.Ref, p []byte, off int64) (n int, err error)
}

// Options say where the cache lives and how much it may take.
type Options struct {
	Dir       string // made if absent (0700); may be shared by processes of one user
	Quota     int64  // bytes on disk in Dir; 0: 10 % of the disk, at most 50 GiB
	Source    Source
	Namespace string       // which store: one Dir may serve several
	Log       *slog.Logger // nil: nothing is logged
	BlockSize int          // bytes, a power of two from 4 KiB to 1 MiB; 0: 128 KiB
	Memory    int64        // bytes of block buffers, and as much at most in the place of a failing disk; 0: 64 MiB
	Fetches   int          // concurrent requests to the Source; 0: 32

	// Predict tells which ranges of an object will be read first. It is run when a
	// version is opened for which nobody has a handle, unless what it tells is held;
	// then once more from what is held alone. It reads through the cache, and calls
	// want, from any goroutine, for what is to be fetched; a want for what it is
	// about to read comes before the read. Its reads fail when the last handle is
	// closed. It must bound itself; its error ends the prediction, and no more.
	// nil: nothing is predicted.
	Predict func(r io.ReaderAt, size int64, want func(off, n int64)) error
	// Hot returns the hot pack of a version, as [EncodePack] made it, in one round
	// trip; store.ErrNotExist: there is none. It is asked for where Predict would be
	// run, at the same time, and ends it. A pack that is not in order is ignored.
	// nil: there are none.
	Hot func(ctx context.Context, ref store.Ref, size int64) ([]byte, error)
	// Learned is handed a pack for the next to open a version, on whatever machine: what
	// was predicted, had from the pack in the store, and read on demand in the first
	// minute. It is called once after that minute and once when the last handle is
	// closed, each time only if there is something that the pack in the store lacks, and
	// is to put it where Hot looks. Once it returns store.ErrPermission it is not called
	// any more. nil: nothing is learned.
	Learned func(ctx context.Context, ref store.Ref, size int64, pack []byte) error
	Around  int64 // how far the kernel reads to either side of a page fault; 0: 32 KiB, negative: not at all

	// Complete says when versions that are open are fetched to the end, one after
	// the other; it ends with the last handle on a version, and what was fetched is
	// kept. What the quota does not hold twice is not completed.
	Complete Completion
	Share    int // of the link's time for CompleteIdle, percent; 0: 50

	floor int64                 // bytes to leave free on the disk, for tests; 0: 5 % of it
	fault func(op string) error // makes disk operations fail, for tests
}

const (
	defaultBlock   = 128 << 10
	defaultMemory  = 64 << 20
	defaultFetches = 32
	maxRange       = 1 << 20 // bytes that one request asks for, but for read-ahead that goes far
)

// Cache keeps blocks of object versions on the local disk. It is safe for
// concurrent use.
type Cache struct {
	source       Source
	block        int64
	maxRun       int64         // most blocks in one request
	window       int64         // most bytes of read-ahead for one stream
	around       int64         // bytes by which predictions are widened
	warms        bool          // versions have sessions
	packSlots    chan struct{} // holds an element for each pack on its way
	histories    *lru.Cache[[sha256.Size]byte, *accessHistory]
	completing   chan struct{} // holds an element while a version is completed in the background
	foreground   idleTracker
	boot         uint64
	options      Options
	disk         *disk
	memory       *memory
	limiter      limiter
	readyBuffers readyBuffers
	buffers      bufferPool
	n            counters
	latencies    latencies
	stop         context.CancelFunc // ends the housekeeper
	wg           sync.WaitGroup     // housekeeper, sessions and flights
	publisher    *packPublisher

	mu      sync.Mutex // guards all below
	objects map[objectKey]*object
	closed  bool
}

// objectKey tells versions apart, and the sizes that callers claim for one.
type objectKey struct {
	name string
	size int64
}

// Open makes or reopens the cache in o.Dir, in constant time: what the
// directory holds is measured in the background. A directory that belongs to
// somebody else, that others may write to (see [Private]), or that others may read and
// that holds other files, is an error; a
// disk that is full or read-only is not: the cache then works from memory.
//
// The caller closes the cache.
func Open(o Options) (*Cache, error) {
	if o.Source == nil || o.Dir == "" {
		return nil, fmt.Errorf("cache: no directory or no source")
	}
	if err := o.complete(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	wrong := prepareDir(o.Dir)
	if wrong != nil && !isDiskFault(wrong) {
		return nil, wrong
	}
	if real, err := filepath.EvalSymlinks(o.Dir); err == nil {
		o.Dir = real // below it no link is followed
	}
	c := newCache(o)
	if wrong != nil {
		c.disk.failed("open", wrong)
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.wg.Add(1)
	go func() { // ended by Close
		defer c.wg.Done()
		c.disk.quota.run(ctx)
	}()
	return c, nil
}

// complete fills in the defaults and checks the rest.
func (o *Options) complete() error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.BlockSize == 0 {
		o.BlockSize = defaultBlock
	}
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	if o.Fetches == 0 {
		o.Fetches = defaultFetches
	}
	if o.Around == 0 {
		o.Around = defaultAround
	}
	if o.Share == 0 {
		o.Share = defaultShare
	}
	switch o.Complete {
	case CompleteNever, CompleteIdle, CompleteAlways:
	case "never":
		o.Complete = CompleteNever
	default:
		return fmt.Errorf("cache: completion %q is none of never, idle, always", o.Complete)
	}
	if o.Share < 1 || o.Share > 100 {
		return fmt.Errorf("cache: a share of %d %%", o.Share)
	}
	if !validBlock(int64(o.BlockSize)) {
		return fmt.Errorf("cache: block size %d is not a power of two from 4 KiB to 1 MiB", o.BlockSize)
	}
	if o.Memory < 0 || o.Fetches < 0 || o.Quota < 0 {
		return fmt.Errorf("cache: negative quota, memory or number of fetches")
	}
	return nil
}

func validBlock(n int64) bool { return n >= page && n <= maxRange && bits.OnesCount64(uint64(n)) == 1 }

func newCache(o Options) *Cache {
	c := &Cache{
		source:     o.Source,
		block:      int64(o.BlockSize),
		memory:     newMemory(o.Memory, int64(o.BlockSize)),
		limiter:    limiter{slots: int64(o.Fetches), bytes: o.Memory},
		buffers:    bufferPool{block: int64(o.BlockSize)},
		objects:    map[objectKey]*object{},
		around:     max(0, o.Around),
		warms:      o.Predict != nil || o.Hot != nil || o.Complete != CompleteNever,
		publisher:  newPackPublisher(o.Learned != nil),
		packSlots:  make(chan struct{}, maxPackFetches),
		completing: make(chan struct{}, 1),
		boot:       bootID(),
		options:    o,
	}
	c.readyBuffers = readyBuffers{gate: &c.limiter, maxAge: readyFor, timers: map[*fetch]*time.Timer{}}
	c.histories, _ = lru.New[[sha256.Size]byte, *accessHistory](maxHistories)
	c.maxRun = max(1, min(maxRange, o.Memory/2)/c.block)
	space := sha256.Sum256([]byte(o.Namespace))
	ns := filepath.Join(o.Dir, hex.EncodeToString(space[:16]))
	ev := &evictor{dir: o.Dir, n: &c.n, lookup: c.lookupObject, hands: map[string]int64{}}
	c.disk = &disk{
		n:      &c.n,
		files:  newFilePool(o.Dir, ns, o.fault),
		health: &health{log: o.Log},
		quota:  newQuota(o, ev.run),
	}
	// A window that the quota or the memory cannot hold would be evicted unread.
	c.window = min(maxWindow, c.disk.quota.limit/4, o.Memory/2)
	return c
}

// Close ends every fetch and goroutine of the cache and returns when they have
// ended; reads that wait return fs.ErrClosed. What is on disk stays.
func (c *Cache) Close() error {
	c.mu.Lock()
	again := c.closed
	c.closed = true
	objects := make([]*object, 0, len(c.objects))
	var sessions []*warmup
	for _, o := range c.objects {
		objects = append(objects, o)
		if o.warmup != nil {
			sessions = append(sessions, o.warmup)
		}
	}
	c.mu.Unlock()
	if again {
		return nil
	}
	for _, s := range sessions {
		s.end()
	}
	for _, o := range objects {
		o.cancelFetches()
	}
	c.stop()
	close(c.publisher.closed)
	silence := time.AfterFunc(closeGrace, c.publisher.cancel)
	c.wg.Wait()
	silence.Stop()
	c.publisher.cancel()
	c.disk.files.close()
	return nil
}

// ground ends all flights.
func (o *object) cancelFetches() {
	o.mu.Lock()
	flights := make([]*fetch, 0, len(o.fetches))
	for _, f := range o.fetches {
		flights = append(flights, f)
	}
	o.mu.Unlock()
	for _, f := range flights {
		f.cancel()
	}
}

// begin counts a flight, unless the cache is closed.
func (c *Cache) addWorker() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.wg.Add(1)
	return true
}

// shut returns an error if the cache is closed.
func (c *Cache) checkOpen() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosed
	}
	return nil
}

// Open returns a handle on the version ref, which has size bytes. It does not
// touch the disk, and what is wrong with ref or size is told by ReadAt. The
// caller closes the handle. With the first handle on a version what will be read
// of it begins to be fetched, as the Options say; with the last one that ends.
func (c *Cache) Open(ref store.Ref, size int64) *File {
	o := c.acquireObject(newVersion(ref, size, c.block))
	c.openHandle(o)
	return &File{o: o, streams: streams{block: c.block, size: size, maxWindow: c.window}}
}

// enter returns the object for v with a reference.
func (c *Cache) acquireObject(v version) *object {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := objectKey{v.name(), v.size}
	if o, ok := c.objects[key]; ok && o.retain() {
		return o
	}
	o := newObject(c, v)
	c.objects[key] = o
	return o
}

func (c *Cache) removeObject(o *object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if key := (objectKey{o.name(), o.size}); c.objects[key] == o {
		delete(c.objects, key)
	}
}

// object returns the version with these files if it is open here, or nil.
func (c *Cache) lookupObject(name string, size int64) *object {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.objects[objectKey{name, size}]
}

// freeBuffer returns a buffer and what it was accounted for.
func (c *Cache) freeBuffer(buf []byte) {
	c.limiter.free(int64(cap(buf)))
	c.buffers.put(buf)
}

// Held returns the bytes that the version ref takes on the local disk, whoever
// put them there: what st_blocks should say. Blocks of zeros take none. It
// costs one stat(2).
func (c *Cache) Held(ref store.Ref) int64 {
	v := newVersion(ref, 0, c.block)
	return c.disk.usage(&v)
}
