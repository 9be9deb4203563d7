package fs

import (
	"context"
	"strings"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
)

// xattrPrefix comes before the path in info.json. Whatever else is asked for, by
// ls for one, is not there, and nobody is asked.
const xattrPrefix = "user.thoth."

// The limits of xattr(7), in bytes.
const (
	maxXattrName  = 255
	maxXattrValue = 64 << 10
	maxXattrList  = 64 << 10
)

// dumpNode is a node of a dump: its directory and every file in it. They all
// show the document as extended attributes.
type dumpNode struct {
	node
	id dump.ID
}

func (t *tree) dumpNode(id dump.ID) dumpNode { return dumpNode{node{t: t}, id} }

// hasNone tells that the node is of no dump, and has no attributes: an analyzer.
func (n *dumpNode) hasNone() bool { return n.id == dump.ID{} }

// document returns the dump with its document, compared with the store when it
// is older than the attribute timeout.
func (n *dumpNode) document(ctx context.Context) (*corpus.Dump, error) {
	return n.t.current(ctx, n.id)
}

// cached returns the dump as the catalogue has it; one that just came asks the store.
func (n *dumpNode) cached(ctx context.Context) (*corpus.Dump, error) {
	return n.t.cached(ctx, n.id)
}

var _ fusefs.NodeGetxattrer = (*dumpNode)(nil)

// Getxattr returns the text form of one leaf of the document, an array as JSON.
func (n *dumpNode) Getxattr(ctx context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	path, ours := strings.CutPrefix(name, xattrPrefix)
	if !ours || n.hasNone() {
		return n.node.Getxattr(ctx, name, dest)
	}
	c := n.t.call(ctx)
	defer c.end()
	d, err := n.document(c)
	if err != nil {
		return 0, n.t.fail(c, "getxattr "+name, n.place(), err)
	}
	type answer struct {
		value string
		ok    bool
	}
	found := make(chan answer, 1)
	if err := n.t.examine(c, d.Doc, func() { v, ok := xattrValue(d.Doc, path); found <- answer{v, ok} }); err != nil {
		return 0, n.t.fail(c, "getxattr "+name, n.place(), err)
	}
	a := <-found
	if !a.ok {
		return 0, errnoOf(errNoProperty)
	}
	value := a.value
	if len(value) > maxXattrValue {
		return 0, n.t.fail(c, "getxattr "+name, n.place(), errTooBig)
	}
	return copyXattr(dest, value)
}

var _ fusefs.NodeListxattrer = (*dumpNode)(nil)

// Listxattr lists the leaves of the document in its order. Those that the
// interface cannot carry are left out: longer names than 255 bytes, values over
// 64 KiB, and whatever comes after the first 64 KiB of names. It answers from the
// catalogue: ls -l of newer coreutils, cp -a and rsync -X list them for every file
// that they see, and a walk must not ask the store for each dump.
func (n *dumpNode) Listxattr(ctx context.Context, dest []byte) (uint32, syscall.Errno) {
	if n.hasNone() {
		return n.node.Listxattr(ctx, dest)
	}
	c := n.t.call(ctx)
	defer c.end()
	d, err := n.cached(c)
	if err != nil {
		return 0, n.t.fail(c, "listxattr", n.place(), err)
	}
	list := make(chan string, 1)
	if err := n.t.examine(c, d.Doc, func() { list <- n.t.docs.xattrList(d.Doc) }); err != nil {
		return 0, n.t.fail(c, "listxattr", n.place(), err)
	}
	return copyXattr(dest, <-list)
}

// xattrValue is the value at path: of a leaf alone, since an object has the
// values inside it.
func xattrValue(doc *document.Document, path string) (string, bool) {
	v, ok := doc.Get(path)
	if !ok || !isLeaf(v) {
		return "", false
	}
	return v.Text(), true
}

// isLeaf tells what Document.Walk calls a leaf, but for null: that is a property
// which is not set, as it is for specifications.
func isLeaf(v document.Value) bool {
	switch v.Kind() {
	case document.KindNone, document.KindNull:
		return false
	case document.KindObject:
	default:
		return true
	}
	for range v.Members() {
		return false
	}
	return true
}

// xattrList is the names that a document has, each ended by NUL.
func xattrList(doc *document.Document) string {
	var list strings.Builder
	seen := map[string]bool{}
	doc.Walk(func(path string, v document.Value) bool {
		name := xattrPrefix + path
		switch {
		case path == "", len(name) > maxXattrName, strings.Contains(name, "\x00"), seen[name]:
			return true
		case list.Len()+len(name)+1 > maxXattrList:
			return false
		}
		if value, ok := xattrValue(doc, path); ok && len(value) <= maxXattrValue {
			seen[name] = true
			list.WriteString(name + "\x00")
		}
		return true
	})
	return list.String()
}

// copyXattr answers by the rules of xattr(7): a probe (no buffer) gets the size,
// a buffer that is too small ERANGE, and never a part of the value.
func copyXattr(dest []byte, value string) (uint32, syscall.Errno) {
	if len(dest) < len(value) {
		return uint32(len(value)), errnoOf(errShortBuffer)
	}
	return uint32(copy(dest, value)), 0
}
