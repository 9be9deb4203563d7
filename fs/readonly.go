package fs

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Whatever would change the tree answers EROFS here, unless a node knows better. The
// library's own answers would not do: an unlink, for one, would succeed.

// isWriting tells the flags of an open(2) that wants more than to read.
func isWriting(flags uint32) bool {
	return flags&syscall.O_ACCMODE != syscall.O_RDONLY || flags&(syscall.O_TRUNC|syscall.O_APPEND) != 0
}

var _ fusefs.NodeCreater = (*node)(nil)

func (n *node) Create(context.Context, string, uint32, uint32, *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EROFS
}

var _ fusefs.NodeTmpfiler = (*node)(nil)

func (n *node) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EROFS
}

var _ fusefs.NodeMkdirer = (*node)(nil)

func (n *node) Mkdir(context.Context, string, uint32, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EROFS
}

var _ fusefs.NodeMknoder = (*node)(nil)

func (n *node) Mknod(context.Context, string, uint32, uint32, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EROFS
}

var _ fusefs.NodeLinker = (*node)(nil)

func (n *node) Link(context.Context, fusefs.InodeEmbedder, string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EROFS
}

var _ fusefs.NodeSymlinker = (*node)(nil)

func (n *node) Symlink(context.Context, string, string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EROFS
}

var _ fusefs.NodeUnlinker = (*node)(nil)

func (n *node) Unlink(context.Context, string) syscall.Errno { return syscall.EROFS }

var _ fusefs.NodeRmdirer = (*node)(nil)

func (n *node) Rmdir(context.Context, string) syscall.Errno { return syscall.EROFS }

var _ fusefs.NodeRenamer = (*node)(nil)

func (n *node) Rename(context.Context, string, fusefs.InodeEmbedder, string, uint32) syscall.Errno {
	return syscall.EROFS
}

var _ fusefs.NodeSetattrer = (*node)(nil)

func (n *node) Setattr(context.Context, fusefs.FileHandle, *fuse.SetAttrIn, *fuse.AttrOut) syscall.Errno {
	return syscall.EROFS
}
