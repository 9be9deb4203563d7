package fs

import (
	"context"
	"os"

	"thothfs/corpus"
	"thothfs/dump"
)

// hashDirName is the directory that the links in all views point to.
const hashDirName = "by-hash"

// hashDir is by-hash, which holds every dump under its hash.
type hashDir struct {
	catalogDir
	all cachedList[*streamList]
}

// Lookup finds a dump by its hash or by a unique prefix of it.
func (d *hashDir) Lookup(ctx context.Context, name string) (Entry, error) {
	missing := Entry{TTL: d.t.missingTTL}
	if !isHashPrefix(name) {
		return missing, notThere(d.below(name))
	}
	id, err := dump.ParseID(name)
	if err != nil {
		return d.lookupPrefix(ctx, name)
	}
	if s := d.all.fresh(d.t, 0); s != nil {
		if row, ok := s.items.find(id); ok {
			return d.entry(id, row.Time), nil
		}
	}
	found, err := d.t.cached(ctx, id)
	if err != nil {
		return missing, err
	}
	return d.entry(id, unixOf(found)), nil
}

func (d *hashDir) lookupPrefix(ctx context.Context, prefix string) (Entry, error) {
	id, err := d.t.o.Corpus.Resolve(ctx, prefix)
	if err != nil {
		return Entry{TTL: d.t.missingTTL}, err
	}
	l := &nameLink{
		dumpNode: dumpNode{d.t, id}, target: id.String(),
		fileID: FileID{kind: kindPrefix, name: prefix, version: id.String()},
	}
	return Entry{Node: l, Attr: l.attr(), TTL: d.t.o.AttrTimeout}, nil // may become ambiguous
}

func (d *hashDir) entry(id dump.ID, seconds int64) Entry {
	n := &dumpDir{dumpNode{d.t, id}}
	return Entry{Node: n, Attr: n.attr(seconds), TTL: nameTimeout}
}

// unixOf returns the time of a dump in the form that corpus.Row uses.
func unixOf(d *corpus.Dump) int64 {
	if d.Time.IsZero() {
		return 0
	}
	return d.Time.Unix()
}

func (d *hashDir) List(ctx context.Context) (Listing, error) {
	if s := d.all.fresh(d.t, 0); s != nil && s.items.failed() {
		d.all.drop(s)
	}
	s, err := d.all.get(ctx, d.t, 0, func() (*streamList, error) { return d.t.listDumps(), nil })
	if err != nil {
		return nil, err
	}
	return &dumpListing{dir: d, from: s.items}, nil
}

// dumpListing lists dumps as directories.
type dumpListing struct {
	dir   *hashDir
	from  *streamList
	parts [][]corpus.Row // those that existed at the last Grow
	count int            // number of rows in parts

	part, first int // the part last read, and the index of its first row
}

func (l *dumpListing) Len() int { return l.count }

func (l *dumpListing) At(i int) DirEntry {
	id := l.row(i).ID
	return DirEntry{Name: id.String(), Mode: os.ModeDir, Ino: dumpNumber(id)}
}

// row returns row i. It is fastest when rows are read in order.
func (l *dumpListing) row(i int) corpus.Row {
	if i < l.first {
		l.part, l.first = 0, 0
	}
	for i >= l.first+len(l.parts[l.part]) {
		l.first += len(l.parts[l.part])
		l.part++
	}
	return l.parts[l.part][i-l.first]
}

// Grow implements GrowingListing.
func (l *dumpListing) Grow(ctx context.Context) (bool, error) {
	parts, err := l.from.longer(ctx, len(l.parts))
	more := parts[len(l.parts):]
	for _, part := range more {
		l.count += len(part)
	}
	l.parts = parts
	return len(more) > 0, err
}

// EntryAt implements NodeListing.
func (l *dumpListing) EntryAt(i int) Entry {
	r := l.row(i)
	return l.dir.entry(r.ID, r.Time)
}
