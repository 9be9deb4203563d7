package catalog

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"thothfs/dump/document"
	"thothfs/query"
)

// Values returns the values of a field in byte order. A dump whose field is an array counts once
// for each element; a dump without the field is not counted.
func (r *Reader) Values(ctx context.Context, f *Field) ([]Value, error) {
	var counts valueCounts
	err := r.retry(ctx, func() error {
		counts = valueCounts{}
		p := r.plan(query.Spec{})
		if err := r.countColumn(ctx, counts, f, p); err != nil {
			return err
		}
		return r.Catalog.scanOdd(ctx, p, func(_ *dumpRow, doc docFields) error {
			counts.addDocument(f, doc)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(counts), func(a, b Value) int { return strings.Compare(a.Text, b.Text) }), nil
}

// HasValue reports whether any dump has the given value of a field, in the sense of Values.
func (r *Reader) HasValue(ctx context.Context, f *Field, text string) (has bool, err error) {
	p := r.plan(query.Equal(f.Name, text))
	err = r.retry(ctx, func() error {
		has = false
		found := func() error { has = true; return errEnough }
		err := r.Catalog.scan(ctx, p, true, "", noOrder, func(*dumpRow) error { return found() })
		if err != nil || has {
			return err
		}
		err = r.Catalog.scanOdd(ctx, p, func(*dumpRow, docFields) error { return found() })
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	})
	return has, err
}

// Count returns the number of dumps that match spec, up to its limit.
func (r *Reader) Count(ctx context.Context, spec query.Spec) (int, error) {
	rows, _, err := r.matches(ctx, spec)
	return len(rows), err
}

// CountBy returns, for each text at path, the number of dumps matching spec that have it. Texts are
// in the format of document.Value.Text: an array is one text, as compact JSON. A dump with null or
// nothing at path is not counted. If spec has a limit, the newest dumps are counted.
func (r *Reader) CountBy(ctx context.Context, path string, spec query.Spec) (counts map[string]int, err error) {
	err = r.retry(ctx, func() error {
		counts = map[string]int{}
		return r.countBy(ctx, counts, path, spec)
	})
	return counts, err
}

func (r *Reader) countBy(ctx context.Context, counts map[string]int, path string, spec query.Spec) error {
	if spec.Limit() > 0 {
		for d, err := range r.Dumps(ctx, spec) {
			if err != nil {
				return err
			}
			countText(counts, d.Doc, path)
		}
		return nil
	}
	p := r.plan(spec)
	if f := FieldAt(path); f != nil {
		byValue := valueCounts{}
		if err := r.countColumn(ctx, byValue, f, p); err != nil {
			return err
		}
		for text, v := range byValue {
			counts[text] += v.Count
		}
	} else {
		p.requireWords(&query.Constraint{Path: path, Op: query.OpGlob}) // documents without the path are not counted
		err := r.Catalog.scanDocuments(ctx, p, func(doc docFields) error { countText(counts, doc.Document, path); return nil })
		if err != nil || !p.columns {
			return err
		}
	}
	return r.Catalog.scanOdd(ctx, p, func(_ *dumpRow, doc docFields) error { countText(counts, doc.Document, path); return nil })
}

func countText(counts map[string]int, doc *document.Document, path string) {
	if v, ok := lookup(doc, path); ok {
		counts[v.Text()]++
	}
}

// countColumn counts the values of a field in the rows that match and are not odd.
func (r *Reader) countColumn(ctx context.Context, counts valueCounts, f *Field, p *queryPlan) error {
	column := "d." + f.column()
	texts := column + ` < x''` // all but NULL and the empty BLOB
	if p.verify != exact {
		i := f.index()
		return r.Catalog.scan(ctx, p, false, texts, noOrder, func(row *dumpRow) error {
			counts.add(row.texts[i].String, 1, row.sec.Int64)
			return nil
		})
	}
	where := strings.Join(append([]string{texts}, p.where...), ` AND `)
	return r.Catalog.readOnce(ctx, func(q querier) error {
		return each(ctx, q, func(scan scanFunc) error {
			var v Value
			err := scan(&v.Text, &v.Count, &v.Newest)
			counts.add(v.Text, v.Count, v.Newest)
			return err
		}, `SELECT `+column+`, count(*), coalesce(max(d.time), 0) FROM dumps d WHERE `+where+` GROUP BY `+column, p.args...)
	})
}

// valueCounts maps texts to values.
type valueCounts map[string]Value

func (c valueCounts) add(text string, count int, newest int64) {
	v, ok := c[text]
	if !ok || newest > v.Newest {
		v.Newest = newest
	}
	v.Text = text
	v.Count += count
	c[text] = v
}

// addDocument counts the values of one dump. Each distinct element of an array counts once.
func (c valueCounts) addDocument(f *Field, doc query.Fields) {
	text, list, ok := doc.Lookup(f.Name)
	if !ok {
		return
	}
	var newest int64
	if at, ok := doc.Time(); ok {
		newest = at.Unix()
	}
	if list == nil {
		c.add(text, 1, newest)
		return
	}
	slices.Sort(list)
	for _, text := range slices.Compact(list) {
		c.add(text, 1, newest)
	}
}
