package fs

import (
	"context"
	"errors"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"thothfs/store"
)

var _ fusefs.NodeCreater = (*shelfDir)(nil)

// Create begins a file. The store hears of it when it is closed, and of a temporary
// one never.
func (d *shelfDir) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	if errno := d.t.mayWrite(ctx); errno != 0 {
		return nil, nil, 0, errno
	}
	c := d.t.call(ctx)
	defer c.end()
	e := d.entry(name)
	h, err := d.create(c, e, flags)
	if err == nil {
		err = e.look(c, &out.Attr)
	}
	if err != nil {
		return nil, nil, 0, d.t.fail(c, "create", d.place()+"/"+name, err)
	}
	d.t.counts.opens.Add(1)
	return d.add(ctx, e, out), h, fuse.FOPEN_DIRECT_IO, 0
}

func (d *shelfDir) create(c context.Context, e *entry, flags uint32) (*draftHandle, error) {
	if len(e.name) > maxName {
		return nil, errLongName
	}
	if err := d.shelf.check(e.name); err != nil {
		return nil, err
	}
	if err := d.t.canStore(c, d.shelf, e.name); err != nil {
		return nil, err
	}
	if x := d.t.drafts.join(d.shelf, e.name, true, flags&syscall.O_TRUNC != 0); x != nil {
		return newDraftHandle(e, x, flags), nil
	}
	b := beginning{created: true}
	there, err := d.onShelf(c, e.name) // it may have come since the kernel looked
	switch {
	case err != nil:
		return nil, err
	case !there:
		b.temporary = d.shelf.isTemporary(c, e.name)
	case flags&syscall.O_EXCL != 0:
		return nil, errExists
	case flags&syscall.O_TRUNC == 0:
		b.created = false
		if b.data, err = d.shelf.read(c, e.name); err != nil {
			return nil, err
		}
	}
	return newDraftHandle(e, d.t.drafts.begin(d.shelf, e.name, true, b), flags), nil
}

var _ fusefs.NodeUnlinker = (*shelfDir)(nil)

func (d *shelfDir) Unlink(ctx context.Context, name string) syscall.Errno {
	if errno := d.t.mayWrite(ctx); errno != 0 {
		return errno
	}
	c := d.t.call(ctx)
	defer c.end()
	return d.t.fail(c, "unlink", d.place()+"/"+name, d.unlink(c, name))
}

func (d *shelfDir) unlink(c context.Context, name string) error {
	x, giveBack, err := d.claim(c, name) // a close that is storing it comes first
	if err != nil {
		return err
	}
	defer giveBack()
	if x == nil {
		there, err := d.onShelf(c, name)
		if err == nil && !there {
			err = notThere(name)
		}
		if err != nil {
			return err
		}
		return d.shelf.remove(c, name)
	}
	if gone := d.t.drafts.behind(x); gone != "" {
		if err := d.shelf.remove(c, gone); err != nil && !errors.Is(err, store.ErrNotExist) {
			return err // but one that was never stored need not be there
		}
	}
	d.t.drafts.drop(x)
	return nil
}

// claim returns the draft under a name, nil if there is none, with the right to store
// or to remove it; giveBack must be called.
func (d *shelfDir) claim(c context.Context, name string) (x *draft, giveBack func(), err error) {
	for {
		x = d.t.drafts.find(d.shelf, name)
		if x == nil {
			return nil, func() {}, nil
		}
		if err := x.take(c); err != nil {
			return nil, nil, err
		}
		if d.t.drafts.find(d.shelf, name) == x {
			return x, x.giveBack, nil
		}
		x.giveBack() // its last close was faster
	}
}

var _ fusefs.NodeRenamer = (*shelfDir)(nil)

// Rename renames a file within the directory. To mv(1) another directory is another
// file system: it copies.
func (d *shelfDir) Rename(ctx context.Context, from string, newParent fusefs.InodeEmbedder, to string, flags uint32) syscall.Errno {
	other, ok := newParent.(interface{ behind() shelf })
	switch {
	case !ok:
		return syscall.EROFS
	case other.behind().key() != d.shelf.key():
		return syscall.EXDEV
	case flags&^unix.RENAME_NOREPLACE != 0:
		return syscall.EINVAL
	}
	if errno := d.t.mayWrite(ctx); errno != 0 {
		return errno
	}
	c := d.t.call(ctx)
	defer c.end()
	err := d.rename(c, from, to, flags&unix.RENAME_NOREPLACE != 0)
	if err == nil {
		d.renamed(from, to)
	}
	return d.t.fail(c, "rename", d.place()+"/"+from, err)
}

func (d *shelfDir) behind() shelf { return d.shelf }

// renamed tells the node of a file its new name: it stays in the kernel's hands.
func (d *shelfDir) renamed(from, to string) {
	d.t.renames.Add(1)
	if child := d.GetChild(from); child != nil {
		if e, ok := child.Operations().(interface{ renamed(string) }); ok {
			e.renamed(to)
		}
	}
}

func (d *shelfDir) rename(c context.Context, from, to string, keep bool) error {
	if err := d.shelf.check(to); err != nil || from == to {
		return err
	}
	x, giveBack, err := d.claim(c, from)
	if err != nil {
		return err
	}
	defer giveBack()
	// Nobody else claims two: a directory is renamed in by one at a time.
	target, giveTarget, err := d.claim(c, to)
	if err != nil {
		return err
	}
	defer giveTarget()
	there, err := d.onShelf(c, from)
	if err != nil {
		return err
	}
	taken, err := d.onShelf(c, to)
	switch {
	case err != nil:
		return err
	case x == nil && !there:
		return notThere(from)
	case keep && (taken || target != nil):
		return errExists
	case !taken && d.shelf.isTemporary(c, to):
		return d.setAside(c, x, from, to, there)
	case x == nil:
		return d.renameStored(c, from, to, target)
	}
	return d.bringIn(c, x, from, to, there)
}

// setAside gives a file a temporary name. The store is not told: if the editor dies,
// or we do, the file is there as it was.
func (d *shelfDir) setAside(c context.Context, x *draft, from, to string, stored bool) error {
	of := ""
	if stored {
		of = from
	}
	if target := d.t.drafts.find(d.shelf, to); target != nil {
		if gone := d.t.drafts.behind(target); gone != "" && gone != to {
			if err := d.shelf.remove(c, gone); err != nil {
				return err
			}
		}
		d.t.drafts.drop(target)
	}
	if x != nil {
		d.t.drafts.setAside(x, to, of)
		return nil
	}
	data, err := d.shelf.read(c, from)
	if err != nil {
		return err
	}
	d.t.drafts.begin(d.shelf, to, false, beginning{data: data, temporary: true, of: of})
	return nil
}

func (d *shelfDir) renameStored(c context.Context, from, to string, target *draft) error {
	if err := d.shelf.rename(c, from, to); err != nil {
		return err
	}
	if target != nil {
		d.t.drafts.drop(target)
	}
	d.t.drafts.uncover(d.shelf, to)
	return nil
}

// bringIn gives a draft a name that the store knows: an editor's save. stored tells
// whether the shelf has it under the name from.
func (d *shelfDir) bringIn(c context.Context, x *draft, from, to string, stored bool) error {
	e := d.t.drafts.edition(x)
	gone := d.t.drafts.behind(x)
	if !stored && gone == from {
		gone = ""
	}
	back, err := false, error(nil)
	if gone == to { // where it came from, and maybe as it was
		gone = ""
		_, _, serr := d.shelf.stat(c, to)
		back = serr == nil && e.changed == 0
	}
	switch {
	case back:
	case stored && e.saved:
		err = d.shelf.rename(c, from, to)
	default:
		err = d.shelf.put(c, to, e.data, gone)
	}
	if err == nil {
		d.t.drafts.settle(x, to, e)
	}
	return err
}
