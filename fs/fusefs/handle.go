package fusefs

import (
	"context"
	"syscall"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/fs"
)

// fileHandle is an open file that is served by this process.
type fileHandle struct {
	node *node
	h    fs.Handle
}

var _ interface {
	gofs.FileReader
	gofs.FileWriter
	gofs.FileLseeker
	gofs.FileFlusher
	gofs.FileReleaser
} = (*fileHandle)(nil)

func (n *node) handle(h fs.Handle) *fileHandle { return &fileHandle{n, h} }

func (h *fileHandle) fail(ctx context.Context, op string, err error) syscall.Errno {
	return h.node.b.fail(ctx, op, h.node.n.Path(), err)
}

func (h *fileHandle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	c := h.node.b.request(ctx)
	defer c.end()
	data, release, err := h.h.Read(c, dest, off)
	if err != nil {
		return nil, h.fail(c, "read", err)
	}
	if release == nil {
		return fuse.ReadResultData(data), 0
	}
	return &borrowed{data, release}, 0
}

// borrowed holds bytes that belong to the cache. It implements Slices so that go-fuse does not
// waste three system calls on trying to splice them through a pipe.
type borrowed struct {
	data    []byte
	release func()
}

var _ fuse.ReadResult = (*borrowed)(nil)

func (b *borrowed) Bytes([]byte) ([]byte, fuse.Status) { return b.data, fuse.OK }
func (b *borrowed) Slices() ([][]byte, fuse.Status)    { return [][]byte{b.data}, fuse.OK }
func (b *borrowed) Size() int                          { return len(b.data) }
func (b *borrowed) Done()                              { b.release() }

func (h *fileHandle) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	w, ok := h.h.(fs.WriteHandle)
	if !ok {
		return 0, syscall.EBADF
	}
	if err := w.Write(ctx, data, off); err != nil {
		return 0, h.fail(ctx, "write", err)
	}
	return uint32(len(data)), 0
}

func (h *fileHandle) Lseek(ctx context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	at, err := h.h.Seek(int64(off), int(whence))
	if err != nil {
		return 0, errnoOf(err)
	}
	return uint64(at), 0
}

// Flush commits what was written; its error is returned by close(2). It is called for every close
// of a duplicated descriptor, so often there is nothing to do.
func (h *fileHandle) Flush(ctx context.Context) syscall.Errno { return h.commit(ctx, "close", true) }

// commitGrace is the factor by which the grace after a signal is longer for calls that store what a
// program has written, since close(2) cannot be repeated.
const commitGrace = 25

func (h *fileHandle) commit(ctx context.Context, op string, atClose bool) syscall.Errno {
	w, ok := h.h.(fs.WriteHandle)
	if !ok {
		return 0
	}
	c := newRequest(ctx, h.node.b.o.OpTimeout, commitGrace*h.node.b.o.Grace)
	defer c.end()
	return h.fail(c, op, w.Commit(c, atClose))
}

// Release is called when the last reference to an open file description is closed.
func (h *fileHandle) Release(ctx context.Context) syscall.Errno {
	c := newRequest(context.WithoutCancel(ctx), h.node.b.o.OpTimeout, h.node.b.o.Grace)
	defer c.end()
	h.fail(c, "close", h.h.Close(c))
	return 0
}
