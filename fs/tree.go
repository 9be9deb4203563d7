package fs

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/store"
)

// blockSize is the st_blksize of everything, in bytes.
const blockSize = 4096

// tree is what every node of one mount shares.
type tree struct {
	o        Options
	local    store.Local // nil: contents come through o.Cache
	uid, gid uint32
	started  time.Time
	words    *words
	counts   counts
	slow     slowReads
	passes   passes
	live     liveDirs
	nodes    pruner
	recent   recentSnapshots
	drafts   drafts
	docs     keptDocs
	tickets  madeTickets
	renames  atomic.Uint64 // of files on shelves

	background *background

	missingTimeout time.Duration // of names that are not there, unless their directory says otherwise

	mu         sync.Mutex // guards generation, changed
	generation uint64
	changed    time.Time // when that generation was first seen
}

func newTree(o Options) *tree {
	local, _ := localStore(o.Store)
	now := time.Now()
	return &tree{
		o: o, local: local,
		uid: uint32(os.Geteuid()), gid: uint32(os.Getegid()),
		started: now, changed: now, generation: o.Corpus.Generation(),
		words: newWords(o.Log), missingTimeout: min(o.AttrTimeout, missingTimeout),
		nodes:      pruner{wake: make(chan struct{}, 1)},
		background: newBackground(),
	}
}

// call begins the context for a request that may wait. end must be called.
func (t *tree) call(ctx context.Context) *call { return newCall(ctx, t.o.OpTimeout, t.o.Grace) }

// fail turns the error of an operation into its errno and says why in the log.
// ctx is the one that the operation ran under: whatever a layer below makes of
// the end of its context, an interrupted call is EINTR.
func (t *tree) fail(ctx context.Context, op, path string, err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = cause
	}
	errno := errnoOf(err)
	t.counts.failed(errno)
	if !isExpected(errno) {
		t.words.failed(op, path, errno, err)
	}
	return errno
}

// lastChange is the time of the last change to the corpus that this mount saw,
// with the generation that it brought: the mtime of every directory that is made
// from the catalogue, so that the kernel may cache what they list.
func (t *tree) lastChange() (uint64, time.Time) {
	g := t.o.Corpus.Generation()
	t.mu.Lock()
	defer t.mu.Unlock()
	if g != t.generation {
		t.generation = g
		if now := time.Now(); now.After(t.changed) {
			t.changed = now
		} else { // the clock was set back; the kernel looks for a difference
			t.changed = t.changed.Add(time.Microsecond)
		}
	}
	return g, t.changed
}

// attr fills in what all files have in common.
func (t *tree) attr(out *fuse.Attr, mode uint32, size int64, mtime time.Time) {
	out.Mode = mode
	out.Size = uint64(size)
	out.Blksize = blockSize
	out.Blocks = uint64(size+511) / 512
	out.Nlink = 1
	out.Uid, out.Gid = t.uid, t.gid
	if mtime.IsZero() || mtime.Unix() < 0 {
		mtime = time.Unix(0, 0)
	}
	out.SetTimes(&mtime, &mtime, &mtime)
}

// counts are what this package adds to .thothfs/stats.
type counts struct {
	lookups, readdirs, opens, handles, reads, readBytes, interrupted, failures, nodes, edits atomic.Int64
}

func (c *counts) failed(errno syscall.Errno) {
	switch {
	case errno == syscall.EINTR:
		c.interrupted.Add(1)
	case !isExpected(errno):
		c.failures.Add(1)
	}
}

func (c *counts) stats() []Stat {
	return []Stat{
		{"fs.lookups", c.lookups.Load()},
		{"fs.nodes", c.nodes.Load()},
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
