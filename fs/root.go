package fs

import (
	"context"
	"slices"
	"strings"

	"thothfs/corpus/catalog"
)

// rootDir is the root directory.
type rootDir struct{ t *Tree }

func (r *rootDir) ID() FileID   { return dirID("") }
func (r *rootDir) Path() string { return "" }

func (r *rootDir) Attr(context.Context) (Attr, error) {
	return attrOf(modeDir, 0, r.t.started), nil
}

// child returns the directory of that name in the root, or nil.
func (r *rootDir) child(name string) Dir {
	t := r.t
	switch name {
	case hashDirName:
		return &hashDir{catalogDir: t.catalogDir(name)}
	case "by-time":
		return &timeDir{catalogDir: t.catalogDir(name)}
	case "query":
		return &queryDir{t.catalogDir(name)}
	case analyzersName:
		return t.analyzersDir()
	case ControlDir:
		return &controlDir{t.catalogDir(name)}
	}
	for i := range catalog.Fields {
		switch f := &catalog.Fields[i]; {
		case f.View == "" || f.View != name:
		case f == catalog.Ticket:
			return &ticketsDir{valueDir: valueDir{catalogDir: t.catalogDir(name), field: f}}
		default:
			return &valueDir{catalogDir: t.catalogDir(name), field: f}
		}
	}
	return nil
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
	all := []string{analyzersName, hashDirName, "by-time", "query"}
	for _, f := range catalog.Fields {
		if f.View != "" {
			all = append(all, f.View)
		}
	}
	slices.Sort(all)
	var l names
	for _, name := range all {
		l.add(name, modeDir, number(kindDir, name))
	}
	return l, nil
}

func compareNames(a, b DirEntry) int { return strings.Compare(a.Name, b.Name) }
