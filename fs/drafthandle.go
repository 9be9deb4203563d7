package fs

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// draftHandle is a file that is open while it is written, by this handle or another.
type draftHandle struct {
	e       *entry
	d       *draft
	writes  bool
	appends bool
}

func newDraftHandle(e *entry, d *draft, flags uint32) *draftHandle {
	return &draftHandle{e: e, d: d, writes: isWriting(flags), appends: flags&syscall.O_APPEND != 0}
}

var _ fusefs.FileReader = (*draftHandle)(nil)

func (h *draftHandle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	return fuse.ReadResultData(dest[:h.e.t.drafts.read(h.d, dest, off)]), 0
}

var _ fusefs.FileWriter = (*draftHandle)(nil)

// Write changes the draft. Where its end is we know better than the kernel.
func (h *draftHandle) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	if h.appends {
		off = -1
	}
	if err := h.e.t.drafts.write(h.d, data, off); err != nil {
		return 0, h.e.t.fail(ctx, "write", h.e.place(), err)
	}
	return uint32(len(data)), 0
}

var _ fusefs.FileLseeker = (*draftHandle)(nil)

func (h *draftHandle) Lseek(ctx context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	size, _ := h.e.t.drafts.stat(h.d)
	return seekData(size, off, whence)
}

var _ fusefs.FileFlusher = (*draftHandle)(nil)

// Flush stores what was written: this is where close(2) learns of errors. It comes
// with every close of a descriptor that was duplicated, so often with nothing to do.
func (h *draftHandle) Flush(ctx context.Context) syscall.Errno { return h.save(ctx, "close", true) }

func (h *draftHandle) save(ctx context.Context, op string, atClose bool) syscall.Errno {
	if !h.writes {
		return 0
	}
	c := h.e.t.writeCall(ctx)
	defer c.end()
	return h.e.t.fail(c, op, h.e.place(), h.e.t.drafts.save(c, h.d, atClose))
}

var _ fusefs.FileReleaser = (*draftHandle)(nil)

// Release is the last close. A file that was created or emptied, and then not
// written, is stored now; nobody can be told how that went.
func (h *draftHandle) Release(ctx context.Context) syscall.Errno {
	if !h.writes || !h.e.t.drafts.leave(h.d) {
		return 0
	}
	h.save(context.WithoutCancel(ctx), "close", false)
	h.e.t.drafts.putAway(h.d)
	return 0
}
