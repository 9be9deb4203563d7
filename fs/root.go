package fs

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/corpus"
)

// instant is a timeout of nothing: the library takes 0 for "the default".
const instant = time.Nanosecond

// root is the mountpoint. Nothing about it ever needs the store.
type root struct{ node }

// topDir is a directory of the tree by which others get at the node.
type topDir interface {
	fusefs.InodeEmbedder
	identity() fusefs.StableAttr
	attr(*fuse.Attr)
}

// top makes the node of a name at the root, or nil.
func (r *root) top(name string) topDir {
	switch name {
	case hashDirName:
		return &hashDir{dirNode: r.t.dirNode(name)}
	case "by-node":
		return &valueDir{dirNode: r.t.dirNode(name), field: corpus.Node}
	case "by-cmd":
		return &valueDir{dirNode: r.t.dirNode(name), field: corpus.Cmd}
	case ticketsName:
		return &ticketsDir{valueDir{dirNode: r.t.dirNode(name), field: corpus.Ticket}}
	case "by-type":
		return &valueDir{dirNode: r.t.dirNode(name), field: corpus.TypeField}
	case "by-platform":
		return &valueDir{dirNode: r.t.dirNode(name), field: corpus.Platform}
	case "by-signature":
		return &valueDir{dirNode: r.t.dirNode(name), field: corpus.Signature}
	case "by-time":
		return &timeDir{dirNode: r.t.dirNode(name)}
	case "query":
		return &queryDir{r.t.dirNode(name)}
	case analyzersName:
		return r.t.analyzerDir()
	case controlName:
		return &controlDir{r.t.dirNode(name)}
	}
	return nil
}

// topNames are the names at the root that are listed.
func topNames() []string {
	return []string{analyzersName, "by-cmd", hashDirName, "by-node", "by-platform", "by-signature", ticketsName, "by-time", "by-type", "query"}
}

var _ fusefs.NodeGetattrer = (*root)(nil)

func (r *root) Getattr(ctx context.Context, h fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	r.t.attr(&out.Attr, modeDir, 0, r.t.started)
	return 0
}

var _ fusefs.NodeLookuper = (*root)(nil)

func (r *root) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	d := r.top(name)
	if d == nil {
		return nil, syscall.ENOENT
	}
	d.attr(&out.Attr)
	out.SetEntryTimeout(nameTimeout)
	return r.child(ctx, d, d.identity()), 0
}

var _ fusefs.NodeOpendirHandler = (*root)(nil)

func (r *root) OpendirHandle(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return r.t.openDir(r, true)
}

func (r *root) list(context.Context) (listing, error) {
	var l names
	for _, name := range topNames() {
		l.add(name, modeDir, number(kindDir, name))
	}
	slices.SortFunc(l, func(a, b fuse.DirEntry) int { return strings.Compare(a.Name, b.Name) })
	return l, nil
}
