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

// Tree is the corpus as a tree of directories, files and links. It knows no
// protocol: package fusefs serves it to the kernel.
type Tree struct {
	o       Options
	local   store.Local // nil: contents come through o.Cache
	uid     uint32      // owns everything
	started time.Time
	root    *rootDir

	errors  *errorLog
	counts  counts
	slow    slowLog
	lists   recentLists
	buffers writeBuffers
	docs    documentCache
	tickets emptyTickets
	renames atomic.Uint64 // of files in writable directories
	workers *workers

	missingTTL time.Duration // of names that are missing, where an edit cannot add them

	mu         sync.Mutex // guards what follows
	generation uint64
	changed    time.Time // when that generation was first seen
	edited     func(corpus.Change)
}

// New makes the tree of a corpus. Close must be called.
func New(o Options) (*Tree, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	local, _ := localStore(o.Store)
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

// Close ends what the tree does in the background. No node may be used any more.
func (t *Tree) Close() { t.workers.stop() }

// Root returns the root directory. Its answers never need the store.
func (t *Tree) Root() Dir { return t.root }

// Owner returns the user who owns everything in the tree.
func (t *Tree) Owner() uint32 { return t.uid }

// AttrTimeout returns how long attributes may be cached that are not volatile.
func (t *Tree) AttrTimeout() time.Duration { return t.o.AttrTimeout }

// MissingTimeout returns how long a missing name may be cached, at most.
func (t *Tree) MissingTimeout() time.Duration { return t.missingTTL }

// WaitUntilRead waits until the whole corpus is known.
func (t *Tree) WaitUntilRead(ctx context.Context) error { return t.o.Corpus.Whole(ctx) }

// lastChange returns the time of the last change to the corpus that this tree saw,
// with the generation that it brought. It is the mtime of every directory that is
// made from the catalogue, so that clients may cache the listing.
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

// callerKey is the key of the user ID of the process that makes a call, a uint32.
type callerKey struct{}

// CallerKey is the key of a context value: the user ID (uint32) of the caller. A
// call without one is by the owner.
var CallerKey any = callerKey{}

// mayWrite returns ErrNotOwner unless the caller is the owner of the tree or root:
// the store knows them all as the owner.
func (t *Tree) mayWrite(ctx context.Context) error {
	if uid, known := ctx.Value(CallerKey).(uint32); known && uid != 0 && uid != t.uid {
		return ErrNotOwner
	}
	return nil
}

// MayWrite reports whether the caller may write to a node: nil, ErrNotOwner, or
// ErrReadOnly for a node that nobody may write to.
func (t *Tree) MayWrite(ctx context.Context, n Node) error {
	switch n.(type) {
	case WritableDir, WritableFile:
		return t.mayWrite(ctx)
	}
	return ErrReadOnly
}

// withOrigin records the edits under a context as made by a call to the mount.
func withOrigin(ctx context.Context, call string) context.Context {
	return corpus.WithHow(ctx, "mount: "+call)
}

// edit changes the document of a dump. When it returns the edit is stored, and
// clients know what it did to the views.
func (t *Tree) edit(ctx context.Context, id dump.ID, edits ...document.Edit) (*corpus.Dump, error) {
	old, err := t.o.Corpus.Cached(ctx, id)
	if err != nil {
		old = nil // it will be there by the time it can be edited
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
		edited(corpus.Change{ID: id, Old: old, New: now})
	}
	return now, nil
}

// CountReaddir counts a listing that was read by a client.
func (t *Tree) CountReaddir() { t.counts.readdirs.Add(1) }

// Fail counts and logs the failure of op on path, and returns its kind: the error of
// an interrupted call is that of its context, whatever a layer below made of it.
// describe gives the words for the kind in the log.
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

// counts are what this package adds to .thothfs/stats.
type counts struct {
	lookups, readdirs, opens, handles, reads, readBytes, interrupted, failures, edits atomic.Int64
}

func (c *counts) stats() []Stat {
	return []Stat{
		{"fs.lookups", c.lookups.Load()},
		{"fs.readdirs", c.readdirs.Load()},
		{"fs.opens", c.opens.Load()},
		{"fs.handles", c.handles.Load()}, // gauge: dumps' files that are open
		{"fs.reads", c.reads.Load()},
		{"fs.read_bytes", c.readBytes.Load()},
		{"fs.edits", c.edits.Load()},
		{"fs.interrupted", c.interrupted.Load()},
		{"fs.failures", c.failures.Load()},
	}
}

// workers are goroutines that may outlive the call that started them.
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

// stop cancels what is running and waits for it. Go must not be called any more.
func (b *workers) stop() {
	b.cancel()
	b.running.Wait()
}
