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

// With passthrough the kernel reads a local file without involving this process, at full speed. The
// kernel reads an inode either through this process, with its pages cached under the FUSE file, or
// from a backing file, with its pages cached under that file; opening it one way while there are
// handles or mappings of the other kind fails with EIO. So the first open of each version decides,
// and later opens follow until the last handle is released. (A mapping of a file read through this
// process delays the release of its handle; a mapping of a backing file outlives the handle.) See
// Documentation/filesystems/fuse-passthrough.rst and fs/fuse/iomode.c of Linux.

// passthroughState describes how the handles of one version are served.
type passthroughState struct {
	mu      sync.Mutex   // guards what follows
	handles int          // number of unreleased handles
	file    fs.LocalFile // backing file that the kernel reads; nil if this process serves reads
}

// enter adds a handle. The first handle decides whether the kernel or this process serves the
// version. While the kernel serves it, a file that has been modified is verified first; if it
// cannot be repaired, the open fails and h is closed.
func (n *node) enter(ctx context.Context, h fs.ObjectHandle) (gofs.FileHandle, error) {
	s, p := &n.pass, &n.b.passthrough
	s.mu.Lock()
	handles, passing := s.handles, s.file != nil
	s.mu.Unlock()
	var file fs.LocalFile
	if !passing { // finding out whether a dump is complete takes several system calls
		file = h.Local()
	}
	accepted := file != nil && handles == 0 && p.on.Load() && p.accepts(file.File())
	s.mu.Lock()
	s.handles++
	if s.handles == 1 && accepted {
		s.file, file = file, nil // s owns the file now
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

// leave removes a handle that was released. By then the kernel has closed the local file or holds
// its own reference to it.
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

// objectHandle is an open object that is served by this process.
type objectHandle struct{ fileHandle }

func (h *objectHandle) Release(ctx context.Context) syscall.Errno {
	errno := h.fileHandle.Release(ctx)
	h.node.pass.leave()
	return errno
}

// spliceHandle is an open object that is spliced to the kernel from a complete local file, without
// copying the bytes through this process. If the file has been modified by someone else, the tree
// serves the object block by block.
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

// passthroughHandle is an open object that the kernel reads directly. The tree's handle stays open
// so that the version counts as open; it also serves reads if the kernel did not accept the file
// after all.
type passthroughHandle struct {
	objectHandle
	fd int // valid until passthroughState.leave
}

var _ gofs.FilePassthroughFder = (*passthroughHandle)(nil)

// PassthroughFd implements gofs.FilePassthroughFder. It is called for the first handle of an inode;
// the others share its backing file.
func (h *passthroughHandle) PassthroughFd() (int, bool) { return h.fd, true }

// backingFiles is the part of fuse.Server that registers files for passthrough.
type backingFiles interface {
	RegisterBackingFd(*fuse.BackingMap) (int32, syscall.Errno)
	UnregisterBackingFd(id int32) syscall.Errno
}

// passthrough records whether passthrough works on this mount.
type passthrough struct {
	kernel backingFiles // set before the first request is served
	log    *slog.Logger // likewise
	on     atomic.Bool  // the kernel accepted a file during the mount
	logged sync.Once
	opens  atomic.Int64 // number of opens served by the kernel
}

// probe tests passthrough after the mount. It needs Linux 6.9 and a privilege (CAP_SYS_ADMIN) that
// an ordinary user's mount does not have.
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

// try registers a file and unregisters it again.
func (p *passthrough) try(fd int) syscall.Errno {
	id, errno := p.kernel.RegisterBackingFd(&fuse.BackingMap{Fd: int32(fd)})
	if errno != 0 {
		return errno
	}
	return p.kernel.UnregisterBackingFd(id)
}

// accepts reports whether the kernel accepts a file for passthrough, and logs the first refusal;
// the file may be on a file system that is stacked too deeply. This is checked first because
// go-fuse gives up passthrough for the whole mount, open files included, if it gets the error
// itself.
func (p *passthrough) accepts(f *os.File) bool {
	errno := p.try(int(f.Fd()))
	if errno != 0 {
		p.logged.Do(func() {
			p.log.Info("no passthrough for this file: it is read through this process (logged once)", "file", f.Name(), "err", errno)
		})
	}
	return errno == 0
}
