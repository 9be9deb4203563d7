package fs

import (
	"sync"
	"sync/atomic"
	"time"

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

	late []lateName // of run alone

	quit  chan struct{}
	ended chan struct{}
}

// lateName is a name to be told when nobody waits in its directory any more.
type lateName struct {
	dir  *fusefs.Inode
	name string
	gone bool
}

// lateEvery is how often late names are tried again.
const lateEvery = 50 * time.Millisecond

// asking counts the lookups in a directory that may be waiting for the store.
// The kernel holds the directory's lock for each, and telling a name wants it
// alone: the notifier would wait for the slowest of them, and everybody else who
// looks into the directory for the notifier, beyond the reach of any signal.
type asking struct{ n atomic.Int32 }

func (a *asking) begin() (end func()) {
	a.n.Add(1)
	return func() { a.n.Add(-1) }
}

func (a *asking) isAsking() bool { return a.n.Load() > 0 }

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
		var again <-chan time.Time
		if len(n.late) > 0 {
			again = time.After(lateEvery)
		}
		select {
		case <-n.quit:
			return
		case <-n.wake:
		case <-again:
		}
		late := n.late
		n.late = nil
		for _, l := range late {
			n.tellName(l.dir, l.name, l.gone)
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
		tellDir(d, changes, n.tellName)
	}
	for _, c := range changes {
		if c.New == nil {
			n.t.drafts.abandon(c.ID.String())
		} else if dir := n.dumpDir(c.ID.String()); dir != nil {
			n.tellChildren(dir)
		}
	}
}

// tellDir tells what the changes did to one directory, name by name with tell.
func tellDir(d liveDir, changes []corpus.Change, tell func(dir *fusefs.Inode, name string, gone bool)) {
	dir, touched := d.EmbeddedInode(), false
	for _, c := range changes {
		d.touched(c, func(name string, gone bool) {
			touched = true
			tell(dir, name, gone)
		})
	}
	if touched {
		dir.NotifyContent(0, 0)
	}
}

// tellName tells that a name in dir may lead somewhere else now: at once, or when
// nobody waits in dir any more.
func (n *notifier) tellName(dir *fusefs.Inode, name string, gone bool) {
	if isAsked(dir) && len(n.late) < maxPending {
		n.late = append(n.late, lateName{dir, name, gone})
		return
	}
	tellNow(dir, name, gone)
}

// isAsked tells whether somebody may be waiting for the store in dir.
func isAsked(dir *fusefs.Inode) bool {
	d, ok := dir.Operations().(interface{ isAsking() bool })
	return ok && d.isAsking()
}

// tellNow tells that a name in dir may lead somewhere else now. Who watches dir
// sees a link disappear. A directory is never told dead: the kernel would hold
// to that when the dump came back.
func tellNow(dir *fusefs.Inode, name string, gone bool) {
	child := dir.GetChild(name)
	if gone && child != nil && !child.IsDir() && dir.NotifyDelete(name, child) == 0 {
		return
	}
	dir.NotifyEntry(name)
}

// tellUnlessAsked is tellNow for who must not wait: in a directory where somebody
// does, the notifier tells it.
func tellUnlessAsked(dir *fusefs.Inode, name string, gone bool) {
	if !isAsked(dir) {
		tellNow(dir, name, gone)
	}
}

// tellChildren tells that whatever is in a dump's directory may have changed. The
// pages of its objects stay: they are those of a version.
func (n *notifier) tellChildren(dir *fusefs.Inode) {
	for name, child := range dir.Children() {
		child.NotifyContent(-1, 0) // attributes alone
		if child.IsDir() {
			n.tellChildren(child)
		}
		n.tellName(dir, name, false)
	}
}

func (n *notifier) tellEverything() {
	for _, d := range n.t.live.all() {
		dir := d.EmbeddedInode()
		for name := range dir.Children() {
			n.tellName(dir, name, false)
		}
		dir.NotifyContent(0, 0)
	}
	hashes := n.root.GetChild(hashDirName)
	if hashes == nil {
		return
	}
	for _, dump := range hashes.Children() {
		n.tellChildren(dump)
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
