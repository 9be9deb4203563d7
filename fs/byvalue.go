package fs

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"thothfs/corpus"
	"thothfs/query"
)

// valueDir is a view such as by-cmd, with one directory for each value of a field.
type valueDir struct {
	catalogDir
	field  *corpus.Field
	values cachedList[[]corpus.Value]
}

func (d *valueDir) list(ctx context.Context) (*list[[]corpus.Value], error) {
	return d.values.get(ctx, d.t, 0, func() ([]corpus.Value, error) { return d.t.o.Corpus.Values(ctx, d.field) })
}

func (d *valueDir) Lookup(ctx context.Context, name string) (Entry, error) {
	generation := d.t.o.Corpus.Generation()
	value, err := d.value(ctx, name)
	if err != nil {
		return Entry{}, err
	}
	return d.viewEntry(d, name, query.Equal(d.field.Path, value), 1, generation), nil
}

// value returns the value that a name stands for. Without a cached list it queries only that value,
// unless the name cannot be decoded unambiguously.
func (d *valueDir) value(ctx context.Context, name string) (string, error) {
	text, err := query.DecodeName(name)
	if err != nil && !errors.Is(err, query.ErrNotReversible) {
		return "", notThere(d.below(name))
	}
	s := d.values.fresh(d.t, 0)
	if s == nil && err == nil {
		return text, d.hasValue(ctx, name, text)
	}
	if s == nil {
		if s, err = d.list(ctx); err != nil {
			return "", err
		}
	}
	value, ok := findValue(s.items, name)
	if !ok {
		return "", notThere(d.below(name))
	}
	return value, nil
}

// hasValue returns nil if some dump has the value text, and otherwise ErrNotExist.
func (d *valueDir) hasValue(ctx context.Context, name, text string) error {
	ask := func() (bool, error) { return d.t.o.Corpus.HasValue(ctx, d.field, text) }
	has, err := ask()
	if err == nil && !has && !d.t.o.Corpus.IsWhole() {
		has, err = fromWhole(ctx, d.t, ask)
	}
	if err == nil && !has {
		err = notThere(d.below(name))
	}
	return err
}

// findValue returns the value that a name stands for. values must be in byte order.
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

func (d *valueDir) List(ctx context.Context) (Listing, error) {
	s, err := d.list(ctx)
	if err != nil {
		return nil, err
	}
	return valueListing{d.path, s.items}, nil
}

// valueListing lists values as directories below path.
type valueListing struct {
	path   string
	values []corpus.Value
}

func (l valueListing) Len() int { return len(l.values) }

func (l valueListing) At(i int) DirEntry {
	name := query.EncodeName(l.values[i].Text)
	return DirEntry{Name: name, Mode: os.ModeDir, Ino: number(kindDir, l.path+"/"+name)}
}
