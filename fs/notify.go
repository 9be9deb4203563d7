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
//
// It invalidates attributes and listings, never names. To invalidate a name
// (FUSE_NOTIFY_INVAL_ENTRY, FUSE_NOTIFY_DELETE) the kernel takes the lock of the
// directory, which a call that waits for this process may hold. A process that is
// killed meanwhile leaves a thread in the kernel that no signal ends: the thread waits
// for the lock, its owner for the answer, and the connection stays open. Attributes and
// listings are invalidated without any lock that is held across a call to us
// (fuse_reverse_inval_inode in fs/fuse/inode.c). See names.go for names.
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
		tellDir(d, changes)
	}
	for _, c := range changes {
		if c.New == nil {
			n.t.drafts.abandon(c.ID.String())
		} else if dir := n.dumpDir(c.ID.String()); dir != nil {
			tellBelow(dir)
		}
	}
}

// tellDir tells the kernel what the changes did to one directory.
func tellDir(d liveDir, changes []corpus.Change) {
	dir, touched := d.EmbeddedInode(), false
	for _, c := range changes {
		d.touched(c, func(name string) {
			touched = true
			if child := dir.GetChild(name); child != nil {
				tellAttr(child)
			}
		})
	}
	if touched {
		tellListing(dir)
	}
}

// tellAttr tells the kernel that the attributes of n are not known any more. The pages
// of an object stay: they are those of a version.
func tellAttr(n *fusefs.Inode) { n.NotifyContent(-1, 0) }

// tellListing tells the kernel that a directory is to be read again.
func tellListing(dir *fusefs.Inode) { dir.NotifyContent(0, 0) }

// tellBelow tells the kernel that whatever is in a dump's directory may have changed.
func tellBelow(dir *fusefs.Inode) {
	for _, child := range dir.Children() {
		tellAttr(child)
		if child.IsDir() {
			tellBelow(child)
		}
	}
}

func (n *notifier) tellEverything() {
	for _, d := range n.t.live.all() {
		dir := d.EmbeddedInode()
		for _, child := range dir.Children() {
			tellAttr(child)
		}
		tellListing(dir)
	}
	hashes := n.root.GetChild(hashDirName)
	if hashes == nil {
		return
	}
	for _, dump := range hashes.Children() {
		tellBelow(dump)
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
