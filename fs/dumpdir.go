package fs

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
)

// The virtual names in a dump's directory. An object of the same name takes precedence.
const (
	stackName      = "stack"
	propertiesName = "properties"
	dumpName       = "dump"
	dmesgName      = "dmesg"
)

// ownPrefix is the prefix of the names of thothfs's own bookkeeping objects.
const ownPrefix = ".thothfs"

// dumpNode is the directory of a dump or a node in it.
type dumpNode struct {
	t  *Tree
	id dump.ID
}

// dumpDir is by-hash/HASH, the directory of one dump.
type dumpDir struct{ dumpNode }

func (d *dumpDir) ID() FileID   { return FileID{kind: kindDump, dump: d.id} }
func (d *dumpDir) Path() string { return d.ID().path() }

func (d *dumpDir) Attr(ctx context.Context) (Attr, error) {
	found, err := d.t.cached(ctx, d.id)
	if err != nil {
		return Attr{}, err
	}
	return d.attr(unixOf(found)), nil
}

func (d *dumpDir) attr(seconds int64) Attr { return attrOf(modeDir, 0, time.Unix(seconds, 0)) }

// Lookup finds info.json using only the catalogue, so that reading the documents of many dumps does
// not list their directories.
func (d *dumpDir) Lookup(ctx context.Context, name string) (Entry, error) {
	e, err := d.lookup(ctx, name)
	if err != nil {
		return Entry{}, err // no TTL: objects appear without an invalidation
	}
	e.TTL = d.t.o.AttrTimeout // objects also disappear without an invalidation
	return e, nil
}

func (d *dumpDir) lookup(ctx context.Context, name string) (Entry, error) {
	found, err := d.t.cached(ctx, d.id)
	if err != nil {
		return Entry{}, err
	}
	if name == corpus.InfoName && isWhole(found) {
		return d.textEntry(name, infoText, found)
	}
	files, err := d.filesFor(ctx, name)
	if err != nil {
		return Entry{}, err
	}
	if e, ok := findObject(files, name); ok {
		o := d.t.objectFile(d.id, e, modeFile)
		a, err := o.Attr(ctx)
		return Entry{Node: o, Attr: a}, err
	}
	return d.lookupVirtual(ctx, name, found)
}

// virtualWait is how long to wait for the directory list, which may contain an object of the same
// name, when looking up a name that needs only the document.
const virtualWait = time.Second

// filesFor returns the objects to search for a name. For a name that needs no object, the list is
// empty if the store does not respond soon: an edit of a property must not wait for an unavailable
// store.
func (d *dumpDir) filesFor(ctx context.Context, name string) ([]store.Entry, error) {
	if name != propertiesName && name != stackName {
		return d.t.o.Corpus.Files(ctx, d.id)
	}
	soon, cancel := context.WithTimeout(ctx, virtualWait)
	defer cancel()
	files, err := d.t.o.Corpus.Files(soon, d.id)
	if ctx.Err() == nil && (soon.Err() != nil || errors.Is(err, store.ErrUnavailable)) {
		return files, nil
	}
	return files, err
}

// isWhole reports whether the complete document is in memory. A document too large to parse is
// served as an ordinary object.
func isWhole(d *corpus.Dump) bool { return int64(len(d.Doc.Raw())) == d.Size }

// isShown reports whether an object is visible in the tree.
func isShown(e store.Entry) bool { return !e.Dir && !strings.HasPrefix(e.Name, ownPrefix) }

func findObject(files []store.Entry, name string) (store.Entry, bool) {
	i := slices.IndexFunc(files, func(e store.Entry) bool { return isShown(e) && FileName(e.Name) == name })
	if i < 0 {
		return store.Entry{}, false
	}
	return files[i], true
}

// nodeID returns the ID of a node in the directory that is not an object.
func (d *dumpDir) nodeID(k kind, name string) FileID { return FileID{kind: k, dump: d.id, name: name} }

func (d *dumpDir) lookupVirtual(ctx context.Context, name string, found *corpus.Dump) (Entry, error) {
	switch name {
	case stackName:
		return d.textEntry(name, stackText, found)
	case propertiesName:
		p := d.t.propertiesDir(d.id)
		return Entry{Node: p, Attr: attrOf(modeDir, 0, found.ModTime)}, nil
	}
	if !slices.Contains([]string{dumpName, "core", "vmcore", "vmdump", dmesgName}, name) {
		return Entry{}, notThere(d.Path() + "/" + name)
	}
	target, alias, err := d.alias(ctx, found)
	if err != nil {
		return Entry{}, err
	}
	if name == dmesgName && target != "" && hasDmesg(found) {
		f := &dmesgFile{d.dumpNode}
		return Entry{Node: f, Attr: f.attr(found)}, nil
	}
	if target == "" || name != dumpName && name != alias {
		return Entry{}, notThere(d.Path() + "/" + name)
	}
	l := &nameLink{dumpNode: d.dumpNode, fileID: d.nodeID(kindAlias, name), target: target, time: unixOf(found)}
	l.fileID.version = target
	return Entry{Node: l, Attr: l.attr()}, nil
}

// alias returns the name of the dump's file and the fixed name for its kind. Both are "" when the
// dump itself is missing: purging a dump leaves its record.
func (d *dumpDir) alias(ctx context.Context, found *corpus.Dump) (target, alias string, err error) {
	e, err := d.t.o.Corpus.DumpFile(ctx, d.id)
	if errors.Is(err, ErrNotExist) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	return FileName(e.Name), aliasOf(found.Doc, e.Name), nil
}

// aliasOf returns the fixed name for a dump's kind, derived from the type in its document or,
// failing that, from the name of its object.
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

func (d *dumpDir) textEntry(name string, text func(*corpus.Dump) ([]byte, bool), found *corpus.Dump) (Entry, error) {
	f := &generatedFile{dumpNode: d.dumpNode, fileID: d.nodeID(kindText, name), text: text}
	a, err := f.attr(found)
	if err != nil {
		return Entry{}, notThere(f.Path())
	}
	return Entry{Node: f, Attr: a}, nil
}

func (d *dumpDir) Open(context.Context) (bool, error) { return false, nil }

func (d *dumpDir) List(ctx context.Context) (Listing, error) {
	found, err := d.t.current(ctx, d.id)
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
			k := kindObject
			if e.Name == corpus.InfoName && isWhole(found) {
				k = kindText
			}
			l.add(FileName(e.Name), modeFile, d.nodeID(k, e.Name).Ino())
		}
	}
	if err := d.listVirtual(ctx, found, &l); err != nil {
		return nil, err
	}
	slices.SortFunc(l, compareNames)
	return l, nil
}

func (d *dumpDir) listVirtual(ctx context.Context, found *corpus.Dump, l *names) error {
	objects := len(*l)
	add := func(name string, mode os.FileMode, k kind) {
		taken := slices.ContainsFunc((*l)[:objects], func(e DirEntry) bool { return e.Name == name })
		if !taken {
			l.add(name, mode, d.nodeID(k, name).Ino())
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
		if hasDmesg(found) {
			add(dmesgName, modeFile, kindText)
		}
	}
	return err
}
