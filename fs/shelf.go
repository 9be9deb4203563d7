package fs

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/store"
)

// shelf is what stands behind a directory whose files can be written, each as a
// whole: the custom properties of a dump, or the analyzers. Names are those in the
// directory; what is not there is store.ErrNotExist.
type shelf interface {
	key() string                                     // tells shelves apart; the directory in the store
	number(name string) fusefs.StableAttr            // of the file
	mode() uint32                                    // of every file
	check(name string) error                         // errName when nothing can have that name
	isTemporary(c context.Context, name string) bool // nothing should have that name for long
	names(c context.Context) ([]string, error)
	stat(c context.Context, name string) (size int64, mtime time.Time, err error)
	open(c context.Context, name string) (fusefs.FileHandle, error) // for reading
	read(c context.Context, name string) ([]byte, error)            // the caller owns the answer
	// put stores data under name, and removes what is called gone, "" nothing.
	put(c context.Context, name string, data []byte, gone string) error
	remove(c context.Context, name string) error
	rename(c context.Context, from, to string) error // in the place of what is called to
}

// canStore returns the error with which closing the file would fail that is opened for
// writing under name, as far as it is known: shells do not look at the outcome of
// close(2). A temporary file is stored nowhere.
func (t *tree) canStore(c context.Context, s shelf, name string) error {
	if s.isTemporary(c, name) {
		return nil
	}
	return t.o.Corpus.CanStore(c, s.key())
}

// shelfDir is the directory before a shelf.
type shelfDir struct {
	dumpNode // analyzers belong to no dump
	shelf    shelf
}

// onShelf tells whether the shelf has a name that is not hidden.
func (d *shelfDir) onShelf(c context.Context, name string) (bool, error) {
	if d.t.drafts.hides(d.shelf, name) {
		return false, nil
	}
	_, _, err := d.shelf.stat(c, name)
	if errors.Is(err, store.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

var _ fusefs.NodeAccesser = (*shelfDir)(nil)

func (d *shelfDir) Access(ctx context.Context, mask uint32) syscall.Errno {
	return d.t.writeAccess(ctx, mask)
}

var _ fusefs.NodeLookuper = (*shelfDir)(nil)

func (d *shelfDir) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	d.t.counts.lookups.Add(1)
	keepNoMissing(out)
	c := d.t.call(ctx)
	defer c.end()
	e := d.entry(name)
	err := e.look(c, &out.Attr)
	if err != nil {
		out.SetEntryTimeout(instant) // the kernel is not told when the name appears
		return nil, d.t.fail(c, "lookup", d.place()+"/"+name, err)
	}
	return d.add(ctx, e, out), 0
}

func (d *shelfDir) entry(name string) *entry {
	return &entry{dumpNode: d.t.dumpNode(d.id), shelf: d.shelf, name: name}
}

func (d *shelfDir) add(ctx context.Context, e *entry, out *fuse.EntryOut) *fusefs.Inode {
	out.SetEntryTimeout(instant) // or remove it
	out.SetAttrTimeout(instant)
	return d.inode(ctx, e)
}

// inode makes the inode of a file. One that was renamed keeps its inode, which must
// not be taken for that of its former name: after a rename all are made anew.
func (d *shelfDir) inode(ctx context.Context, e *entry) *fusefs.Inode {
	id := d.shelf.number(e.name)
	id.Gen += d.t.renames.Load()
	return d.child(ctx, e, id)
}

var _ fusefs.NodeOpendirHandler = (*shelfDir)(nil)

func (d *shelfDir) OpendirHandle(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return d.t.openDir(d, false)
}

func (d *shelfDir) list(ctx context.Context) (listing, error) {
	drafts, hidden := d.t.drafts.names(d.shelf) // first: what is stored meanwhile is on the shelf
	all, err := d.shelf.names(ctx)
	if err != nil {
		return nil, err
	}
	all = append(slices.DeleteFunc(all, func(n string) bool { return slices.Contains(hidden, n) }), drafts...)
	slices.Sort(all)
	var l names
	for _, name := range slices.Compact(all) {
		l.add(name, syscall.S_IFREG, d.shelf.number(name).Ino)
	}
	return l, nil
}

// What a directory of files cannot hold.

func (d *shelfDir) Mkdir(context.Context, string, uint32, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

func (d *shelfDir) Mknod(context.Context, string, uint32, uint32, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

func (d *shelfDir) Link(context.Context, fusefs.InodeEmbedder, string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

func (d *shelfDir) Symlink(context.Context, string, string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

func (d *shelfDir) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EOPNOTSUPP
}
