package fs

import (
	"sync"

	fusefs "github.com/hanwen/go-fuse/v2/fs"

	"thothfs/corpus"
)

// maxPending is how many changes wait for the notifier before they are summed up
// as "look at everything again".
const maxPending = 8192

// notifier tells the kernel what has changed, so that its caches can be long-lived.
// It has a goroutine of its own and holds no lock while it tells: the kernel may
// first want an answer to a lookup in the very directory.
type notifier struct {
	t    *tree
	root *root

	mu      sync.Mutex // guards pending
	pending []corpus.Change
	wake    chan struct{} // holds one token when pending is not empty

	quit  chan struct{}
	ended chan struct{}
}

// startNotifier begins to follow the corpus. stop ends it.
func startNotifier(t *tree, r *root) (stop func()) {
	n := &notifier{t: t, root: r, wake: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{})}
	unsubscribe := t.o.Corpus.Subscribe(n.enqueue)
	go n.run() // ended by stop
	return func() {
		unsubscribe()
		close(n.quit)
		<-n.ended
	}
}

// enqueue takes changes over. It never waits.
func (n *notifier) enqueue(changes []corpus.Change) {
	n.mu.Lock()
	if len(n.pending)+len(changes) > maxPending {
		n.pending, changes = nil, []corpus.Change{{}}
	}
	n.pending = append(n.pending, changes...)
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *notifier) run() {
	defer close(n.ended)
	for {
		select {
		case <-n.quit:
			return
		case <-n.wake:
		}
		n.mu.Lock()
		changes := n.pending
		n.pending = nil
		n.mu.Unlock()
		n.tell(changes)
	}
}

func (n *notifier) tell(changes []corpus.Change) {
	for _, c := range changes {
		if c.Everything() {
			n.tellEverything()
			return
		}
	}
	for _, d := range n.t.live.all() {
		n.tellDir(d, changes)
	}
	for _, c := range changes {
		if dir := n.dumpDir(c.ID.String()); dir != nil && c.New != nil {
			tellChildren(dir)
		}
	}
}

// tellDir tells what the changes did to one directory.
func (n *notifier) tellDir(d liveDir, changes []corpus.Change) {
	dir, touched := d.EmbeddedInode(), false
	for _, c := range changes {
		d.touched(c, func(name string, gone bool) {
			touched = true
			tellName(dir, name, gone)
		})
	}
	if touched {
		dir.NotifyContent(0, 0)
	}
}

// tellName tells that a name in dir may lead somewhere else now. Who watches dir
// sees a link disappear. A directory is never told dead: the kernel would hold
// to that when the dump came back.
func tellName(dir *fusefs.Inode, name string, gone bool) {
	child := dir.GetChild(name)
	if gone && child != nil && !child.IsDir() && dir.NotifyDelete(name, child) == 0 {
		return
	}
	dir.NotifyEntry(name)
}

// tellChildren tells that whatever is in a dump's directory may have changed. The
// pages of its objects stay: they are those of a version.
func tellChildren(dir *fusefs.Inode) {
	for name, child := range dir.Children() {
		child.NotifyContent(-1, 0) // attributes alone
		if child.IsDir() {
			tellChildren(child)
		}
		dir.NotifyEntry(name)
	}
}

func (n *notifier) tellEverything() {
	for _, d := range n.t.live.all() {
		dir := d.EmbeddedInode()
		for name := range dir.Children() {
			dir.NotifyEntry(name)
		}
		dir.NotifyContent(0, 0)
	}
	hashes := n.root.GetChild(hashDirName)
	if hashes == nil {
		return
	}
	for _, dump := range hashes.Children() {
		tellChildren(dump)
	}
}

// dumpDir is the directory of a dump if the kernel knows it.
func (n *notifier) dumpDir(hash string) *fusefs.Inode {
	hashes := n.root.GetChild(hashDirName)
	if hashes == nil {
		return nil
	}
	return hashes.GetChild(hash)
}
