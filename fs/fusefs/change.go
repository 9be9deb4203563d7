package fusefs

import (
	"context"
	"syscall"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"thothfs/fs"
)

// The calls that change a directory. Every one is implemented here and returns EROFS if the
// directory is not writable. The defaults of go-fuse are unsuitable; for example, its unlink
// succeeds.

// change calls do with the directory if the caller may write to it.
func (n *node) change(ctx context.Context, op, name string, do func(c *request, d fs.WritableDir) error) syscall.Errno {
	d, ok := n.n.(fs.WritableDir)
	if !ok {
		return syscall.EROFS
	}
	c := n.b.request(ctx)
	defer c.end()
	err := n.b.tree.MayWrite(c, d)
	if err == nil {
		err = do(c, d)
	}
	return n.b.fail(c, op, n.below(name), err)
}

func (n *node) Create(ctx context.Context, name string, flags, _ uint32, out *fuse.EntryOut) (inode *gofs.Inode, h gofs.FileHandle, fuseFlags uint32, errno syscall.Errno) {
	errno = n.change(ctx, "create", name, func(c *request, d fs.WritableDir) error {
		e, open, err := d.Create(c, name, openFlags(flags))
		if err != nil {
			return err
		}
		inode = n.entry(ctx, e, out)
		h = inode.Operations().(*node).handle(open)
		return nil
	})
	return inode, h, fuse.FOPEN_DIRECT_IO, errno
}

func (n *node) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	return n.add(ctx, "mkdir", name, out, func(c *request, d fs.WritableDir) (fs.Entry, error) { return d.Mkdir(c, name) })
}

func (n *node) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	return n.add(ctx, "symlink", name, out, func(c *request, d fs.WritableDir) (fs.Entry, error) { return d.Symlink(c, target, name) })
}

// add is change for a call that adds a name.
func (n *node) add(ctx context.Context, op, name string, out *fuse.EntryOut, do func(c *request, d fs.WritableDir) (fs.Entry, error)) (inode *gofs.Inode, errno syscall.Errno) {
	errno = n.change(ctx, op, name, func(c *request, d fs.WritableDir) error {
		e, err := do(c, d)
		if err == nil {
			inode = n.entry(ctx, e, out)
		}
		return err
	})
	return inode, errno
}

func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	return n.change(ctx, "unlink", name, func(c *request, d fs.WritableDir) error { return d.Remove(c, name) })
}

func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno {
	return n.change(ctx, "rmdir", name, func(c *request, d fs.WritableDir) error { return d.RemoveDir(c, name) })
}

// Rename also updates the name in the node, which the kernel keeps.
func (n *node) Rename(ctx context.Context, name string, newParent gofs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	to, ok := newParent.(*node)
	if !ok {
		return syscall.EXDEV
	}
	return n.change(ctx, "rename", name, func(c *request, d fs.WritableDir) error {
		if flags&^unix.RENAME_NOREPLACE != 0 {
			return fs.ErrInvalid
		}
		dir, ok := to.n.(fs.Dir)
		if !ok {
			return fs.ErrNotDir
		}
		if err := d.Rename(c, name, dir, newName, flags != 0); err != nil {
			return err
		}
		if child := n.GetChild(name); child != nil {
			if r, ok := child.Operations().(*node).n.(fs.Renamed); ok {
				r.SetName(newName)
			}
		}
		return nil
	})
}

func (n *node) Mknod(ctx context.Context, name string, _, _ uint32, _ *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	return nil, n.cannotHold(fs.ErrNotPermitted)
}

func (n *node) Link(context.Context, gofs.InodeEmbedder, string, *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	return nil, n.cannotHold(fs.ErrNotPermitted)
}

func (n *node) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*gofs.Inode, gofs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, n.cannotHold(fs.ErrNotSupported)
}

// cannotHold returns the errno of kind for a writable directory, and otherwise EROFS.
func (n *node) cannotHold(kind error) syscall.Errno {
	if _, ok := n.n.(fs.WritableDir); !ok {
		return syscall.EROFS
	}
	return errnoOf(kind)
}
