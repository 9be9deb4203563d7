package fusefs

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"thothfs/fs"
)

// With passthrough the kernel reads a local file without this process, at its own speed.
// To the kernel an inode is either read through this process, with its pages cached under
// the FUSE file, or from the backing file, with the pages cached under that; an open of
// one kind while there are handles or mappings of the other is EIO. So the first open of
// each version decides, and the others follow until the last handle is released. (A
// mapping of a file read through this process keeps its handle from being released; one of
// a backing file outlives it.) See Documentation/filesystems/fuse-passthrough.rst and
// fs/fuse/iomode.c of Linux.

// passthroughState is how the handles of one version are served.
type passthroughState struct {
	mu      sync.Mutex   // guards what follows
	handles int          // not released
	file    fs.LocalFile // which the kernel reads; nil: it asks this process
}

// enter adds a handle and decides, if it is the first one, whether the kernel or this
// process serves the version. While the kernel serves it, a file that was changed meanwhile
// is verified first: if it cannot be repaired the open fails, and h is closed.
func (n *node) enter(ctx context.Context, h fs.ObjectHandle) (gofs.FileHandle, error) {
	s, p := &n.pass, &n.b.passthrough
	s.mu.Lock()
	handles, passing := s.handles, s.file != nil
	s.mu.Unlock()
	var file fs.LocalFile
	if !passing { // to find out whether a dump is complete takes some system calls
		file = h.Local()
	}
	accepted := file != nil && handles == 0 && p.on.Load() && p.accepts(file.File())
	s.mu.Lock()
	s.handles++
	if s.handles == 1 && accepted {
		s.file, file = file, nil // owned by s now
	}
	backing := s.file
	s.mu.Unlock()
	own := objectHandle{*n.handle(h)}
	if backing == nil {
		if file != nil {
			return &spliceHandle{own, h, file}, nil
		}
		return &own, nil
	}
	if file != nil {
		file.Release()
	}
	if err := backing.Verify(ctx); err != nil {
		own.Release(ctx)
		return nil, err
	}
	p.opens.Add(1)
	return &passthroughHandle{own, int(backing.File().Fd())}, nil
}

// leave removes a handle that was released. The kernel has closed the local file by then,
// or refers to it by itself.
func (s *passthroughState) leave() {
	var last fs.LocalFile
	s.mu.Lock()
	if s.handles--; s.handles == 0 {
		last, s.file = s.file, nil
	}
	s.mu.Unlock()
	if last != nil {
		last.Release()
	}
}

// objectHandle is an open object that the kernel asks this process for.
type objectHandle struct{ fileHandle }

func (h *objectHandle) Release(ctx context.Context) syscall.Errno {
	errno := h.fileHandle.Release(ctx)
	h.node.pass.leave()
	return errno
}

// spliceHandle is an open object that the kernel gets from the local file with all its
// bytes, without copying them through this process. Once the file was changed by somebody
// else the tree serves it, block by block.
type spliceHandle struct {
	objectHandle
	object fs.ObjectHandle
	file   fs.LocalFile
}

func (h *spliceHandle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if h.file.Changed() {
		return h.objectHandle.Read(ctx, dest, off)
	}
	n := max(0, min(int64(len(dest)), h.object.Size()-off))
	h.object.CountRead(int(n))
	return fuse.ReadResultFd(h.file.File().Fd(), off, int(n)), 0
}

func (h *spliceHandle) Release(ctx context.Context) syscall.Errno {
	h.file.Release()
	return h.objectHandle.Release(ctx)
}

// passthroughHandle is an open object that the kernel reads by itself. The handle of the
// tree stays open, and with it all that belongs to an open version; it also serves a
// kernel that did not take the file after all.
type passthroughHandle struct {
	objectHandle
	fd int // open until passthroughState.leave
}

var _ gofs.FilePassthroughFder = (*passthroughHandle)(nil)

// PassthroughFd implements gofs.FilePassthroughFder. It is called for the first handle of
// an inode; the others share its backing file.
func (h *passthroughHandle) PassthroughFd() (int, bool) { return h.fd, true }

// backingFiles is the part of fuse.Server that registers files for passthrough.
type backingFiles interface {
	RegisterBackingFd(*fuse.BackingMap) (int32, syscall.Errno)
	UnregisterBackingFd(id int32) syscall.Errno
}

// passthrough says whether passthrough works on this mount.
type passthrough struct {
	kernel backingFiles // set before the first request is served
	log    *slog.Logger // likewise
	on     atomic.Bool  // the kernel took a file at mount
	logged sync.Once
	opens  atomic.Int64 // that the kernel serves
}

// probe tries passthrough once the kernel has mounted: it needs Linux 6.9, and a
// privilege (CAP_SYS_ADMIN) that an ordinary user's mount does not have.
func (p *passthrough) probe(kernel backingFiles, negotiated bool, log *slog.Logger) {
	p.kernel, p.log = kernel, log
	if !negotiated {
		return
	}
	fd, err := unix.MemfdCreate("probe", unix.MFD_CLOEXEC)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	errno := p.try(fd)
	p.on.Store(errno == 0)
	if errno != 0 {
		log.Debug("no passthrough: local files are read through this process", "err", errno)
	}
}

// try registers a file and takes it back.
func (p *passthrough) try(fd int) syscall.Errno {
	id, errno := p.kernel.RegisterBackingFd(&fuse.BackingMap{Fd: int32(fd)})
	if errno != 0 {
		return errno
	}
	return p.kernel.UnregisterBackingFd(id)
}

// accepts reports whether the kernel takes this file, and logs once why not: it may be on
// a file system that is stacked too high. If go-fuse finds out, it gives up passthrough
// for the whole mount, open files included.
func (p *passthrough) accepts(f *os.File) bool {
	errno := p.try(int(f.Fd()))
	if errno != 0 {
		p.logged.Do(func() {
			p.log.Info("no passthrough for this file: it is read through this process (logged once)", "file", f.Name(), "err", errno)
		})
	}
	return errno == 0
}
