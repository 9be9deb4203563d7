package fs

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Passthrough: the kernel reads a local file in our stead, at its own speed. To it an
// inode is either read through us, with its pages cached under our file, or from the
// backing file, with the pages cached under that; an open of one kind while there are
// handles or mappings of the other is EIO. So of each version the first open decides,
// and the others follow until the last handle is released. (A mapping of a file read
// through us keeps its handle from being released; one of a backing file outlives it.) See Documentation/filesystems/fuse-passthrough.rst and fs/fuse/iomode.c of Linux.

// passage is how the handles of one version are served.
type passage struct {
	mu      sync.Mutex  // guards what follows
	handles int         // not released
	file    backingFile // which the kernel reads; nil: it asks us
}

// backingFile is a local file that the kernel could read. Whoever has it releases it.
type backingFile interface {
	File() *os.File
	Release()
	// Changed reports whether the file may not be the version any more, Verify
	// mends it then, or fails.
	Changed() bool
	Verify(ctx context.Context) error
}

// localFile returns a file that the kernel could read, or nil.
type localFile func() backingFile

// enter counts h and decides, if it is the first handle, who serves the version. It
// returns what is to be handed to the kernel, whose Release is to be the last of h.
// While the kernel serves the version, a file that somebody else has changed meanwhile
// is verified first: the open fails where it cannot be mended, and h is released.
func (o *object) enter(ctx context.Context, h served, local localFile) (fusefs.FileHandle, error) {
	p, passes := &o.passage, &o.t.passes
	handles, passing := p.state()
	var file backingFile
	if !passing { // to find out whether a dump is complete takes some system calls
		file = local()
	}
	taken := file != nil && handles == 0 && passes.on.Load() && passes.takes(file.File())
	o.t.counts.handles.Add(1)
	p.mu.Lock()
	p.handles++
	if p.handles == 1 && taken {
		p.file, file = file, nil // it is the passage's now
	}
	through := p.file
	p.mu.Unlock()
	own := ownHandle{served: h, o: o}
	_, verifies := h.(*blockHandle)
	switch {
	case through == nil && file != nil && verifies:
		return &splicingHandle{own, file}, nil
	case file != nil:
		file.Release()
	}
	if through == nil {
		return &own, nil
	}
	if err := through.Verify(ctx); err != nil {
		own.Release(ctx)
		return nil, err
	}
	passes.opens.Add(1)
	return &passingHandle{own, int(through.File().Fd())}, nil
}

// state returns how many handles there are, and whether the kernel serves them.
func (p *passage) state() (handles int, passing bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.handles, p.file != nil
}

// leave counts a handle that is released. The kernel has let go of the local file by
// then, or holds it by itself.
func (p *passage) leave() {
	var over backingFile
	p.mu.Lock()
	if p.handles--; p.handles == 0 {
		over, p.file = p.file, nil
	}
	p.mu.Unlock()
	if over != nil {
		over.Release()
	}
}

// served is a handle of object.open.
type served interface {
	fusefs.FileReader
	fusefs.FileLseeker
	fusefs.FileReleaser
}

// ownHandle is an open file that the kernel asks us for.
type ownHandle struct {
	served
	o *object
}

var _ fusefs.FileReleaser = (*ownHandle)(nil)

func (h *ownHandle) Release(ctx context.Context) syscall.Errno {
	errno := h.served.Release(ctx)
	h.o.passage.leave()
	h.o.t.counts.handles.Add(-1)
	return errno
}

// splicingHandle is an open file that the kernel asks us for, and gets from the local
// file that a complete version is, without the bytes passing through here. Once
// somebody else has changed that file the cache serves it, block by block.
type splicingHandle struct {
	ownHandle
	file backingFile
}

var _ fusefs.FileReader = (*splicingHandle)(nil)

func (h *splicingHandle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if h.file.Changed() {
		return h.ownHandle.Read(ctx, dest, off)
	}
	n := len(clip(dest, off, h.o.size))
	h.o.t.counts.read(n)
	return fuse.ReadResultFd(h.file.File().Fd(), off, n), 0
}

var _ fusefs.FileReleaser = (*splicingHandle)(nil)

func (h *splicingHandle) Release(ctx context.Context) syscall.Errno {
	h.file.Release()
	return h.ownHandle.Release(ctx)
}

// passingHandle is an open file that the kernel reads by itself. The handle that would
// have served it stays open under it, and with it all that belongs to an open version;
// it also serves a kernel that has not taken the file after all.
type passingHandle struct {
	ownHandle
	fd int // open until passage.leave
}

var _ fusefs.FilePassthroughFder = (*passingHandle)(nil)

// PassthroughFd implements fusefs.FilePassthroughFder. It is asked for the first handle
// of an inode; the others share its backing file.
func (h *passingHandle) PassthroughFd() (int, bool) { return h.fd, true }

// backing is the part of fuse.Server that takes files for passthrough.
type backing interface {
	RegisterBackingFd(*fuse.BackingMap) (int32, syscall.Errno)
	UnregisterBackingFd(id int32) syscall.Errno
}

// passes is whether passthrough can be had on this mount.
type passes struct {
	kernel backing      // set before the first request is served
	log    *slog.Logger // likewise
	on     atomic.Bool  // the kernel took a file at mount
	told   sync.Once
	opens  atomic.Int64 // that were handed to the kernel
}

// probe finds out, once the kernel has mounted: it needs Linux 6.9, and a privilege
// (CAP_SYS_ADMIN) that an ordinary user's mount does not have.
func (p *passes) probe(kernel backing, negotiated bool, log *slog.Logger) {
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
		log.Debug("no passthrough: what is local is read through this process", "err", errno)
	}
}

// try has the kernel take a file, and give it back.
func (p *passes) try(fd int) syscall.Errno {
	id, errno := p.kernel.RegisterBackingFd(&fuse.BackingMap{Fd: int32(fd)})
	if errno != 0 {
		return errno
	}
	return p.kernel.UnregisterBackingFd(id)
}

// takes reports whether the kernel takes this file, and says once why not: it may lie on
// a file system that is stacked too high. go-fuse must not be the one to find out, for it
// then gives up passthrough for the whole mount, open files included.
func (p *passes) takes(f *os.File) bool {
	errno := p.try(int(f.Fd()))
	if errno != 0 {
		p.told.Do(func() {
			p.log.Info("no passthrough for this file: it is read through this process (told once)", "file", f.Name(), "err", errno)
		})
	}
	return errno == 0
}
