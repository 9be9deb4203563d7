package fs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/corpus"
	"thothfs/dump/document"
	"thothfs/query"
)

// viewDir is a directory of links to the dumps that match a specification:
// by-cmd/node, by-time/2013/07/11, query/type=core, and whatever narrows these.
type viewDir struct {
	dirNode
	named
	spec  query.Spec
	depth int // below the root: by-cmd/node is 2
	rows  kept[[]corpus.Row]
}

// maxDepth is how often views can be narrowed: a link that leads up from there
// must stay a path.
const maxDepth = 200

// addView makes the view under name in the directory d, which is depth below
// the root, and had the name when the corpus had that generation.
func (d *dirNode) addView(ctx context.Context, name string, spec query.Spec, depth int, generation uint64, out *fuse.EntryOut) *fusefs.Inode {
	v := &viewDir{dirNode: d.t.dirNode(d.below(name)), spec: spec, depth: depth + 1}
	v.seen.Store(generation)
	v.attr(&out.Attr)
	out.SetEntryTimeout(nameTimeout)
	return d.child(ctx, v, v.identity())
}

// parseSpec reads a name as a specification.
func parseSpec(name string) (query.Spec, error) {
	spec, err := query.ParseName(name)
	if err != nil {
		return spec, fmt.Errorf("%w: %w", errNotDecodable, err)
	}
	if spec.FromStdin() {
		return spec, fmt.Errorf("%w: a directory has no standard input", errNotDecodable)
	}
	if id, ok := spec.ID(); ok && !isHashPrefix(id) {
		return spec, fmt.Errorf("%w: %q is no hash", errNotDecodable, id)
	}
	return spec, nil
}

// maxAge is how long a snapshot of the view is true: what "newer than an hour"
// means moves by itself.
func (v *viewDir) maxAge() time.Duration {
	for _, c := range v.spec.Constraints() {
		if (c.Op == query.OpNewer || c.Op == query.OpOlder) && c.At.IsZero() {
			return v.t.o.AttrTimeout
		}
	}
	return 0
}

var _ fusefs.NodeLookuper = (*viewDir)(nil)

// Lookup finds a dump of the view by its hash or by a beginning of it that only
// one in the view has; a name with "=" narrows the view.
func (v *viewDir) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	v.t.counts.lookups.Add(1)
	v.t.live.add(v)
	generation := v.t.o.Corpus.Generation()
	c := v.t.call(ctx)
	defer c.end()
	if isNarrowing(name) {
		spec, err := parseSpec(name)
		if err == nil && v.depth >= maxDepth {
			err = fmt.Errorf("%w: narrowed too often", errNotDecodable)
		}
		if err != nil {
			return nil, v.t.fail(c, "lookup", v.below(name), err)
		}
		return v.addView(ctx, name, v.spec.And(spec), v.depth, generation, out), 0
	}
	if !isHashPrefix(name) {
		return nil, syscall.ENOENT
	}
	keepNoMissing(out)
	row, err := v.find(c, name)
	if err != nil {
		return nil, v.t.fail(c, "lookup", v.below(name), err)
	}
	return v.addLink(ctx, row, name, generation, out), 0
}

// linkTimeout is how long a link may be followed without looking whether it is still
// there: not at all if an edit may change that.
func (v *viewDir) linkTimeout(name string) time.Duration {
	for _, c := range v.spec.Constraints() {
		if document.Writable(c.Path) {
			return 0
		}
	}
	if len(name) < hashDigits || v.maxAge() > 0 || v.spec.Limit() > 0 {
		return v.t.o.AttrTimeout
	}
	return linkTimeout
}

func (v *viewDir) has(c context.Context, name string) (int64, error) {
	if isNarrowing(name) {
		return 0, nil
	}
	row, err := v.find(c, name)
	return row.Time, err
}

var _ fusefs.NodeGetattrer = (*viewDir)(nil)

// Getattr is ENOENT when no dump has the value any more that the directory is for.
func (v *viewDir) Getattr(ctx context.Context, h fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if _, _, gone := v.check(ctx, &v.node); gone {
		return syscall.ENOENT
	}
	v.attr(&out.Attr)
	return 0
}

// find returns the one dump of the view whose hash begins with prefix.
func (v *viewDir) find(c context.Context, prefix string) (corpus.Row, error) {
	prefix, err := v.settle(c, prefix)
	if err != nil {
		return corpus.Row{}, err
	}
	rows, err := v.candidates(c, prefix)
	if err == nil && len(rows) == 0 {
		rows, err = v.arrived(c, prefix)
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

// candidates returns the dumps of the view whose hash begins with prefix. Without
// a list at hand it asks the catalogue for these alone.
func (v *viewDir) candidates(c context.Context, prefix string) ([]corpus.Row, error) {
	s := v.rows.fresh(v.t, v.maxAge())
	if s == nil && v.spec.Limit() == 0 {
		word, err := query.Parse(prefix)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNotDecodable, err)
		}
		return v.t.o.Corpus.Select(c, v.spec.And(word))
	}
	if s == nil {
		var err error
		if s, err = v.snapshot(c); err != nil {
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

func (v *viewDir) snapshot(c context.Context) (*snapshot[[]corpus.Row], error) {
	return v.rows.get(v.t, v.maxAge(), func() ([]corpus.Row, error) {
		return fromWhole(c, v.t, func() ([]corpus.Row, error) { return v.t.o.Corpus.Select(c, v.spec) })
	})
}

var _ fusefs.NodeOpendirHandler = (*viewDir)(nil)

func (v *viewDir) OpendirHandle(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	v.t.live.add(v)
	return v.t.openWhole(ctx, v, v.maxAge() == 0)
}

func (v *viewDir) list(ctx context.Context) (listing, error) {
	s, err := v.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return dumpLinks{v.StableAttr().Ino, s.items, s.generation}, nil
}

// dumpLinks lists dumps as links in the directory with number dir.
type dumpLinks struct {
	dir        uint64
	rows       []corpus.Row
	generation uint64 // of the corpus that has them
}

func (l dumpLinks) len() int { return len(l.rows) }

func (l dumpLinks) entry(i int) fuse.DirEntry {
	r := &l.rows[i]
	return fuse.DirEntry{Name: r.ID.String(), Mode: syscall.S_IFLNK, Ino: linkNumber(l.dir, r.ID)}
}

func (v *viewDir) lookupEntry(ctx context.Context, l listing, i int, out *fuse.EntryOut) *fusefs.Inode {
	links := l.(dumpLinks)
	r := links.rows[i]
	return v.addLink(ctx, r, r.ID.String(), links.generation, out)
}
