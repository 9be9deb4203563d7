package fs

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/query"
)

// timeDir is by-time, a year of it, or a month: the years, months or days (UTC)
// that have dumps. A day is a view.
type timeDir struct {
	dirNode
	named
	year, month int // 0: by-time itself, or a year
	numbers     kept[[]int]
}

func (d *timeDir) snapshot(c context.Context) (*snapshot[[]int], error) {
	return d.numbers.get(d.t, 0, func() ([]int, error) {
		return fromWhole(c, d.t, func() ([]int, error) { return d.t.o.Corpus.Days(c, d.year, d.month, query.Spec{}) })
	})
}

// nameOf is the name of a year, month or day in the directory.
func (d *timeDir) nameOf(n int) string {
	if d.year == 0 {
		return fmt.Sprintf("%04d", n)
	}
	return fmt.Sprintf("%02d", n)
}

var _ fusefs.NodeLookuper = (*timeDir)(nil)

func (d *timeDir) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	d.t.counts.lookups.Add(1)
	d.t.live.add(d)
	keepNoMissing(out)
	generation := d.t.o.Corpus.Generation()
	c := d.t.call(ctx)
	defer c.end()
	n, err := d.find(c, name)
	if err != nil {
		return nil, d.t.fail(c, "lookup", d.below(name), err)
	}
	if d.month != 0 {
		day := time.Date(d.year, time.Month(d.month), n, 0, 0, 0, 0, time.UTC)
		return d.addView(ctx, name, query.Between(day, day.AddDate(0, 0, 1)), 3, generation, out), 0
	}
	return d.addPeriod(ctx, name, n, generation, out), 0
}

// find returns the year, month or day that a name in the directory means.
func (d *timeDir) find(c context.Context, name string) (int, error) {
	n, err := strconv.Atoi(name)
	if err != nil || d.nameOf(n) != name {
		return 0, notThere(d.below(name))
	}
	s, err := d.snapshot(c)
	if err == nil && !slices.Contains(s.items, n) {
		err = notThere(d.below(name))
	}
	return n, err
}

func (d *timeDir) has(c context.Context, name string) (int64, error) {
	_, err := d.find(c, name)
	return 0, err
}

var _ fusefs.NodeGetattrer = (*timeDir)(nil)

// Getattr is ENOENT when there is no dump of that time any more.
func (d *timeDir) Getattr(ctx context.Context, h fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if _, _, gone := d.check(ctx, &d.node); gone {
		return syscall.ENOENT
	}
	d.attr(&out.Attr)
	return 0
}

func (d *timeDir) addPeriod(ctx context.Context, name string, n int, generation uint64, out *fuse.EntryOut) *fusefs.Inode {
	p := &timeDir{dirNode: d.t.dirNode(d.below(name)), year: n}
	if d.year != 0 {
		p.year, p.month = d.year, n
	}
	p.seen.Store(generation)
	p.attr(&out.Attr)
	out.SetEntryTimeout(nameTimeout)
	return d.child(ctx, p, p.identity())
}

var _ fusefs.NodeOpendirHandler = (*timeDir)(nil)

func (d *timeDir) OpendirHandle(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	d.t.live.add(d)
	return d.t.openWhole(ctx, d, true)
}

func (d *timeDir) list(ctx context.Context) (listing, error) {
	s, err := d.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	var l names
	for _, n := range s.items {
		name := d.nameOf(n)
		l.add(name, modeDir, number(kindDir, d.below(name)))
	}
	return l, nil
}
