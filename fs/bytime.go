package fs

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"thothfs/query"
)

// timeDir is by-time or the directory of a year or a month. It lists the years, months or days
// (UTC) that have dumps. The directory of a day is a viewDir.
type timeDir struct {
	catalogDir
	year, month int // month is 0 for a year; both are 0 for by-time itself
	periods     cachedList[[]int]
}

func (d *timeDir) list(ctx context.Context) (*list[[]int], error) {
	return d.periods.get(ctx, d.t, 0, func() ([]int, error) { return d.t.o.Corpus.Days(ctx, d.year, d.month) })
}

// nameOf returns the name of year, month or day n in the directory.
func (d *timeDir) nameOf(n int) string {
	if d.year == 0 {
		return fmt.Sprintf("%04d", n)
	}
	return fmt.Sprintf("%02d", n)
}

func (d *timeDir) Lookup(ctx context.Context, name string) (Entry, error) {
	generation := d.t.o.Corpus.Generation()
	n, err := d.find(ctx, name)
	if err != nil {
		return Entry{}, err
	}
	if d.month != 0 {
		day := time.Date(d.year, time.Month(d.month), n, 0, 0, 0, 0, time.UTC)
		return d.viewEntry(d, name, query.Between(day, day.AddDate(0, 0, 1)), 3, generation), nil
	}
	p := &timeDir{catalogDir: d.t.catalogDir(d.below(name)), year: n}
	if d.year != 0 {
		p.year, p.month = d.year, n
	}
	p.place(d, name, generation)
	return Entry{Node: p, Attr: p.attr(), TTL: nameTimeout}, nil
}

// find returns the year, month or day that name refers to.
func (d *timeDir) find(ctx context.Context, name string) (int, error) {
	n, err := strconv.Atoi(name)
	if err != nil || d.nameOf(n) != name {
		return 0, notThere(d.below(name))
	}
	s, err := d.list(ctx)
	if err == nil && !slices.Contains(s.items, n) {
		err = notThere(d.below(name))
	}
	return n, err
}

func (d *timeDir) List(ctx context.Context) (Listing, error) {
	s, err := d.list(ctx)
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
