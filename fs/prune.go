package fs

import (
	"slices"
	"sync"
	"weak"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
)

// maxNodes is how many nodes the kernel may keep us at; beyond it the oldest are
// taken back. It forgets by itself only when the whole machine is short of memory:
// one find over a million dumps would take gigabytes of ours first.
const maxNodes = 50_000

// pruner remembers the nodes that were made, oldest first.
type pruner struct {
	root *fusefs.Inode
	wake chan struct{} // holds a token when there are too many

	mu   sync.Mutex // guards made
	made []weak.Pointer[fusefs.Inode]
}

func (p *pruner) add(n *fusefs.Inode) {
	p.mu.Lock()
	p.made = append(p.made, weak.Make(n))
	many := len(p.made) > maxNodes
	p.mu.Unlock()
	if !many {
		return
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run asks the kernel to let go of the oldest, until quit. What is in use it keeps.
func (p *pruner) run(quit <-chan struct{}) {
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

// prune takes back a quarter when there are too many. Children go before the
// directories that they are in, which the kernel could not forget otherwise.
func (p *pruner) prune() bool {
	p.mu.Lock()
	// Of a node that is looked up again another is made, which the tree does not keep.
	p.made = slices.DeleteFunc(p.made, func(n weak.Pointer[fusefs.Inode]) bool { return n.Value() == nil })
	if len(p.made) <= maxNodes*3/4 {
		p.mu.Unlock()
		return false
	}
	old := slices.Clone(p.made[:maxNodes/4])
	p.made = append(p.made[:0], p.made[maxNodes/4:]...)
	p.mu.Unlock()
	slices.Reverse(old)
	for part := range slices.Chunk(old, 1000) {
		var nodes []*fusefs.Inode
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
