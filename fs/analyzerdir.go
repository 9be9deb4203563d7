package fs

import (
	"context"
	"slices"
	"strings"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/dump"
)

// analyzersName is the directory of the scripts, in the mount and in the store.
const analyzersName = "analyzers"

// analyzerDir is analyzers: the corpus's scripts.
type analyzerDir struct{ dirNode }

// analyzer is a script: an object that belongs to no dump.
type analyzer struct{ object }

var _ fusefs.NodeGetxattrer = (*analyzer)(nil)

func (a *analyzer) Getxattr(ctx context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	return a.node.Getxattr(ctx, name, dest)
}

var _ fusefs.NodeListxattrer = (*analyzer)(nil)

func (a *analyzer) Listxattr(ctx context.Context, dest []byte) (uint32, syscall.Errno) {
	return a.node.Listxattr(ctx, dest)
}

var _ fusefs.NodeLookuper = (*analyzerDir)(nil)

func (d *analyzerDir) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	d.t.counts.lookups.Add(1)
	c := d.t.call(ctx)
	defer c.end()
	files, err := d.t.o.Corpus.Analyzers(c)
	if err != nil {
		return nil, d.t.fail(c, "lookup", d.below(name), err)
	}
	e, ok := findObject(files, name)
	if !ok {
		return nil, syscall.ENOENT
	}
	a := &analyzer{d.t.object(dump.ID{}, analyzersName+"/"+e.Name, e, modeScript)}
	a.attr(c, &out.Attr)
	out.SetEntryTimeout(d.t.o.AttrTimeout)
	return d.child(ctx, a, a.identity()), 0
}

var _ fusefs.NodeOpendirHandler = (*analyzerDir)(nil)

func (d *analyzerDir) OpendirHandle(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return d.t.openDir(d, false)
}

func (d *analyzerDir) list(ctx context.Context) (listing, error) {
	files, err := d.t.o.Corpus.Analyzers(ctx)
	if err != nil {
		return nil, err
	}
	var l names
	for _, e := range files {
		if isShown(e) {
			l.add(fileName(e.Name), modeFile, number(kindObject, analyzersName+"/"+e.Name))
		}
	}
	slices.SortFunc(l, func(a, b fuse.DirEntry) int { return strings.Compare(a.Name, b.Name) })
	return l, nil
}
