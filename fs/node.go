package fs

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// The permissions of the tree.
const (
	modeDir    = syscall.S_IFDIR | 0o755
	modeFile   = syscall.S_IFREG | 0o444
	modeValue  = syscall.S_IFREG | 0o644 // a custom property
	modeScript = syscall.S_IFREG | 0o755 // an analyzer
	modeLink   = syscall.S_IFLNK | 0o777
)

// The bits of access(2).
const (
	accessExec  = 1
	accessWrite = 2
)

// node is what every node is made of. By itself it is a thing that has no
// attribute and cannot be changed; what can override this.
type node struct {
	fusefs.Inode
	t *tree
}

// place is where the node is, for the log.
func (n *node) place() string { return "/" + n.Path(nil) }

// child makes the inode of a new node, or gives what the tree has in its place.
func (n *node) child(ctx context.Context, c fusefs.InodeEmbedder, id fusefs.StableAttr) *fusefs.Inode {
	n.t.counts.nodes.Add(1)
	inode := n.NewInode(ctx, c, id)
	n.t.nodes.add(inode)
	return inode
}

var _ fusefs.NodeStatfser = (*node)(nil)

// Statfs answers from memory: df must never hang on a store that does not answer.
func (n *node) Statfs(ctx context.Context, out *fuse.StatfsOut) syscall.Errno {
	*out = fuse.StatfsOut{Bsize: blockSize, Frsize: blockSize, NameLen: maxName}
	return 0
}

var _ fusefs.NodeAccesser = (*node)(nil)

// Access lets everybody read who got this far, and nobody write.
func (n *node) Access(ctx context.Context, mask uint32) syscall.Errno {
	if mask&accessWrite != 0 {
		return syscall.EROFS
	}
	if mask&accessExec != 0 && n.Mode()&syscall.S_IFMT == syscall.S_IFREG {
		return syscall.EACCES
	}
	return 0
}

var _ fusefs.NodeFsyncer = (*node)(nil)

// Fsync has nothing to write.
func (n *node) Fsync(ctx context.Context, f fusefs.FileHandle, flags uint32) syscall.Errno { return 0 }

var _ fusefs.NodeGetxattrer = (*node)(nil)

// Getxattr of a node that has none.
func (n *node) Getxattr(ctx context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	return 0, syscall.ENODATA
}

var _ fusefs.NodeListxattrer = (*node)(nil)

// Listxattr of a node that has none.
func (n *node) Listxattr(ctx context.Context, dest []byte) (uint32, syscall.Errno) { return 0, 0 }
