package fs

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/corpus"
	"thothfs/dump"
)

// propertiesDir is by-hash/HASH/properties: the custom properties as files, an
// object among them as one file. It is there even when there are none.
type propertiesDir struct{ dumpNode }

var _ fusefs.NodeGetattrer = (*propertiesDir)(nil)

func (p *propertiesDir) Getattr(ctx context.Context, h fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	c := p.t.call(ctx)
	defer c.end()
	found, err := p.cached(c)
	if err != nil {
		return p.t.fail(c, "getattr", p.place(), err)
	}
	p.attr(found, &out.Attr)
	return 0
}

func (p *propertiesDir) attr(found *corpus.Dump, out *fuse.Attr) {
	p.t.attr(out, modeDir, 0, found.ModTime)
}

var _ fusefs.NodeLookuper = (*propertiesDir)(nil)

func (p *propertiesDir) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	p.t.counts.lookups.Add(1)
	c := p.t.call(ctx)
	defer c.end()
	found, err := p.cached(c)
	if err != nil {
		return nil, p.t.fail(c, "lookup", p.place()+"/"+name, err)
	}
	for key := range properties(found.Doc) {
		if fileName(key) == name {
			return p.add(ctx, key, found, out), 0
		}
	}
	return nil, syscall.ENOENT
}

func (p *propertiesDir) add(ctx context.Context, key string, found *corpus.Dump, out *fuse.EntryOut) *fusefs.Inode {
	f := &textFile{dumpNode: p.t.dumpNode(p.id), text: propertyText(key)}
	f.attr(found, &out.Attr)
	out.SetEntryTimeout(p.t.o.AttrTimeout)
	return p.child(ctx, f, identity(syscall.S_IFREG, p.number(key), p.id.String(), propertiesName, key))
}

func (p *propertiesDir) number(key string) uint64 {
	return number(kindText, p.id.String(), propertiesName, key)
}

// properties yields the custom properties that are set, by key in byte order. Of a
// key that the document has twice the last one counts.
func properties(doc *dump.Document) iter.Seq2[string, dump.Value] {
	object, _ := doc.Get(propertiesName)
	all := maps.Collect(object.Members())
	return func(yield func(string, dump.Value) bool) {
		for _, key := range slices.Sorted(maps.Keys(all)) {
			if v := all[key]; v.Kind() != dump.KindNull && !yield(key, v) {
				return
			}
		}
	}
}

var _ fusefs.NodeOpendirHandler = (*propertiesDir)(nil)

func (p *propertiesDir) OpendirHandle(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return p.t.openDir(p, false)
}

func (p *propertiesDir) list(ctx context.Context) (listing, error) {
	found, err := p.document(ctx)
	if err != nil {
		return nil, err
	}
	var l names
	for key := range properties(found.Doc) {
		l.add(fileName(key), modeFile, p.number(key))
	}
	slices.SortFunc(l, func(a, b fuse.DirEntry) int { return strings.Compare(a.Name, b.Name) })
	return l, nil
}
