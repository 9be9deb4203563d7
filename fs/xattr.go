package fs

import (
	"context"
	"strings"

	"thothfs/dump"
	"thothfs/dump/document"
)

// xattrPrefix is followed by a path in info.json in the name of an attribute. Other names, such as
// those that ls requests, do not exist and are rejected without calling another layer.
const xattrPrefix = "user.thoth."

// The limits from xattr(7), in bytes.
const (
	maxXattrName  = 255
	maxXattrValue = 64 << 10
	maxXattrList  = 64 << 10
)

// dumpOf returns the dump whose document a node shows as extended attributes. The node is the
// directory of the dump or a file in it. Links have no attributes: the kernel refuses to read user.*
// of a link, and programs that copy attributes (rsync -X) fail if one is listed.
func dumpOf(n Node) (dump.ID, bool) {
	if _, isLink := n.(Link); isLink {
		return dump.ID{}, false
	}
	id := n.ID().dump
	return id, id != dump.ID{}
}

// Getxattr returns one leaf of the document as text, an array as JSON.
func (t *Tree) Getxattr(ctx context.Context, n Node, name string) (string, error) {
	path, ours := strings.CutPrefix(name, xattrPrefix)
	id, ok := dumpOf(n)
	if !ours || !ok {
		return "", ErrNoAttr
	}
	d, err := t.current(ctx, id)
	if err != nil {
		return "", err
	}
	value, ok, err := t.examine(ctx, d.Doc, func() (string, bool) { return xattrValue(d.Doc, path) })
	switch {
	case err != nil:
		return "", err
	case !ok:
		return "", ErrNoAttr
	case len(value) > maxXattrValue:
		return "", ErrAttrTooBig
	}
	return value, nil
}

// Listxattr returns the names of the leaves of the document in its order, each followed by NUL. It
// omits what the interface cannot carry: names over 255 bytes, values over 64 KiB, and names after
// the first 64 KiB of names. It uses the catalogue: ls -l in newer coreutils, cp -a and rsync -X
// list the attributes of every file, and a walk must not query the store for each dump.
//
// A property lists no attributes, though they can be read and set: cp -a and mv of one property to
// another dump must not copy all properties and the ticket as well.
func (t *Tree) Listxattr(ctx context.Context, n Node) (string, error) {
	id, ok := dumpOf(n)
	if _, isProperty := n.(*writableFile); isProperty || !ok {
		return "", nil
	}
	d, err := t.cached(ctx, id)
	if err != nil {
		return "", err
	}
	list, _, err := t.examine(ctx, d.Doc, func() (string, bool) { return t.docs.of(d.Doc).xattrs(), true })
	return list, err
}

// Setxattr sets the ticket or a custom property if the condition holds. When it returns, the value
// is stored.
func (t *Tree) Setxattr(ctx context.Context, n Node, name, value string, condition document.If) error {
	path, ours := strings.CutPrefix(name, xattrPrefix)
	id, ok := dumpOf(n)
	switch {
	case !ours:
		return ErrNotSupported
	case !ok:
		return ErrNotPermitted
	case path == ticketField && value == "":
		return ErrNoTicket
	}
	edit := document.Set(path, value)
	edit.If = condition
	return t.editXattr(withOrigin(ctx, "setxattr "+name), id, edit)
}

// Removexattr unsets the ticket or a custom property.
func (t *Tree) Removexattr(ctx context.Context, n Node, name string) error {
	path, ours := strings.CutPrefix(name, xattrPrefix)
	id, ok := dumpOf(n)
	if !ours || !ok {
		return ErrNoAttr
	}
	edit := document.Unset(path)
	edit.If = document.IfPresent
	return t.editXattr(withOrigin(ctx, "removexattr "+name), id, edit)
}

func (t *Tree) editXattr(ctx context.Context, id dump.ID, edit document.Edit) error {
	if err := t.mayWrite(ctx); err != nil {
		return err
	}
	_, err := t.edit(ctx, id, edit)
	return err
}

// xattrValue returns the value at path if it is a leaf; the members of an object have their own
// attributes.
func xattrValue(doc *document.Document, path string) (string, bool) {
	v, ok := doc.Get(path)
	if !ok || !isLeaf(v) {
		return "", false
	}
	return v.Text(), true
}

// isLeaf reports whether a value is a leaf of Document.Walk and not null. A property that is null
// counts as not set, as in specifications.
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

// xattrList returns the result of Listxattr.
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
