package fs

import (
	"context"
	"strings"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"golang.org/x/sys/unix"
	"thothfs/dump/document"
)

var _ fusefs.NodeSetxattrer = (*dumpNode)(nil)

// Setxattr sets the ticket or a custom property. It returns when the store has it.
func (n *dumpNode) Setxattr(ctx context.Context, name string, data []byte, flags uint32) syscall.Errno {
	path, ours := strings.CutPrefix(name, xattrPrefix)
	if !ours || n.hasNone() {
		return n.node.Setxattr(ctx, name, data, flags)
	}
	edit := document.Set(path, string(data))
	switch flags {
	case unix.XATTR_CREATE:
		edit.If = document.IfAbsent
	case unix.XATTR_REPLACE:
		edit.If = document.IfPresent
	case 0:
	default:
		return syscall.EINVAL
	}
	var err error
	if path == ticketField && len(data) == 0 {
		err = errNoTicket
	}
	return n.editXattr(ctx, "setxattr "+name, edit, err)
}

var _ fusefs.NodeRemovexattrer = (*dumpNode)(nil)

// Removexattr unsets the ticket or a custom property.
func (n *dumpNode) Removexattr(ctx context.Context, name string) syscall.Errno {
	path, ours := strings.CutPrefix(name, xattrPrefix)
	if !ours || n.hasNone() {
		return n.node.Removexattr(ctx, name)
	}
	edit := document.Unset(path)
	edit.If = document.IfPresent
	return n.editXattr(ctx, "removexattr "+name, edit, nil)
}

// editXattr makes an edit, unless err says that it makes no sense.
func (n *dumpNode) editXattr(ctx context.Context, op string, edit document.Edit, err error) syscall.Errno {
	if errno := n.t.mayWrite(ctx); errno != 0 {
		return errno
	}
	c := n.t.call(ctx)
	defer c.end()
	if err == nil {
		_, err = n.t.edit(how(c, op), n.id, edit)
	}
	return n.t.fail(c, op, n.place(), err)
}

var _ fusefs.NodeSetxattrer = (*node)(nil)

// Setxattr of a node that has none.
func (n *node) Setxattr(ctx context.Context, name string, data []byte, flags uint32) syscall.Errno {
	if strings.HasPrefix(name, xattrPrefix) {
		return syscall.EPERM
	}
	return syscall.EOPNOTSUPP
}

var _ fusefs.NodeRemovexattrer = (*node)(nil)

// Removexattr of a node that has none.
func (n *node) Removexattr(ctx context.Context, name string) syscall.Errno {
	return errnoOf(errNoProperty)
}
