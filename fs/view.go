package fs

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"thothfs/corpus"
	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/query"
)

// viewDir is a directory of links to the dumps that match a specification, such as by-cmd/node,
// by-time/2013/07/11, query/type=core, and views that narrow these.
type viewDir struct {
	catalogDir
	spec  query.Spec
	depth int // depth below the root: by-cmd/node is 2
	rows  cachedList[[]corpus.Row]
}

// maxDepth is the maximum depth of narrowed views; the relative link target from there must not
// exceed the maximum length of a path.
const maxDepth = 200

// viewEntry returns the view called name in d, which is depth levels below the root. in is d as a
// Dir, and name existed in it at the given generation of the corpus.
func (d *catalogDir) viewEntry(in Dir, name string, spec query.Spec, depth int, generation uint64) Entry {
	v := &viewDir{catalogDir: d.t.catalogDir(d.below(name)), spec: spec, depth: depth + 1}
	v.place(in, name, generation)
	return Entry{Node: v, Attr: v.attr(), TTL: nameTimeout}
}

// queryDir is query. Every specification is a name in it, but it lists none.
type queryDir struct{ catalogDir }

// Lookup returns the view for a specification. If nothing matches, the view is an empty directory;
// a malformed specification does not exist.
func (d *queryDir) Lookup(_ context.Context, name string) (Entry, error) {
	spec, err := parseSpec(name)
	if err != nil {
		return Entry{TTL: d.t.missingTTL}, err
	}
	return d.viewEntry(nil, name, spec, 1, d.t.o.Corpus.Generation()), nil
}

func (d *queryDir) Open(context.Context) (bool, error) { return true, nil }

func (d *queryDir) List(context.Context) (Listing, error) { return names(nil), nil }

// parseSpec parses a name as a specification.
func parseSpec(name string) (query.Spec, error) {
	spec, err := query.ParseName(name)
	if err != nil {
		return spec, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	if spec.FromStdin() {
		return spec, fmt.Errorf("%w: a directory has no standard input", ErrSpec)
	}
	if id, ok := spec.ID(); ok && !isHashPrefix(id) {
		return spec, fmt.Errorf("%w: %q is not a hash", ErrSpec, id)
	}
	return spec, nil
}

// maxAge returns how long a list of the view stays valid while the corpus does not change, or 0
// forever. It is limited for relative times: the meaning of "newer than an hour" changes as time
// passes.
func (v *viewDir) maxAge() time.Duration {
	for _, c := range v.spec.Constraints() {
		if (c.Op == query.OpNewer || c.Op == query.OpOlder) && c.At.IsZero() {
			return v.t.o.AttrTimeout
		}
	}
	return 0
}

// Lookup finds a dump of the view by its hash or by a prefix that is unique within the view; a name
// with "=" narrows the view.
func (v *viewDir) Lookup(ctx context.Context, name string) (Entry, error) {
	generation := v.t.o.Corpus.Generation()
	if isNarrowing(name) {
		spec, err := parseSpec(name)
		if err == nil && v.depth >= maxDepth {
			err = fmt.Errorf("%w: narrowed too often", ErrSpec)
		}
		if err != nil {
			return Entry{TTL: v.t.missingTTL}, err
		}
		return v.viewEntry(v, name, v.spec.And(spec), v.depth, generation), nil
	}
	if !isHashPrefix(name) {
		return Entry{TTL: v.t.missingTTL}, notThere(v.below(name))
	}
	row, err := v.find(ctx, name)
	if err != nil {
		return Entry{}, err
	}
	return v.linkEntry(row, name, generation), nil
}

// linkTTL returns how long a link may be followed without another lookup. It is 0 if an edit may
// remove the dump from the view.
func (v *viewDir) linkTTL(name string) time.Duration {
	for _, c := range v.spec.Constraints() {
		if catalog.Editable(c.Path) {
			return 0
		}
	}
	if len(name) < hashDigits || v.maxAge() > 0 || v.spec.Limit() > 0 {
		return v.t.o.AttrTimeout
	}
	return linkTimeout
}

// find returns the only dump of the view whose hash begins with prefix.
func (v *viewDir) find(ctx context.Context, prefix string) (corpus.Row, error) {
	prefix, err := v.expand(ctx, prefix)
	if err != nil {
		return corpus.Row{}, err
	}
	rows, err := v.candidates(ctx, prefix)
	if err == nil && len(rows) == 0 {
		rows, err = v.arrived(ctx, prefix)
	}
	switch {
	case err != nil:
		return corpus.Row{}, err
	case len(rows) == 0:
		return corpus.Row{}, notThere(v.below(prefix))
	case len(rows) > 1:
		return corpus.Row{}, fmt.Errorf("%s in %s: %w", prefix, v.path, corpus.ErrAmbiguous)
	}
	return rows[0], nil
}

// candidates returns dumps of the view whose hashes begin with prefix, two at most. Without a
// cached list it queries only these in the catalogue.
func (v *viewDir) candidates(ctx context.Context, prefix string) ([]corpus.Row, error) {
	s := v.rows.fresh(v.t, v.maxAge())
	if s == nil && v.spec.Limit() == 0 {
		word, err := query.Parse(prefix)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSpec, err)
		}
		return v.t.o.Corpus.Select(ctx, v.spec.And(word))
	}
	if s == nil {
		var err error
		if s, err = v.list(ctx); err != nil {
			return nil, err
		}
	}
	first, _ := slices.BinarySearchFunc(s.items, prefix, func(r corpus.Row, p string) int { return cmp.Compare(r.ID.String(), p) })
	last := first
	for last < len(s.items) && last < first+2 && strings.HasPrefix(s.items[last].ID.String(), prefix) {
		last++
	}
	return s.items[first:last], nil
}

func (v *viewDir) list(ctx context.Context) (*list[[]corpus.Row], error) {
	return v.rows.get(ctx, v.t, v.maxAge(), func() ([]corpus.Row, error) { return v.t.o.Corpus.Select(ctx, v.spec) })
}

func (v *viewDir) Open(ctx context.Context) (bool, error) {
	return v.maxAge() == 0, v.t.o.Corpus.Whole(ctx)
}

func (v *viewDir) List(ctx context.Context) (Listing, error) {
	s, err := v.list(ctx)
	if err != nil {
		return nil, err
	}
	return linkListing{v, v.ID().Ino(), s.items, s.generation}, nil
}

// linkListing lists dumps as links.
type linkListing struct {
	dir        *viewDir
	ino        uint64 // inode number of dir
	rows       []corpus.Row
	generation uint64 // generation of the corpus that contains the rows
}

func (l linkListing) Len() int { return len(l.rows) }

func (l linkListing) At(i int) DirEntry {
	id := l.rows[i].ID
	return DirEntry{Name: id.String(), Mode: os.ModeSymlink, Ino: linkNumber(l.ino, id)}
}

// EntryAt implements NodeListing.
func (l linkListing) EntryAt(i int) Entry {
	r := l.rows[i]
	return l.dir.linkEntry(r, r.ID.String(), l.generation)
}

// dumpLink is a link in a view to a dump's directory in by-hash. There may be a great many of them.
type dumpLink struct {
	placed
	view *viewDir
	dump dump.ID
	time atomic.Int64 // time of the dump, as in corpus.Row
}

// linkEntry returns the link to the dump r under a name that existed in the view at the given
// generation of the corpus.
func (v *viewDir) linkEntry(r corpus.Row, name string, generation uint64) Entry {
	l := &dumpLink{view: v, dump: r.ID}
	l.time.Store(r.Time)
	l.place(v, name, generation)
	return Entry{Node: l, Attr: l.attr(), TTL: v.linkTTL(name)}
}

func (l *dumpLink) ID() FileID {
	id := FileID{kind: kindLink, dir: l.view.path, dump: l.dump}
	if len(l.name) < hashDigits {
		id.name = l.name
	}
	return id
}

func (l *dumpLink) Path() string { return l.view.below(l.name) }

func (l *dumpLink) Target() string {
	return strings.Repeat("../", l.view.depth) + hashDirName + "/" + l.dump.String()
}

// Attr fails with ErrNotExist when the dump is no longer in the view.
func (l *dumpLink) Attr(ctx context.Context) (Attr, error) {
	now, ok, err := l.check(ctx, l.view.t)
	if err != nil {
		return Attr{}, err
	}
	if ok {
		l.time.Store(now.Node.(*dumpLink).time.Load())
	}
	return l.attr(), nil
}

func (l *dumpLink) attr() Attr { return linkAttr(l.Target(), l.time.Load()) }

func linkAttr(target string, seconds int64) Attr {
	a := attrOf(modeLink, int64(len(target)), time.Unix(seconds, 0))
	a.Allocated = 0
	return a
}

// nameLink is a link to another name in the same directory.
type nameLink struct {
	dumpNode
	fileID FileID
	target string
	time   int64 // time of the dump, as in corpus.Row
}

func (l *nameLink) ID() FileID     { return l.fileID }
func (l *nameLink) Path() string   { return l.fileID.path() }
func (l *nameLink) Target() string { return l.target }
func (l *nameLink) attr() Attr     { return linkAttr(l.target, l.time) }

func (l *nameLink) Attr(context.Context) (Attr, error) { return l.attr(), nil }
