package fs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
)

// The names beside a dump that are not objects of the store. An object of the
// same name wins, and the virtual one steps aside.
const (
	stackName      = "stack"
	propertiesName = "properties"
	dumpName       = "dump"
)

// ownPrefix begins the names of objects that are thothfs's own bookkeeping.
const ownPrefix = ".thothfs"

// dumpDir is by-hash/HASH: the directory of one dump.
type dumpDir struct{ dumpNode }

var _ fusefs.NodeGetattrer = (*dumpDir)(nil)

func (d *dumpDir) Getattr(ctx context.Context, h fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	c := d.t.call(ctx)
	defer c.end()
	found, err := d.cached(c)
	if err != nil {
		return d.t.fail(c, "getattr", d.place(), err)
	}
	d.attr(unixOf(found), &out.Attr)
	return 0
}

func (d *dumpDir) attr(seconds int64, out *fuse.Attr) { d.t.attr(out, modeDir, 0, dumpTime(seconds)) }

var _ fusefs.NodeLookuper = (*dumpDir)(nil)

func (d *dumpDir) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	d.t.counts.lookups.Add(1)
	c := d.t.call(ctx)
	defer c.end()
	child, err := d.lookup(c, ctx, name, out)
	if err != nil {
		out.SetEntryTimeout(instant) // the kernel is not told when the name appears
		return nil, d.t.fail(c, "lookup", d.place()+"/"+name, err)
	}
	// Objects come and go without anybody telling us.
	out.SetEntryTimeout(d.t.o.AttrTimeout)
	return child, 0
}

// lookup finds info.json in the catalogue alone: reading the documents of many
// dumps must not list their directories.
func (d *dumpDir) lookup(c, ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, error) {
	found, err := d.cached(c)
	if err != nil {
		return nil, err
	}
	if name == corpus.InfoName && isWhole(found) {
		return d.addText(ctx, name, infoText, found, out)
	}
	files, err := d.filesFor(c, name)
	if err != nil {
		return nil, err
	}
	if e, ok := findObject(files, name); ok {
		return d.addObject(c, ctx, e, out), nil
	}
	return d.lookupVirtual(c, ctx, name, found, out)
}

// virtualWait is how long the names that the document is enough for wait for the list of
// the directory, which may have an object of that name.
const virtualWait = time.Second

// filesFor returns the objects to look a name up in. The list is empty for a name that
// needs no object, when the store does not give it soon: an edit of a property must
// not wait for a store that is away.
func (d *dumpDir) filesFor(c context.Context, name string) ([]store.Entry, error) {
	if name != propertiesName && name != stackName {
		return d.t.o.Corpus.Files(c, d.id)
	}
	soon, cancel := context.WithTimeout(c, virtualWait)
	defer cancel()
	files, err := d.t.o.Corpus.Files(soon, d.id)
	if c.Err() == nil && (soon.Err() != nil || errors.Is(err, store.ErrUnavailable)) {
		return files, nil
	}
	return files, err
}

// isWhole tells that the document is at hand byte for byte. One that is too large
// to be read is a file like any other.
func isWhole(d *corpus.Dump) bool { return int64(len(d.Doc.Raw())) == d.Size }

// isShown tells the objects that have a name in the mount.
func isShown(e store.Entry) bool { return !e.Dir && !strings.HasPrefix(e.Name, ownPrefix) }

func findObject(files []store.Entry, name string) (store.Entry, bool) {
	i := slices.IndexFunc(files, func(e store.Entry) bool { return isShown(e) && FileName(e.Name) == name })
	if i < 0 {
		return store.Entry{}, false
	}
	return files[i], true
}

func (d *dumpDir) addObject(c, ctx context.Context, e store.Entry, out *fuse.EntryOut) *fusefs.Inode {
	o := new(d.t.object(d.id, d.id.String()+"/"+e.Name, e, modeFile))
	o.attr(c, &out.Attr)
	return d.child(ctx, o, o.identity())
}

func (d *dumpDir) lookupVirtual(c, ctx context.Context, name string, found *corpus.Dump, out *fuse.EntryOut) (*fusefs.Inode, error) {
	switch name {
	case stackName:
		return d.addText(ctx, name, stackText, found, out)
	case propertiesName:
		p := d.t.propertiesDir(d.id)
		p.attr(found, &out.Attr)
		return d.child(ctx, p, identity(syscall.S_IFDIR, number(kindProps, d.id.String(), name), d.id.String(), name)), nil
	}
	if !slices.Contains(aliases(), name) {
		return nil, notThere(d.id.String() + "/" + name)
	}
	target, alias, err := d.alias(c, found)
	if err != nil {
		return nil, err
	}
	if target == "" || name != dumpName && name != alias {
		return nil, notThere(d.id.String() + "/" + name)
	}
	l := &nameLink{dumpNode: d.t.dumpNode(d.id), target: target, time: unixOf(found)}
	l.attr(&out.Attr)
	return d.child(ctx, l, identity(syscall.S_IFLNK, number(kindAlias, d.id.String(), name), d.id.String(), name, target)), nil
}

// notThere is the error for a name that is not there.
func notThere(key string) error {
	return &store.Error{Op: "stat", Key: key, Kind: store.ErrNotExist}
}

// aliases are the stable names that a dump may have.
func aliases() []string { return []string{dumpName, "core", "vmcore", "vmdump"} }

// alias returns the name of the dump's file, and the stable name that its kind
// has. Both are "" when the dump itself is not there: a purged one leaves its record.
func (d *dumpDir) alias(c context.Context, found *corpus.Dump) (target, alias string, err error) {
	e, err := d.t.o.Corpus.DumpFile(c, d.id)
	if errors.Is(err, store.ErrNotExist) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	return FileName(e.Name), aliasOf(found.Doc, e.Name), nil
}

// aliasOf returns the stable name of a dump by what its document says that it is, else
// by the name of its object.
func aliasOf(doc *document.Document, object string) string {
	format := doc.String("format")
	switch kind := dump.Type(doc.String("type")); {
	case kind == dump.Core:
		return "core"
	case format == "illumos vmdump", format == "" && strings.HasPrefix(object, "vmdump"):
		return "vmdump"
	case kind == dump.Crash, strings.HasPrefix(object, "vmcore"):
		return "vmcore"
	}
	return "core"
}

func (d *dumpDir) addText(ctx context.Context, name string, text func(*corpus.Dump) ([]byte, bool), found *corpus.Dump, out *fuse.EntryOut) (*fusefs.Inode, error) {
	f := &textFile{dumpNode: d.t.dumpNode(d.id), text: text}
	if errno := f.attr(found, &out.Attr); errno != 0 {
		return nil, notThere(d.id.String() + "/" + name)
	}
	return d.child(ctx, f, identity(syscall.S_IFREG, number(kindText, d.id.String(), name), d.id.String(), name)), nil
}

var _ fusefs.NodeOpendirHandler = (*dumpDir)(nil)

func (d *dumpDir) OpendirHandle(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return d.t.openDir(d, false)
}

func (d *dumpDir) list(ctx context.Context) (listing, error) {
	found, err := d.document(ctx)
	if err != nil {
		return nil, err
	}
	files, err := d.t.o.Corpus.Files(ctx, d.id)
	if err != nil {
		return nil, err
	}
	var l names
	for _, e := range files {
		if isShown(e) {
			l.add(FileName(e.Name), modeFile, d.objectNumber(e.Name, found))
		}
	}
	if err := d.listVirtual(ctx, found, &l); err != nil {
		return nil, err
	}
	slices.SortFunc(l, func(a, b fuse.DirEntry) int { return strings.Compare(a.Name, b.Name) })
	return l, nil
}

func (d *dumpDir) objectNumber(name string, found *corpus.Dump) uint64 {
	if name == corpus.InfoName && isWhole(found) {
		return number(kindText, d.id.String(), name)
	}
	return number(kindObject, d.id.String()+"/"+name)
}

func (d *dumpDir) listVirtual(ctx context.Context, found *corpus.Dump, l *names) error {
	id := d.id.String()
	objects := len(*l)
	add := func(name string, mode uint32, k kind) {
		taken := slices.ContainsFunc((*l)[:objects], func(e fuse.DirEntry) bool { return e.Name == name })
		if !taken {
			l.add(name, mode, number(k, id, name))
		}
	}
	if _, ok := stackText(found); ok {
		add(stackName, modeFile, kindText)
	}
	add(propertiesName, modeDir, kindProps)
	target, alias, err := d.alias(ctx, found)
	if err == nil && target != "" {
		add(dumpName, modeLink, kindAlias)
		add(alias, modeLink, kindAlias)
	}
	return err
}
