package fusefs

import (
	"slices"
	"sync"
	"sync/atomic"
	"weak"

	gofs "github.com/hanwen/go-fuse/v2/fs"
)

// maxNodes limits the inodes that the kernel makes this process keep; beyond it the oldest
// are removed. The kernel forgets inodes by itself only when the whole machine is short of
// memory: one find over a million dumps would take gigabytes here first.
const maxNodes = 50_000

// nodeLimit limits the number of inodes.
type nodeLimit struct {
	root *gofs.Inode
	wake chan struct{} // holds a token when there are too many

	made atomic.Int64 // since the mount

	mu   sync.Mutex                 // guards what follows
	max  int                        // maxNodes, lower in tests
	list []weak.Pointer[gofs.Inode] // oldest first
}

func (p *nodeLimit) add(n *gofs.Inode) {
	p.made.Add(1)
	p.mu.Lock()
	p.list = append(p.list, weak.Make(n))
	many := len(p.list) > p.max
	p.mu.Unlock()
	if !many {
		return
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run removes the oldest inodes that are not in use until quit is closed.
func (p *nodeLimit) run(quit <-chan struct{}) {
	for {
		select {
		case <-quit:
			return
		case <-p.wake:
		}
		for p.prune() {
		}
	}
}

// prune asks the kernel to forget a quarter of the inodes when there are too many.
// Children go before their directories, which the kernel could not forget otherwise.
func (p *nodeLimit) prune() bool {
	p.mu.Lock()
	// A repeated lookup makes a second inode, which go-fuse discards.
	p.list = slices.DeleteFunc(p.list, func(n weak.Pointer[gofs.Inode]) bool { return n.Value() == nil })
	if len(p.list) <= p.max*3/4 {
		p.mu.Unlock()
		return false
	}
	old := slices.Clone(p.list[:p.max/4])
	p.list = append(p.list[:0], p.list[p.max/4:]...)
	p.mu.Unlock()
	slices.Reverse(old)
	for part := range slices.Chunk(old, 1000) {
		var nodes []*gofs.Inode
		for _, w := range part {
			if n := w.Value(); n != nil {
				nodes = append(nodes, n)
			}
		}
		if len(nodes) > 0 && p.root.NotifyPrune(nodes) != 0 {
			return false // a kernel older than 6.18 cannot
		}
	}
	return true
}
