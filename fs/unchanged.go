package fs

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// unchanged answers a change of mode, owner or times of something that can be written
// to: they are what they are, but cp -p, mkdir -m and editors set them, and must not
// stumble over that.
func (t *tree) unchanged(ctx context.Context, n attributed, h fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if errno := t.mayWrite(ctx); errno != 0 {
		return errno
	}
	out.Ino = n.EmbeddedInode().StableAttr().Ino // the library forgets it here
	return n.Getattr(ctx, h, out)
}

type attributed interface {
	fusefs.InodeEmbedder
	fusefs.NodeGetattrer
}

var _ fusefs.NodeSetattrer = (*propertiesDir)(nil)

func (p *propertiesDir) Setattr(ctx context.Context, h fusefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return p.t.unchanged(ctx, p, h, out)
}

var _ fusefs.NodeSetattrer = (*analyzerDir)(nil)

func (d *analyzerDir) Setattr(ctx context.Context, h fusefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return d.t.unchanged(ctx, d, h, out)
}

var _ fusefs.NodeSetattrer = (*ticketDir)(nil)

func (d *ticketDir) Setattr(ctx context.Context, h fusefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return d.t.unchanged(ctx, d, h, out)
}
