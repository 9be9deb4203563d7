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
	"thothfs/query"
)

// viewDir is a directory of links to the dumps that match a specification:
// by-cmd/node, by-time/2013/07/11, query/type=core, and whatever narrows these.
type viewDir struct {
	dirNode
	spec  query.Spec
	depth int // below the root: by-cmd/node is 2
	rows  kept[[]corpus.Row]
}

// maxDepth is how often views can be narrowed: a link that leads up from there
// must stay a path.
const maxDepth = 200

// addView makes the view under name in the directory d, which is depth below
// the root.
func (d *dirNode) addView(ctx context.Context, name string, spec query.Spec, depth int, out *fuse.EntryOut) *fusefs.Inode {
	v := &viewDir{dirNode: d.t.dirNode(d.below(name)), spec: spec, depth: depth + 1}
	v.attr(&out.Attr)
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
		return v.addView(ctx, name, v.spec.And(spec), v.depth, out), 0
	}
	if !isHashPrefix(name) {
		return nil, syscall.ENOENT
	}
	row, err := v.find(c, name)
	if err != nil {
		return nil, v.t.fail(c, "lookup", v.below(name), err)
	}
	if len(name) < hashDigits || v.maxAge() > 0 || v.spec.Limit() > 0 {
		out.SetEntryTimeout(v.t.o.AttrTimeout) // may change with nobody telling
	}
	return v.addDumpLink(ctx, row, v.depth, out), 0
}

// find returns the one dump of the view whose hash begins with prefix.
func (v *viewDir) find(c context.Context, prefix string) (corpus.Row, error) {
	rows, err := v.candidates(c, prefix)
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
	return v.rows.get(v.t, v.maxAge(), func() ([]corpus.Row, error) { return v.t.o.Corpus.Select(c, v.spec) })
}

var _ fusefs.NodeOpendirHandler = (*viewDir)(nil)

func (v *viewDir) OpendirHandle(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	v.t.live.add(v)
	return v.t.openDir(v, v.maxAge() == 0)
}

func (v *viewDir) list(ctx context.Context) (listing, error) {
	s, err := v.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return dumpLinks{v.StableAttr().Ino, s.items}, nil
}

// dumpLinks lists dumps as links in the directory with number dir.
type dumpLinks struct {
	dir  uint64
	rows []corpus.Row
}

func (l dumpLinks) len() int { return len(l.rows) }

func (l dumpLinks) entry(i int) fuse.DirEntry {
	r := &l.rows[i]
	return fuse.DirEntry{Name: r.ID.String(), Mode: syscall.S_IFLNK, Ino: linkNumber(l.dir, r.ID)}
}

func (v *viewDir) lookupEntry(ctx context.Context, l listing, i int, out *fuse.EntryOut) *fusefs.Inode {
	return v.addDumpLink(ctx, l.(dumpLinks).rows[i], v.depth, out)
}
