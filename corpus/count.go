package corpus

import (
	"context"
	"thothfs/dump/document"
	"thothfs/query"
)

// Count returns how many dumps match spec. A limit is heeded.
func (c *Corpus) Count(ctx context.Context, spec query.Spec) (int, error) {
	rows, _, err := c.matches(ctx, spec)
	return len(rows), err
}

// CountBy returns how many of the dumps that match spec have each text at path, in the
// text form of document.Value: an array is one text, as compact JSON. A dump that has
// nothing there, or null, is not counted. A limit is heeded.
func (c *Corpus) CountBy(ctx context.Context, path string, spec query.Spec) (counts map[string]int, err error) {
	err = c.retryRebuilt(ctx, func() error {
		counts = map[string]int{}
		return c.countBy(ctx, counts, path, spec)
	})
	return counts, err
}

func (c *Corpus) countBy(ctx context.Context, counts map[string]int, path string, spec query.Spec) error {
	if spec.Limit() > 0 {
		for d, err := range c.Dumps(ctx, spec) {
			if err != nil {
				return err
			}
			countText(counts, d.Doc, path)
		}
		return nil
	}
	p := newQueryPlan(spec, c.now())
	if columnOf(path) == "" {
		p.requireWords(query.Constraint{Path: path, Op: query.OpGlob}) // who has nothing there is not counted
		if err := c.cat.scanDocuments(ctx, p, func(doc docFields) error { countText(counts, doc.Document, path); return nil }); err != nil || !p.columns {
			return err
		}
	} else {
		var t valueCounts = map[string]Value{}
		if err := c.tallyColumns(ctx, t, Field(path), p); err != nil {
			return err
		}
		for text, v := range t {
			counts[text] += v.Count
		}
	}
	return c.cat.scanOdd(ctx, p, func(_ *dumpRow, doc docFields) error { countText(counts, doc.Document, path); return nil })
}

func countText(counts map[string]int, doc *document.Document, path string) {
	if v, ok := doc.Get(path); ok && v.Kind() != document.KindNull {
		counts[v.Text()]++
	}
}
