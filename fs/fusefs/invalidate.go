package fusefs

import (
	"slices"
	"sync"

	gofs "github.com/hanwen/go-fuse/v2/fs"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/fs"
)

// The kernel is notified of changes to attributes and listings, so that it can cache them for long,
// but never of changes to names.
//
// To invalidate a name (FUSE_NOTIFY_INVAL_ENTRY, FUSE_NOTIFY_DELETE) the kernel takes the lock of
// the directory, which may be held by a call that waits for this process. If this process is killed
// in the meantime, a kernel thread remains that no signal can end: it waits for the lock, the
// holder of the lock waits for a reply, and the connection stays open. Invalidating attributes and
// listings takes no lock that is held across a call to this process (fuse_reverse_inval_inode in
// fs/fuse/inode.c of Linux), so nothing here blocks. fs/nametimeout.go explains how long names are
// cached.

// watch records that the kernel has looked into a directory.
func (n *node) watch() {
	if _, ok := n.n.(fs.Watched); ok {
		n.b.watched.LoadOrStore(n, nil)
	}
}

// invalidations holds the most recently invalidated changes of dumps. An edit by this process is
// reported twice: once before it returns, and once in the order of all changes.
type invalidations struct {
	mu    sync.Mutex // guards what follows
	last  [64]documentChange
	count int // number of changes invalidated so far
}

// documentChange is a change of a dump's document. ETags identify the versions.
type documentChange struct {
	id       dump.ID
	old, now string
}

// changeOf reports whether c is a change of a document, rather than of other objects in the dump's
// directory.
func changeOf(c corpus.Change) (d documentChange, ok bool) {
	if c.Old == nil || c.New == nil || c.Old.ETag == c.New.ETag {
		return d, false
	}
	return documentChange{c.ID, c.Old.ETag, c.New.ETag}, true
}

// has reports whether a change has already been invalidated.
func (i *invalidations) has(c corpus.Change) bool {
	d, ok := changeOf(c)
	i.mu.Lock()
	defer i.mu.Unlock()
	return ok && slices.Contains(i.last[:], d)
}

func (i *invalidations) add(changes []corpus.Change) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, c := range changes {
		i.last[i.count%len(i.last)], _ = changeOf(c)
		i.count++
	}
}

// invalidate invalidates the views and dumps affected by changes of the corpus.
func (b *bridge) invalidate(changes []corpus.Change) {
	if slices.ContainsFunc(changes, corpus.Change.Everything) {
		b.invalidateAll()
		return
	}
	changes = slices.DeleteFunc(slices.Clone(changes), b.invalidations.has)
	for d := range b.watched.Range {
		d.(*node).invalidateViews(changes)
	}
	for _, c := range changes {
		if c.New == nil {
			continue
		}
		if hashes := b.root.GetChild("by-hash"); hashes != nil {
			if dir := hashes.GetChild(c.ID.String()); dir != nil {
				invalidateBelow(dir)
			}
		}
	}
	b.invalidations.add(changes)
}

// invalidateViews invalidates the parts of one directory affected by changes.
func (n *node) invalidateViews(changes []corpus.Change) {
	changed := false
	for _, c := range changes {
		n.n.(fs.Watched).Changed(c, func(name string) {
			changed = true
			if child := n.GetChild(name); child != nil {
				invalidateAttr(child)
			}
		})
	}
	if changed {
		invalidateListing(&n.Inode)
	}
}

// invalidateAttr invalidates the attributes of n. The pages of an object stay valid because they
// belong to one version.
func invalidateAttr(n *gofs.Inode) { n.NotifyContent(-1, 0) }

func invalidateListing(dir *gofs.Inode) { dir.NotifyContent(0, 0) }

// invalidateBelow invalidates everything in a dump's directory.
func invalidateBelow(dir *gofs.Inode) {
	for _, child := range dir.Children() {
		invalidateAttr(child)
		if child.IsDir() {
			invalidateBelow(child)
		}
	}
}

func (b *bridge) invalidateAll() {
	for d := range b.watched.Range {
		dir := d.(*node).EmbeddedInode()
		for _, child := range dir.Children() {
			invalidateAttr(child)
		}
		invalidateListing(dir)
	}
	if hashes := b.root.GetChild("by-hash"); hashes != nil {
		for _, dump := range hashes.Children() {
			invalidateBelow(dump)
		}
	}
}
