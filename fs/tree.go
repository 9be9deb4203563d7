package fs

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
)

// Tree presents the corpus as a tree of directories, files and links. It is independent of any
// protocol; package fusefs serves it to the kernel.
type Tree struct {
	o       Options
	local   store.Local // nil if contents come through o.Cache
	uid     uint32      // owner of everything
	started time.Time
	root    *rootDir

	errors     *errorLog
	counts     counts
	slow       slowLog
	lists      recentLists
	buffers    writeBuffers
	docs       documentCache
	kernelLogs kernelLogs
	tickets    emptyTickets
	renames    atomic.Uint64 // number of renames in writable directories
	workers    *workers

	missingTTL time.Duration // TTL of missing names that an edit cannot add

	mu         sync.Mutex // guards what follows
	generation uint64
	changed    time.Time // when that generation was first seen
	edited     func([]corpus.Change)
}

// New returns a tree for a corpus. The caller must call Close.
func New(o Options) (*Tree, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	var local store.Local
	if o.Store != nil {
		local, _ = store.AsLocal(o.Store)
	}
	if local == nil && o.Cache == nil {
		return nil, errors.New("no block cache for a store that is not local")
	}
	now := time.Now()
	t := &Tree{
		o: o, local: local, uid: uint32(os.Geteuid()),
		started: now, changed: now, generation: o.Corpus.Generation(),
		errors: newErrorLog(o.Log), missingTTL: min(o.AttrTimeout, missingTimeout),
		workers: newWorkers(),
	}
	t.root = &rootDir{t}
	return t, nil
}

// Close stops the background work of the tree. Its nodes must not be used afterwards.
func (t *Tree) Close() { t.workers.stop() }

// Root returns the root directory. Its methods never access the store.
func (t *Tree) Root() Dir { return t.root }

// Owner returns the ID of the user who owns everything in the tree.
func (t *Tree) Owner() uint32 { return t.uid }

// AttrTimeout returns how long attributes that are not volatile may be cached.
func (t *Tree) AttrTimeout() time.Duration { return t.o.AttrTimeout }

// MissingTimeout returns the maximum time for which a missing name may be cached.
func (t *Tree) MissingTimeout() time.Duration { return t.missingTTL }

// lastChange returns the current generation of the corpus and the time when this tree first saw it.
// That time is the mtime of every directory generated from the catalogue, so that clients may cache
// the listing.
func (t *Tree) lastChange() (uint64, time.Time) {
	g := t.o.Corpus.Generation()
	t.mu.Lock()
	defer t.mu.Unlock()
	if g != t.generation {
		t.generation = g
		if now := time.Now(); now.After(t.changed) {
			t.changed = now
		} else { // the clock was set back; clients look for a difference
			t.changed = t.changed.Add(time.Microsecond)
		}
	}
	return g, t.changed
}

// callerKey is the type of CallerKey.
type callerKey struct{}

// CallerKey is the context key for the user ID (uint32) of the caller. A call without one is made
// by the owner.
var CallerKey any = callerKey{}

// MayWrite returns nil if the caller may write to a node, ErrNotOwner if not, and ErrReadOnly for a
// node that nobody may write to.
func (t *Tree) MayWrite(ctx context.Context, n Node) error {
	switch n.(type) {
	case WritableDir, WritableFile:
		return t.mayWrite(ctx)
	}
	return ErrReadOnly
}

// mayWrite returns ErrNotOwner unless the caller is the owner of the tree or root. The store cannot
// tell users apart: it sees every write as the owner's.
func (t *Tree) mayWrite(ctx context.Context) error {
	if uid, known := ctx.Value(CallerKey).(uint32); known && uid != 0 && uid != t.uid {
		return ErrNotOwner
	}
	return nil
}

// withOrigin marks edits made with the returned context as coming from a call to the mount.
func withOrigin(ctx context.Context, call string) context.Context {
	return corpus.WithHow(ctx, "mount: "+call)
}

// edit changes the document of a dump. When it returns, the edit is stored and the affected views
// are invalidated.
func (t *Tree) edit(ctx context.Context, id dump.ID, edits ...document.Edit) (*corpus.Dump, error) {
	old, err := t.o.Corpus.Cached(ctx, id)
	if err != nil {
		old = nil // it will exist by the time it can be edited
	}
	now, err := t.o.Corpus.Edit(ctx, id, edits...)
	if err != nil {
		return nil, err
	}
	t.counts.edits.Add(1)
	t.mu.Lock()
	edited := t.edited
	t.mu.Unlock()
	if edited != nil {
		edited([]corpus.Change{{ID: id, Old: old, New: now}})
	}
	return now, nil
}

// CountLookup counts a name looked up by a client.
func (t *Tree) CountLookup() { t.counts.lookups.Add(1) }

// CountReaddir counts a directory listing read by a client.
func (t *Tree) CountReaddir() { t.counts.readdirs.Add(1) }

// Fail counts and logs the failure of op on path, and returns the error. If the call was
// interrupted, that is the error of its context, whatever err is. describe returns the text for the
// error in the log.
func (t *Tree) Fail(ctx context.Context, op, path string, err error, describe func(error) string) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = cause
	}
	switch {
	case errors.Is(err, context.Canceled):
		t.counts.interrupted.Add(1)
	case !isAnswer(err):
		t.counts.failures.Add(1)
		t.errors.failed(op, "/"+path, describe(err), err)
	}
	return err
}

// counts are the counters that this package adds to .thothfs/stats.
type counts struct {
	lookups, readdirs, opens, handles, reads, readBytes, interrupted, failures, edits atomic.Int64
}

func (c *counts) stats() []Stat {
	return []Stat{
		{"fs.lookups", c.lookups.Load()},
		{"fs.readdirs", c.readdirs.Load()},
		{"fs.opens", c.opens.Load()},
		{"fs.handles", c.handles.Load()}, // gauge: open objects
		{"fs.reads", c.reads.Load()},
		{"fs.read_bytes", c.readBytes.Load()},
		{"fs.edits", c.edits.Load()},
		{"fs.interrupted", c.interrupted.Load()},
		{"fs.failures", c.failures.Load()},
	}
}

// workers runs goroutines that may outlive the call that started them.
type workers struct {
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

func newWorkers() *workers {
	b := &workers{}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// Go runs f in a goroutine. f must return when its context ends.
func (b *workers) Go(f func(context.Context)) {
	b.running.Go(func() { f(b.ctx) })
}

// stop cancels the goroutines and waits for them. Go must not be called afterwards.
func (b *workers) stop() {
	b.cancel()
	b.running.Wait()
}
