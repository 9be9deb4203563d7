package fs

import (
	"context"
	"errors"
	"sync"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/store"
)

// entry is a file on a shelf, by its name: what is being written under it, else what
// is stored. It is read past the page cache, a handle being one version.
type entry struct {
	dumpNode
	shelf shelf

	mu   sync.Mutex // guards name
	name string
}

func (e *entry) called() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.name
}

func (e *entry) renamed(to string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.name = to
}

// look fills in the attributes, or says that there is no such file.
func (e *entry) look(c context.Context, out *fuse.Attr) error {
	name := e.called()
	if d := e.t.drafts.find(e.shelf, name); d != nil {
		size, mtime := e.t.drafts.stat(d)
		e.t.attr(out, e.shelf.mode(), size, mtime)
		return nil
	}
	if e.t.drafts.hides(e.shelf, name) {
		return notThere(name)
	}
	size, mtime, err := e.shelf.stat(c, name)
	if err == nil {
		e.t.attr(out, e.shelf.mode(), size, mtime)
	}
	return err
}

var _ fusefs.NodeGetattrer = (*entry)(nil)

// Getattr of a file that was removed is that of what is still open.
func (e *entry) Getattr(ctx context.Context, h fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	c := e.t.call(ctx)
	defer c.end()
	out.SetTimeout(instant)
	err := e.look(c, &out.Attr)
	if errors.Is(err, store.ErrNotExist) {
		switch h := h.(type) {
		case *draftHandle:
			size, mtime := e.t.drafts.stat(h.d)
			e.t.attr(&out.Attr, e.shelf.mode(), size, mtime)
			return 0
		case *textHandle:
			e.t.attr(&out.Attr, e.shelf.mode(), int64(len(h.text)), e.t.started)
			return 0
		}
		return syscall.ESTALE // it was there when its name was looked up
	}
	return e.t.fail(c, "getattr", e.place(), err)
}

var _ fusefs.NodeAccesser = (*entry)(nil)

func (e *entry) Access(ctx context.Context, mask uint32) syscall.Errno {
	if mask&accessExec != 0 && e.shelf.mode()&0o111 == 0 {
		return syscall.EACCES
	}
	return e.t.writeAccess(ctx, mask)
}

var _ fusefs.NodeOpener = (*entry)(nil)

func (e *entry) Open(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	if isWriting(flags) {
		if errno := e.t.mayWrite(ctx); errno != 0 {
			return nil, 0, errno
		}
	}
	c := e.t.call(ctx)
	defer c.end()
	h, err := e.open(c, flags)
	if err != nil {
		return nil, 0, e.t.fail(c, "open", e.place(), err)
	}
	e.t.counts.opens.Add(1)
	return h, fuse.FOPEN_DIRECT_IO, 0
}

func (e *entry) open(c context.Context, flags uint32) (fusefs.FileHandle, error) {
	name, writes, cut := e.called(), isWriting(flags), flags&syscall.O_TRUNC != 0
	if writes {
		if err := e.t.canStore(c, e.shelf, name); err != nil {
			return nil, err
		}
	}
	if d := e.t.drafts.join(e.shelf, name, writes, cut); d != nil {
		return newDraftHandle(e, d, flags), nil
	}
	if e.t.drafts.hides(e.shelf, name) {
		return nil, notThere(name)
	}
	if !writes {
		return e.shelf.open(c, name)
	}
	b := beginning{created: cut}
	if !cut {
		var err error
		if b.data, err = e.shelf.read(c, name); err != nil {
			return nil, err
		}
	}
	return newDraftHandle(e, e.t.drafts.begin(e.shelf, name, true, b), flags), nil
}

var _ fusefs.NodeSetattrer = (*entry)(nil)

// Setattr changes the length. Owner, mode and times are what they are: cp -p and
// editors set them, and must not stumble over it.
func (e *entry) Setattr(ctx context.Context, h fusefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if errno := e.t.mayWrite(ctx); errno != 0 {
		return errno
	}
	c := e.t.call(ctx)
	defer c.end()
	if size, ok := in.GetSize(); ok {
		if err := e.truncate(c, h, int64(min(size, 1<<62))); err != nil {
			return e.t.fail(c, "truncate", e.place(), err)
		}
	}
	return e.t.unchanged(ctx, e, h, out)
}

// truncate changes what is being written, or, of a file that nobody writes, what is
// stored.
func (e *entry) truncate(c context.Context, h fusefs.FileHandle, size int64) error {
	if h, ok := h.(*draftHandle); ok {
		return e.t.drafts.truncate(h.d, size)
	}
	name := e.called()
	if d := e.t.drafts.find(e.shelf, name); d != nil {
		return e.t.drafts.truncate(d, size)
	}
	if size > maxFile {
		return errFileTooBig
	}
	data, err := e.shelf.read(c, name)
	if err != nil || int64(len(data)) == size {
		return err
	}
	return e.shelf.put(c, name, resized(data, size), "")
}

var _ fusefs.NodeFsyncer = (*entry)(nil)

// Fsync stores what was written so far.
func (e *entry) Fsync(ctx context.Context, h fusefs.FileHandle, flags uint32) syscall.Errno {
	if h, ok := h.(*draftHandle); ok {
		return h.save(ctx, "fsync", false)
	}
	return 0
}

var _ fusefs.NodeListxattrer = (*entry)(nil)

// Listxattr lists nothing, though the attributes of the dump can be read and set
// here as everywhere in it: cp -a and mv of one property to another dump must not
// take the ticket and all the others along.
func (e *entry) Listxattr(ctx context.Context, dest []byte) (uint32, syscall.Errno) {
	return e.node.Listxattr(ctx, dest)
}
