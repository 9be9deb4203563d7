package fs

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/corpus"
	"thothfs/dump"
)

// hashDir is by-hash: every dump, under its hash.
type hashDir struct {
	dirNode
	all kept[*dumpList]
}

var _ fusefs.NodeLookuper = (*hashDir)(nil)

// Lookup finds a dump by its hash, or by any beginning of it that only one has.
func (d *hashDir) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	d.t.counts.lookups.Add(1)
	d.t.live.add(d)
	if !isHashPrefix(name) {
		return nil, syscall.ENOENT
	}
	c := d.t.call(ctx)
	defer c.end()
	id, err := dump.ParseID(name)
	if err != nil {
		return d.lookupPrefix(c, ctx, name, out)
	}
	if s := d.all.fresh(d.t, 0); s != nil {
		if row, ok := s.items.find(id); ok {
			return d.add(ctx, id, row.Time, out), 0
		}
	}
	found, err := d.t.cached(c, id)
	if err != nil {
		return nil, d.t.fail(c, "lookup", d.below(name), err)
	}
	return d.add(ctx, id, unixOf(found), out), 0
}

func (d *hashDir) lookupPrefix(c, ctx context.Context, prefix string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	id, err := d.t.o.Corpus.Resolve(c, prefix)
	if err != nil {
		return nil, d.t.fail(c, "lookup", d.below(prefix), err)
	}
	l := &nameLink{dumpNode: d.t.dumpNode(id), target: id.String()}
	l.attr(&out.Attr)
	out.SetEntryTimeout(d.t.o.AttrTimeout) // another dump may make it ambiguous
	return d.child(ctx, l, identity(syscall.S_IFLNK, number(kindPrefix, d.path, prefix), d.path, prefix, l.target)), 0
}

func (d *hashDir) add(ctx context.Context, id dump.ID, seconds int64, out *fuse.EntryOut) *fusefs.Inode {
	n := &dumpDir{dumpNode: d.t.dumpNode(id)}
	n.attr(seconds, &out.Attr)
	out.SetEntryTimeout(nameTimeout)
	// The whole hash is the identity; half of it is the number's business.
	return d.child(ctx, n, identity(syscall.S_IFDIR, dumpNumber(id), string(id[:])))
}

// unixOf is the time of a dump as corpus.Row has it.
func unixOf(d *corpus.Dump) int64 {
	if d.Time.IsZero() {
		return 0
	}
	return d.Time.Unix()
}

var _ fusefs.NodeOpendirHandler = (*hashDir)(nil)

func (d *hashDir) OpendirHandle(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	d.t.live.add(d)
	return d.t.openWhole(ctx, d, true)
}

func (d *hashDir) list(ctx context.Context) (listing, error) {
	if s := d.all.fresh(d.t, 0); s != nil && s.items.failed() {
		d.all.drop(s)
	}
	s, err := d.all.get(d.t, 0, func() (*dumpList, error) { return d.t.listDumps(), nil })
	if err != nil {
		return nil, err
	}
	return &dumpDirs{from: s.items}, nil
}

// dumpDirs lists dumps as directories.
type dumpDirs struct {
	from  *dumpList
	parts [][]corpus.Row // as many as there were when it was last looked
	count int            // of the rows in them

	part, first int // the part that was looked at last, and which row it begins with
}

func (d *dumpDirs) len() int { return d.count }

func (d *dumpDirs) entry(i int) fuse.DirEntry {
	id := d.row(i).ID
	return fuse.DirEntry{Name: id.String(), Mode: syscall.S_IFDIR, Ino: dumpNumber(id)}
}

// row is the row i of those that are there. They are wanted one after the other.
func (d *dumpDirs) row(i int) corpus.Row {
	if i < d.first {
		d.part, d.first = 0, 0
	}
	for i >= d.first+len(d.parts[d.part]) {
		d.first += len(d.parts[d.part])
		d.part++
	}
	return d.parts[d.part][i-d.first]
}

var _ growing = (*dumpDirs)(nil)

func (d *dumpDirs) grow(ctx context.Context) (bool, error) {
	parts, err := d.from.longer(ctx, len(d.parts))
	more := parts[len(d.parts):]
	for _, part := range more {
		d.count += len(part)
	}
	d.parts = parts
	return len(more) > 0, err
}

func (d *hashDir) lookupEntry(ctx context.Context, l listing, i int, out *fuse.EntryOut) *fusefs.Inode {
	r := l.(*dumpDirs).row(i)
	return d.add(ctx, r.ID, r.Time, out)
}
