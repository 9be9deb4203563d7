package catalog

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"thothfs/dump"
	"thothfs/dump/document"
)

// errEnough ends a scan early.
var errEnough = errors.New("enough")

// scan calls f for every row that matches, except odd rows if the plan has conditions on columns.
// If lean is set, rows have only id and sec, and come in no particular order if the plan is
// ofDocuments; otherwise they come in the given order. f must not keep the row; it may return
// errEnough to end the scan. Like the other scans, scan may return ErrRebuilt.
func (c *Catalog) scan(ctx context.Context, p *queryPlan, lean bool, more, order string, f func(*dumpRow) error) error {
	if lean && p.ofDocuments() {
		return c.scanDocuments(ctx, p, func(doc docFields) error {
			at, ok := doc.Time()
			return f(&dumpRow{id: doc.id, sec: sql.NullInt64{Int64: at.Unix(), Valid: ok}})
		})
	}
	row := p.rows(lean)
	err := c.readOnce(ctx, func(q querier) error {
		return each(ctx, q, func(scan scanFunc) error {
			r, err := row(scan)
			if err != nil || r == nil {
				return err
			}
			return f(r)
		}, p.sql(lean, more, order), p.args...)
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// rows returns a function that reads each row into the same dumpRow. That function returns nil for
// a row that does not match.
func (p *queryPlan) rows(lean bool) func(scan scanFunc) (*dumpRow, error) {
	var r dumpRow
	var raw sql.RawBytes
	to := r.targets()
	switch {
	case lean && p.verify == exact:
		to = []any{idColumn{&r.id}, &r.sec}
	case p.verify == byDocument:
		to = append(to, &raw)
	}
	return func(scan scanFunc) (*dumpRow, error) {
		if err := scan(to...); err != nil || !p.match(&r, raw) {
			return nil, err
		}
		return &r, nil
	}
}

func (p *queryPlan) match(r *dumpRow, raw []byte) bool {
	switch p.verify {
	case byDocument:
		return !p.rulesOut(raw) && p.spec.Match(docFields{document.Parse(raw), r.id}, p.now)
	case byColumns:
		return p.spec.Match(r, p.now)
	}
	return true
}

// scanOdd calls f for every odd row that matches.
func (c *Catalog) scanOdd(ctx context.Context, p *queryPlan, f func(*dumpRow, docFields) error) error {
	return c.readOnce(ctx, func(q querier) error {
		return each(ctx, q, func(scan scanFunc) error {
			var r dumpRow
			var raw []byte
			if err := scan(append(r.targets(), &raw)...); err != nil {
				return err
			}
			doc := docFields{document.Parse(raw), r.id}
			if !p.spec.Match(doc, p.now) {
				return nil
			}
			return f(&r, doc)
		}, selectDumps+`WHERE d.odd`)
	})
}

// scanDocuments calls f for every document that matches, except those of odd rows if the plan has
// conditions on columns. The calls are not concurrent and come in no particular order. f must not
// keep the document.
func (c *Catalog) scanDocuments(ctx context.Context, p *queryPlan, f func(doc docFields) error) error {
	return c.readOnce(ctx, func(q querier) error {
		if len(p.where) > 0 {
			return p.readDocuments(ctx, q, f, ` JOIN dumps d ON d.n = x.n`, p.where, p.args)
		}
		var low, high int64
		if err := q.QueryRowContext(ctx, `SELECT coalesce(min(n), 0), coalesce(max(n), -1) FROM docs`).Scan(&low, &high); err != nil {
			return err
		}
		var mu sync.Mutex // held during f
		group, gctx := errgroup.WithContext(ctx)
		for part := range scanParts {
			from, to := low+(high+1-low)*int64(part)/scanParts, low+(high+1-low)*int64(part+1)/scanParts
			group.Go(func() error {
				return p.readDocuments(gctx, q, func(doc docFields) error {
					mu.Lock()
					defer mu.Unlock()
					return f(doc)
				}, ``, []string{`x.n >= ? AND x.n < ?`}, []any{from, to})
			})
		}
		return group.Wait()
	})
}

// scanParts is the number of parts in which the documents are read concurrently. One connection is
// left for other queries.
const scanParts = readers - 1

func (p *queryPlan) readDocuments(ctx context.Context, q querier, f func(doc docFields) error, join string, where []string, args []any) error {
	var id dump.ID
	var raw sql.RawBytes
	return each(ctx, q, func(scan scanFunc) error {
		if err := scan(idColumn{&id}, &raw); err != nil {
			return err
		}
		if p.rulesOut(raw) {
			return nil
		}
		doc := docFields{document.Parse(raw), id}
		if !p.spec.Match(doc, p.now) {
			return nil
		}
		return f(doc)
	}, `SELECT x.id, x.doc FROM docs x`+join+whereAll(where), args...)
}
