package fs

import (
	"context"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// dirNode is a directory of the tree that the catalogue makes.
type dirNode struct {
	node
	path string // from the root: "by-cmd/node"; also what its number is made of
}

func (t *tree) dirNode(path string) dirNode { return dirNode{node{t: t}, path} }

func (d *dirNode) identity() fusefs.StableAttr {
	return identity(syscall.S_IFDIR, number(kindDir, d.path), d.path)
}

// listingSize is the st_blksize of a directory, in bytes: readdir(3) of glibc asks the
// kernel for so much at a time, and the kernel us.
const listingSize = 256 << 10

// below is the path of a name in the directory.
func (d *dirNode) below(name string) string { return d.path + "/" + name }

var _ fusefs.NodeGetattrer = (*dirNode)(nil)

// Getattr answers from memory.
func (d *dirNode) Getattr(ctx context.Context, h fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	d.attr(&out.Attr)
	return 0
}

func (d *dirNode) attr(out *fuse.Attr) {
	_, changed := d.t.lastChange()
	d.t.attr(out, modeDir, 0, changed)
	out.Blksize = listingSize
}

// listing is what a directory holds at one moment, in an order that stays.
type listing interface {
	len() int
	entry(i int) fuse.DirEntry // without Off
}

// growing is a listing that is still being made.
type growing interface {
	// grow waits until the listing is longer, and tells whether it will ever be.
	grow(ctx context.Context) (bool, error)
}

// names is a listing of few entries.
type names []fuse.DirEntry

func (n names) len() int                  { return len(n) }
func (n names) entry(i int) fuse.DirEntry { return n[i] }

func (n *names) add(name string, mode uint32, ino uint64) {
	*n = append(*n, fuse.DirEntry{Name: name, Mode: mode & syscall.S_IFMT, Ino: ino})
}

// lister is a directory that a dirHandle reads.
type lister interface {
	fusefs.InodeEmbedder
	fusefs.NodeLookuper
	list(ctx context.Context) (listing, error)
	place() string
}

// entryLookuper is a lister that makes the node of an entry without looking for
// it, for ls -l.
type entryLookuper interface {
	lookupEntry(ctx context.Context, l listing, i int, out *fuse.EntryOut) *fusefs.Inode
}

// dirHandle is an open directory. It reads from one snapshot, taken when reading
// begins and again after rewinddir(3); positions are places in it, so that any
// seek is exact. "." and ".." come first.
type dirHandle struct {
	t    *tree
	dir  lister
	list listing // nil before the first read
	next int     // of the entries with dots counted
}

// dots is how many entries come before those of the listing.
const dots = 2

// open makes a handle on a directory. cache lets the kernel keep the listing: it
// forgets it when the directory's mtime changes, or when it is told.
func (t *tree) openDir(d lister, cache bool) (fusefs.FileHandle, uint32, syscall.Errno) {
	if cache {
		return &dirHandle{t: t, dir: d}, fuse.FOPEN_CACHE_DIR, 0
	}
	return &dirHandle{t: t, dir: d}, 0, 0
}

var _ fusefs.FileReaddirenter = (*dirHandle)(nil)

func (h *dirHandle) Readdirent(ctx context.Context) (*fuse.DirEntry, syscall.Errno) {
	if h.list == nil {
		c := h.t.call(ctx)
		defer c.end()
		l, err := h.dir.list(c)
		if err != nil {
			return nil, h.t.fail(c, "readdir", h.dir.place(), err)
		}
		h.list = l
		h.t.counts.readdirs.Add(1)
	}
	for h.next >= dots+h.list.len() {
		if more, errno := h.grow(ctx); !more {
			return nil, errno
		}
	}
	e := h.entry(h.next)
	h.next++
	e.Off = uint64(h.next)
	return &e, 0
}

// grow tells whether the listing has become longer.
func (h *dirHandle) grow(ctx context.Context) (bool, syscall.Errno) {
	g, ok := h.list.(growing)
	if !ok {
		return false, 0
	}
	c := h.t.call(ctx)
	defer c.end()
	more, err := g.grow(c)
	return more, h.t.fail(c, "readdir", h.dir.place(), err)
}

func (h *dirHandle) entry(i int) fuse.DirEntry {
	switch i {
	case 0:
		return fuse.DirEntry{Name: ".", Mode: syscall.S_IFDIR, Ino: h.dir.EmbeddedInode().StableAttr().Ino}
	case 1:
		up := h.dir.EmbeddedInode()
		if _, parent := up.Parent(); parent != nil {
			up = parent
		}
		return fuse.DirEntry{Name: "..", Mode: syscall.S_IFDIR, Ino: up.StableAttr().Ino}
	}
	return h.list.entry(i - dots)
}

var _ fusefs.FileSeekdirer = (*dirHandle)(nil)

// Seekdir goes to a position; to the start means to look anew.
func (h *dirHandle) Seekdir(ctx context.Context, off uint64) syscall.Errno {
	if off == 0 {
		h.list = nil
	}
	if off > 1<<40 {
		return syscall.EINVAL
	}
	h.next = int(off)
	return 0
}

var _ fusefs.FileLookuper = (*dirHandle)(nil)

// Lookup is asked for the entry that was read last.
func (h *dirHandle) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	last := h.next - 1 - dots
	if quick, ok := h.dir.(entryLookuper); ok && h.list != nil && last >= 0 && last < h.list.len() && h.list.entry(last).Name == name {
		return quick.lookupEntry(ctx, h.list, last, out), 0
	}
	return h.dir.Lookup(ctx, name, out)
}

// dumpTime is how the time of a dump shows as an mtime: whole seconds, and the
// epoch when it is not known.
func dumpTime(seconds int64) time.Time { return time.Unix(seconds, 0) }
