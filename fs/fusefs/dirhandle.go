package fusefs

import (
	"context"
	"syscall"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/fs"
)

// dirHandle is an open directory. It reads from one listing, taken at the first read and again
// after rewinddir(3). Positions are indexes, so any seek is exact. "." and ".." come first.
type dirHandle struct {
	node *node
	dir  fs.Dir
	list fs.Listing // nil before the first read
	next int        // index of the next entry, including "." and ".."
}

var _ interface {
	gofs.FileReaddirenter
	gofs.FileSeekdirer
	gofs.FileLookuper
} = (*dirHandle)(nil)

// dots is the number of entries before those in the listing.
const dots = 2

func (h *dirHandle) Readdirent(ctx context.Context) (*fuse.DirEntry, syscall.Errno) {
	if h.list == nil {
		c := h.node.b.request(ctx)
		defer c.end()
		l, err := h.dir.List(c)
		if err != nil {
			return nil, h.node.b.fail(c, "readdir", h.dir.Path(), err)
		}
		h.list = l
		h.node.b.tree.CountReaddir()
	}
	for h.next >= dots+h.list.Len() {
		if more, errno := h.grow(ctx); !more {
			return nil, errno
		}
	}
	e := h.entry(h.next)
	h.next++
	e.Off = uint64(h.next)
	return &e, 0
}

// grow reports whether the listing has grown.
func (h *dirHandle) grow(ctx context.Context) (bool, syscall.Errno) {
	g, ok := h.list.(fs.GrowingListing)
	if !ok {
		return false, 0
	}
	c := h.node.b.request(ctx)
	defer c.end()
	more, err := g.Grow(c)
	return more, h.node.b.fail(c, "readdir", h.dir.Path(), err)
}

func (h *dirHandle) entry(i int) fuse.DirEntry {
	switch i {
	case 0:
		return fuse.DirEntry{Name: ".", Mode: syscall.S_IFDIR, Ino: h.node.StableAttr().Ino}
	case 1:
		up := &h.node.Inode
		if _, parent := up.Parent(); parent != nil {
			up = parent
		}
		return fuse.DirEntry{Name: "..", Mode: syscall.S_IFDIR, Ino: up.StableAttr().Ino}
	}
	e := h.list.At(i - dots)
	return fuse.DirEntry{Name: e.Name, Mode: modeOf(e.Mode), Ino: e.Ino}
}

// Seekdir sets the position. Position 0 takes a new listing.
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

// Lookup is called for READDIRPLUS with the most recently read entry.
func (h *dirHandle) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	last := h.next - 1 - dots
	if l, ok := h.list.(fs.NodeListing); ok && last >= 0 && last < l.Len() && l.At(last).Name == name {
		return h.node.entry(ctx, l.EntryAt(last), out), 0
	}
	return h.node.Lookup(ctx, name, out)
}
