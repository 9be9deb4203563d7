package fs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/corpus"
	"thothfs/query"
)

// valueDir is by-cmd and the like: a directory for every value that a field has.
type valueDir struct {
	dirNode
	field  corpus.Field
	values kept[[]corpus.Value]
}

func (d *valueDir) snapshot(c context.Context) (*snapshot[[]corpus.Value], error) {
	return d.values.get(d.t, 0, func() ([]corpus.Value, error) {
		return fromWhole(c, d.t, func() ([]corpus.Value, error) { return d.t.o.Corpus.Values(c, d.field, query.Spec{}) })
	})
}

var _ fusefs.NodeLookuper = (*valueDir)(nil)

func (d *valueDir) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	d.t.counts.lookups.Add(1)
	d.t.live.add(d)
	keepNoMissing(out)
	generation := d.t.o.Corpus.Generation()
	c := d.t.call(ctx)
	defer c.end()
	value, err := d.value(c, name)
	if err != nil {
		return nil, d.t.fail(c, "lookup", d.below(name), err)
	}
	return d.addView(ctx, name, query.Equal(string(d.field), value), 1, generation, out), 0
}

func (d *valueDir) has(c context.Context, name string) (int64, error) {
	_, err := d.value(c, name)
	return 0, err
}

// value returns the value that a name stands for. Without a list at hand it asks for that
// one alone, if the name tells which it is.
func (d *valueDir) value(c context.Context, name string) (string, error) {
	text, err := query.DecodeName(name)
	if err != nil && !errors.Is(err, query.ErrNotReversible) {
		return "", notThere(d.below(name))
	}
	s := d.values.fresh(d.t, 0)
	if s == nil && err == nil {
		has, err := d.t.o.Corpus.HasValue(c, d.field, text)
		if err == nil && !has && !d.t.o.Corpus.IsWhole() {
			has, err = fromWhole(c, d.t, func() (bool, error) { return d.t.o.Corpus.HasValue(c, d.field, text) })
		}
		if err == nil && !has {
			err = notThere(d.below(name))
		}
		return text, err
	}
	if s == nil {
		if s, err = d.snapshot(c); err != nil {
			return "", err
		}
	}
	value, ok := findValue(s.items, name)
	if !ok {
		return "", notThere(d.below(name))
	}
	return value, nil
}

// findValue returns the value that a name stands for. values are in byte order.
func findValue(values []corpus.Value, name string) (string, bool) {
	text, err := query.DecodeName(name)
	switch {
	case errors.Is(err, query.ErrNotReversible):
		i := slices.IndexFunc(values, func(v corpus.Value) bool { return query.EncodeName(v.Text) == name })
		if i < 0 {
			return "", false
		}
		return values[i].Text, true
	case err != nil:
		return "", false
	}
	_, ok := slices.BinarySearchFunc(values, text, func(v corpus.Value, t string) int { return strings.Compare(v.Text, t) })
	return text, ok
}

var _ fusefs.NodeOpendirHandler = (*valueDir)(nil)

func (d *valueDir) OpendirHandle(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	d.t.live.add(d)
	return d.t.openWhole(ctx, d, true)
}

func (d *valueDir) list(ctx context.Context) (listing, error) {
	s, err := d.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return valueNames{d.path, s.items}, nil
}

// valueNames lists values as directories below path.
type valueNames struct {
	path   string
	values []corpus.Value
}

func (v valueNames) len() int { return len(v.values) }

func (v valueNames) entry(i int) fuse.DirEntry {
	name := query.EncodeName(v.values[i].Text)
	return fuse.DirEntry{Name: name, Mode: syscall.S_IFDIR, Ino: number(kindDir, v.path+"/"+name)}
}
