package fusefs

import (
	"slices"
	"sync"
	"sync/atomic"
	"weak"

	gofs "github.com/hanwen/go-fuse/v2/fs"
)

// maxNodes is the number of inodes beyond which the oldest are removed. This process must keep an
// inode until the kernel forgets it, and the kernel does that by itself only when the whole machine
// is short of memory. Without a limit, a find over a million dumps would take gigabytes.
const maxNodes = 50_000

// nodeLimit limits the number of inodes.
type nodeLimit struct {
	root *gofs.Inode
	wake chan struct{} // holds a token when there are too many inodes

	made atomic.Int64 // inodes created since the mount

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

// run removes the oldest unused inodes until quit is closed.
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

// prune asks the kernel to forget a quarter of the inodes if there are too many. Children go before
// their directories, since the kernel cannot forget a directory that has children.
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
			return false // kernels before 6.18 do not support it
		}
	}
	return true
}
