package fs

import (
	"maps"
	"slices"
	"sync"

	fusefs "github.com/hanwen/go-fuse/v2/fs"

	"thothfs/corpus"
)

// liveDir is a directory that the kernel may know, and has to be told about.
type liveDir interface {
	fusefs.InodeEmbedder
	// touched calls tell with every name in the directory that the change may
	// have made, removed or altered.
	touched(c corpus.Change, tell func(name string))
}

// liveDirs are the directories that somebody has looked into.
type liveDirs struct {
	mu  sync.Mutex // guards set
	set map[liveDir]struct{}
}

func (l *liveDirs) add(d liveDir) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.set == nil {
		l.set = map[liveDir]struct{}{}
	}
	l.set[d] = struct{}{}
}

func (l *liveDirs) remove(d liveDir) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.set, d)
}

// all returns the directories in no order.
func (l *liveDirs) all() []liveDir {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.set))
}

// The kernel forgets a directory: nobody has to be told any more.

var _ fusefs.NodeOnForgetter = (*hashDir)(nil)

func (d *hashDir) OnForget() { d.t.live.remove(d) }

var _ fusefs.NodeOnForgetter = (*viewDir)(nil)

func (v *viewDir) OnForget() { v.t.live.remove(v) }

var _ fusefs.NodeOnForgetter = (*valueDir)(nil)

func (d *valueDir) OnForget() { d.t.live.remove(d) }

var _ fusefs.NodeOnForgetter = (*timeDir)(nil)

func (d *timeDir) OnForget() { d.t.live.remove(d) }
