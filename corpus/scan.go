package corpus

import (
	"context"
	"database/sql"
	"errors"

	"thothfs/dump"
	"thothfs/query"
)

// errEnough ends a scan early.
var errEnough = errors.New("enough")

// scan, which may end in errRebuilt, calls f for every row that matches, as far as the
// conditions of the plan can find them, in the given order; with lean, records carry
// only id and sec. A record is good until f returns. f ends the scan with errEnough.
func (c *catalogue) scan(ctx context.Context, p *plan, lean bool, more, order string, f func(*record) error) error {
	row := p.rows(lean && p.verify == exact)
	err := c.readOnce(ctx, func(q querier) error {
		return each(ctx, q, func(scan func(...any) error) error {
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

// rows returns a reader of rows, all into one record; it returns nil for a row that
// does not match.
func (p *plan) rows(lean bool) func(scan func(...any) error) (*record, error) {
	var r record
	var id, raw sql.RawBytes
	if lean {
		to := []any{&id, &r.sec}
		return func(scan func(...any) error) (*record, error) {
			err := scan(to...)
			r.id = id
			return &r, err
		}
	}
	to := r.targets()
	if p.verify == byDocument {
		to = append(to, &raw)
	}
	return func(scan func(...any) error) (*record, error) {
		if err := scan(to...); err != nil || !p.match(&r, raw) {
			return nil, err
		}
		return &r, nil
	}
}

func (p *plan) match(r *record, raw []byte) bool {
	switch p.verify {
	case byDocument:
		return p.spec.Match(fields{dump.ParseDocument(raw), r.ident()}, p.now)
	case byColumns:
		return p.spec.Match(rowFields{r}, p.now)
	}
	return true
}

// scanOdd calls f for every odd row that matches: those that conditions on the text
// columns do not find.
func (c *catalogue) scanOdd(ctx context.Context, p *plan, f func(*record, query.Fields) error) error {
	return c.readOnce(ctx, func(q querier) error {
		return each(ctx, q, func(scan func(...any) error) error {
			var r record
			var raw []byte
			if err := scan(append(r.targets(), &raw)...); err != nil {
				return err
			}
			doc := fields{dump.ParseDocument(raw), r.ident()}
			if !p.spec.Match(doc, p.now) {
				return nil
			}
			return f(&r, doc)
		}, withDoc+`WHERE d.odd`)
	})
}
