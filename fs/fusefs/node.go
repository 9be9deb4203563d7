package fusefs

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"thothfs/dump/document"
	"thothfs/fs"
)

// bridge is the state shared by all nodes of a mount.
type bridge struct {
	tree        *fs.Tree
	gid         uint32 // group of everything
	o           Options
	root        *node
	nodes       nodeLimit
	passthrough passthrough
	watched     sync.Map // *node: the directories that the kernel has looked into

	invalidations invalidations
}

// node connects an inode of the kernel to a node of the tree. It is the only inode type.
type node struct {
	gofs.Inode
	b    *bridge
	n    fs.Node
	pass passthroughState // objects only
}

var _ interface {
	gofs.NodeAccesser
	gofs.NodeCreater
	gofs.NodeFsyncer
	gofs.NodeGetattrer
	gofs.NodeGetxattrer
	gofs.NodeLinker
	gofs.NodeListxattrer
	gofs.NodeLookuper
	gofs.NodeMkdirer
	gofs.NodeMknoder
	gofs.NodeOnForgetter
	gofs.NodeOpendirHandler
	gofs.NodeOpener
	gofs.NodeReadlinker
	gofs.NodeRemovexattrer
	gofs.NodeRenamer
	gofs.NodeRmdirer
	gofs.NodeSetattrer
	gofs.NodeSetxattrer
	gofs.NodeStatfser
	gofs.NodeSymlinker
	gofs.NodeTmpfiler
	gofs.NodeUnlinker
} = (*node)(nil)

// noTime is a timeout that expires immediately. 0 would mean the default of go-fuse.
const noTime = time.Nanosecond

// fail returns the errno for a failed operation. It logs real failures, but not errors that are
// ordinary results.
func (b *bridge) fail(ctx context.Context, op, path string, err error) syscall.Errno {
	return errnoOf(b.tree.Fail(ctx, op, path, err, func(err error) string { return errnoOf(err).Error() }))
}

// below returns the path of a name in the directory n.
func (n *node) below(name string) string {
	if dir := n.n.Path(); dir != "" {
		return dir + "/" + name
	}
	return name
}

// attr converts attributes for the kernel.
func (b *bridge) attr(a fs.Attr, out *fuse.Attr) {
	out.Mode = modeOf(a.Mode)
	out.Size = uint64(a.Size)
	out.Blksize = uint32(a.BlockSize)
	out.Blocks = uint64(a.Allocated+511) / 512
	out.Nlink = 1
	out.Uid, out.Gid = b.tree.Owner(), b.gid
	out.SetTimes(&a.ModTime, &a.ModTime, &a.ModTime)
}

// modeOf returns m as an st_mode.
func modeOf(m os.FileMode) uint32 {
	mode := uint32(m.Perm())
	switch {
	case m.IsDir():
		return mode | syscall.S_IFDIR
	case m&os.ModeSymlink != 0:
		return mode | syscall.S_IFLNK
	}
	return mode | syscall.S_IFREG
}

// entry fills in the reply to a lookup and returns the inode: a new one, or the one that the kernel
// already has for the node.
func (n *node) entry(ctx context.Context, e fs.Entry, out *fuse.EntryOut) *gofs.Inode {
	n.b.attr(e.Attr, &out.Attr)
	out.SetEntryTimeout(e.TTL)
	if e.Attr.Volatile {
		out.SetAttrTimeout(noTime)
	}
	id := e.Node.ID()
	stable := gofs.StableAttr{Mode: out.Attr.Mode & syscall.S_IFMT, Ino: id.Ino(), Gen: id.Generation()}
	inode := n.NewInode(ctx, &node{b: n.b, n: e.Node}, stable)
	n.b.nodes.add(inode)
	return inode
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	n.watch()
	d, ok := n.n.(fs.Dir)
	if !ok {
		return nil, syscall.ENOTDIR
	}
	c := n.b.request(ctx)
	defer c.end()
	n.b.tree.CountLookup()
	e, err := d.Lookup(c, name)
	if err != nil {
		out.SetEntryTimeout(max(e.TTL, noTime))
		return nil, n.b.fail(c, "lookup", n.below(name), err)
	}
	return n.entry(ctx, e, out), 0
}

func (n *node) OnForget() { n.b.watched.Delete(n) }

// Getattr uses the open file if its name is gone.
func (n *node) Getattr(ctx context.Context, h gofs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	c := n.b.request(ctx)
	defer c.end()
	a, err := n.n.Attr(c)
	if errors.Is(err, fs.ErrGone) {
		f, isWritable := n.n.(fs.WritableFile)
		h, isOpen := h.(*fileHandle)
		if isWritable && isOpen {
			if open, ok := f.HandleAttr(h.h); ok {
				a, err = open, nil
			}
		}
	}
	if err != nil {
		return n.b.fail(c, "getattr", n.n.Path(), err)
	}
	n.b.attr(a, &out.Attr)
	if a.Volatile {
		out.SetTimeout(noTime)
	}
	return 0
}

// Setattr changes the length of a file. It ignores changes of mode, owner and times on writable
// nodes, because cp -p, mkdir -m and editors make them and must not fail.
func (n *node) Setattr(ctx context.Context, h gofs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	c := n.b.request(ctx)
	defer c.end()
	if err := n.b.tree.MayWrite(c, n.n); err != nil {
		return errnoOf(err)
	}
	if size, ok := in.GetSize(); ok {
		f, ok := n.n.(fs.WritableFile)
		if !ok {
			return syscall.EROFS
		}
		var open fs.Handle
		if h, ok := h.(*fileHandle); ok {
			open = h.h
		}
		if err := f.Truncate(c, open, int64(min(size, 1<<62))); err != nil {
			return n.b.fail(c, "truncate", n.n.Path(), err)
		}
	}
	out.Ino = n.StableAttr().Ino // go-fuse does not set it here
	return n.Getattr(ctx, h, out)
}

// The mode bits of access(2).
const (
	accessExec  = 1
	accessWrite = 2
)

// Access allows everybody to read.
func (n *node) Access(ctx context.Context, mask uint32) syscall.Errno {
	if mask&accessWrite != 0 {
		c := n.b.request(ctx)
		defer c.end()
		if err := n.b.tree.MayWrite(c, n.n); err != nil {
			return errnoOf(err)
		}
	}
	if _, isFile := n.n.(fs.File); isFile && mask&accessExec != 0 && !n.isExecutable(ctx) {
		return syscall.EACCES
	}
	return 0
}

func (n *node) isExecutable(ctx context.Context) bool {
	if _, ok := n.n.(fs.WritableFile); !ok {
		return false
	}
	a, err := n.n.Attr(ctx)
	return err == nil && a.Mode&0o111 != 0
}

// Statfs uses only memory, so that df does not hang if the store does not respond.
func (n *node) Statfs(ctx context.Context, out *fuse.StatfsOut) syscall.Errno {
	const blockSize = 4096
	*out = fuse.StatfsOut{Bsize: blockSize, Frsize: blockSize, NameLen: fs.MaxName}
	return 0
}

func (n *node) Readlink(ctx context.Context) ([]byte, syscall.Errno) {
	if l, ok := n.n.(fs.Link); ok {
		return []byte(l.Target()), 0
	}
	return nil, syscall.EINVAL
}

func (n *node) OpendirHandle(ctx context.Context, flags uint32) (gofs.FileHandle, uint32, syscall.Errno) {
	n.watch()
	d, ok := n.n.(fs.Dir)
	if !ok {
		return nil, 0, syscall.ENOTDIR
	}
	c := newRequest(ctx, untilRead, n.b.o.Grace)
	defer c.end()
	cacheable, err := d.Open(c)
	if err != nil {
		return nil, 0, n.b.fail(c, "opendir", n.n.Path(), err)
	}
	h := &dirHandle{node: n, dir: d}
	if cacheable {
		return h, fuse.FOPEN_CACHE_DIR, 0
	}
	return h, 0, 0
}

// openFlags converts the flags of open(2).
func openFlags(flags uint32) fs.OpenFlags {
	return fs.OpenFlags{
		Write:     flags&syscall.O_ACCMODE != syscall.O_RDONLY,
		Append:    flags&syscall.O_APPEND != 0,
		Truncate:  flags&syscall.O_TRUNC != 0,
		Exclusive: flags&syscall.O_EXCL != 0,
	}
}

// Open uses the kernel's page cache for objects, since a version never changes. All other files
// bypass it: for these a handle is one version, and the node stands for the name.
func (n *node) Open(ctx context.Context, flags uint32) (gofs.FileHandle, uint32, syscall.Errno) {
	f, ok := n.n.(fs.File)
	if !ok {
		return nil, 0, syscall.EISDIR
	}
	c := n.b.request(ctx)
	defer c.end()
	h, err := f.Open(c, openFlags(flags))
	if err != nil {
		return nil, 0, n.b.fail(c, "open", n.n.Path(), err)
	}
	object, ok := h.(fs.ObjectHandle)
	if _, byName := n.n.(fs.WritableFile); !ok || byName {
		return n.handle(h), fuse.FOPEN_DIRECT_IO, 0
	}
	entered, err := n.enter(c, object)
	if err != nil {
		return nil, 0, n.b.fail(c, "open", n.n.Path(), err)
	}
	return entered, fuse.FOPEN_KEEP_CACHE, 0
}

// Fsync stores what has been written so far.
func (n *node) Fsync(ctx context.Context, h gofs.FileHandle, flags uint32) syscall.Errno {
	if h, ok := h.(*fileHandle); ok {
		return h.commit(ctx, "fsync", false)
	}
	return 0
}

// Getxattr follows xattr(7): a probe (no buffer) returns the size, and a buffer that is too small
// returns ERANGE, never part of the value.
func (n *node) Getxattr(ctx context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	c := n.b.request(ctx)
	defer c.end()
	value, err := n.b.tree.Getxattr(c, n.n, name)
	if err != nil {
		return 0, n.b.fail(c, "getxattr "+name, n.n.Path(), err)
	}
	return copyXattr(dest, value)
}

func (n *node) Listxattr(ctx context.Context, dest []byte) (uint32, syscall.Errno) {
	c := n.b.request(ctx)
	defer c.end()
	list, err := n.b.tree.Listxattr(c, n.n)
	if err != nil {
		return 0, n.b.fail(c, "listxattr", n.n.Path(), err)
	}
	return copyXattr(dest, list)
}

func copyXattr(dest []byte, value string) (uint32, syscall.Errno) {
	if len(dest) < len(value) {
		return uint32(len(value)), syscall.ERANGE
	}
	return uint32(copy(dest, value)), 0
}

func (n *node) Setxattr(ctx context.Context, name string, data []byte, flags uint32) syscall.Errno {
	condition := document.Always
	switch flags {
	case unix.XATTR_CREATE:
		condition = document.IfAbsent
	case unix.XATTR_REPLACE:
		condition = document.IfPresent
	case 0:
	default:
		return syscall.EINVAL
	}
	c := n.b.request(ctx)
	defer c.end()
	return n.b.fail(c, "setxattr "+name, n.n.Path(), n.b.tree.Setxattr(c, n.n, name, string(data), condition))
}

func (n *node) Removexattr(ctx context.Context, name string) syscall.Errno {
	c := n.b.request(ctx)
	defer c.end()
	return n.b.fail(c, "removexattr "+name, n.n.Path(), n.b.tree.Removexattr(c, n.n, name))
}
