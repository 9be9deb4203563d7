package corpus

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"thothfs/query"
)

// Values returns the values that field f has among the dumps that match spec, in
// byte order. A dump whose field is an array counts for each element; one without
// the field for none. A limit is heeded.
func (c *Corpus) Values(ctx context.Context, f Field, spec query.Spec) ([]Value, error) {
	var t valueCounts
	err := c.retryRebuilt(ctx, func() error {
		t = valueCounts{}
		return c.tally(ctx, t, f, spec)
	})
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(t), func(a, b Value) int { return strings.Compare(a.Text, b.Text) }), nil
}

// HasValue tells whether any dump has a value of field f, as Values counts them.
func (c *Corpus) HasValue(ctx context.Context, f Field, text string) (has bool, err error) {
	p := newQueryPlan(query.Equal(string(f), text), c.now())
	err = c.retryRebuilt(ctx, func() error {
		has = false
		found := func() error { has = true; return errEnough }
		err := c.cat.scan(ctx, p, true, "", noOrder, func(*dumpRow) error { return found() })
		if err != nil || has {
			return err
		}
		err = c.cat.scanOdd(ctx, p, func(*dumpRow, docFields) error { return found() })
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	})
	return has, err
}

func (c *Corpus) tally(ctx context.Context, t valueCounts, f Field, spec query.Spec) error {
	if spec.Limit() > 0 {
		for d, err := range c.Dumps(ctx, spec) {
			if err != nil {
				return err
			}
			t.addFields(f, d.Fields())
		}
		return nil
	}
	p := newQueryPlan(spec, c.now())
	if err := c.tallyColumns(ctx, t, f, p); err != nil {
		return err
	}
	return c.cat.scanOdd(ctx, p, func(r *dumpRow, doc docFields) error {
		t.addFields(f, doc)
		return nil
	})
}

// tallyColumns counts in the rows that are not odd.
func (c *Corpus) tallyColumns(ctx context.Context, t valueCounts, f Field, p *queryPlan) error {
	column := columnOf(string(f))
	texts := column + ` >= '' AND ` + column + ` < x''`
	if p.verify != exact {
		i := slices.Index(fieldNames[:], f)
		return c.cat.scan(ctx, p, false, texts, noOrder, func(r *dumpRow) error {
			t.add(r.texts[i].String, 1, r.sec.Int64)
			return nil
		})
	}
	where := strings.Join(append([]string{texts}, p.where...), ` AND `)
	return c.cat.readOnce(ctx, func(q querier) error {
		return each(ctx, q, func(scan func(...any) error) error {
			var v Value
			err := scan(&v.Text, &v.Count, &v.Newest)
			t.add(v.Text, v.Count, v.Newest)
			return err
		}, `SELECT `+column+`, count(*), coalesce(max(d.time), 0) FROM dumps d WHERE `+where+` GROUP BY `+column, p.args...)
	})
}

// valueCounts counts values.
type valueCounts map[string]Value

func (t valueCounts) add(text string, count int, newest int64) {
	v, ok := t[text]
	if !ok || newest > v.Newest {
		v.Newest = newest
	}
	v.Text = text
	v.Count += count
	t[text] = v
}

// addFields counts the values of one dump: an array's elements, each once.
func (t valueCounts) addFields(f Field, doc query.Fields) {
	text, list, ok := doc.Lookup(string(f))
	if !ok {
		return
	}
	var newest int64
	if at, ok := doc.Time(); ok {
		newest = at.Unix()
	}
	if list == nil {
		t.add(text, 1, newest)
		return
	}
	slices.Sort(list)
	for _, text := range slices.Compact(list) {
		t.add(text, 1, newest)
	}
}
