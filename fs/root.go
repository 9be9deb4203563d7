package fs

import (
	"context"
	"slices"
	"strings"

	"thothfs/corpus"
)

// views are the directories at the root that have a directory for each value of a
// field.
var views = []struct {
	name  string
	field corpus.Field
}{
	{"by-cmd", corpus.Cmd},
	{"by-node", corpus.Node},
	{"by-platform", corpus.Platform},
	{"by-signature", corpus.Signature},
	{ticketsName, corpus.Ticket},
	{"by-type", corpus.TypeField},
}

// rootDir is the root directory.
type rootDir struct{ t *Tree }

func (r *rootDir) ID() FileID   { return dirID("") }
func (r *rootDir) Path() string { return "" }

func (r *rootDir) Attr(context.Context) (Attr, error) {
	return attrOf(modeDir, 0, r.t.started), nil
}

// child returns the node of a name at the root, or nil.
func (r *rootDir) child(name string) Dir {
	t := r.t
	switch name {
	case hashDirName:
		return &hashDir{catalogDir: t.catalogDir(name)}
	case ticketsName:
		return &ticketsDir{valueDir: valueDir{catalogDir: t.catalogDir(name), field: corpus.Ticket}}
	case "by-time":
		return &timeDir{catalogDir: t.catalogDir(name)}
	case "query":
		return &queryDir{t.catalogDir(name)}
	case analyzersName:
		return t.analyzersDir()
	case ControlDir:
		return &controlDir{t.catalogDir(name)}
	}
	for _, v := range views {
		if v.name == name {
			return &valueDir{catalogDir: t.catalogDir(name), field: v.field}
		}
	}
	return nil
}

// rootNames returns the names at the root that are listed.
func rootNames() []string {
	all := []string{analyzersName, hashDirName, "by-time", "query"}
	for _, v := range views {
		all = append(all, v.name)
	}
	slices.Sort(all)
	return all
}

func (r *rootDir) Lookup(ctx context.Context, name string) (Entry, error) {
	d := r.child(name)
	if d == nil {
		return Entry{TTL: r.t.missingTTL}, notThere(name)
	}
	a, err := d.Attr(ctx)
	return Entry{Node: d, Attr: a, TTL: nameTimeout}, err
}

func (r *rootDir) Open(context.Context) (bool, error) { return true, nil }

func (r *rootDir) List(context.Context) (Listing, error) {
	var l names
	for _, name := range rootNames() {
		l.add(name, modeDir, number(kindDir, name))
	}
	return l, nil
}

func compareNames(a, b DirEntry) int { return strings.Compare(a.Name, b.Name) }
