package catalog

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"

	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
)

// rowColumns are the columns of a dumpRow, in the order of its targets.
var rowColumns = `d.id, d.n, d.etag, d.size, d.mtime, d.checked, d.damage, ` + fieldColumns("d.", "") + `, d.time, d.nsec`

// selectDumps reads dumps with their documents. A condition must be appended.
var selectDumps = `SELECT ` + rowColumns + `, x.doc FROM dumps d JOIN docs x ON x.n = d.n `

// scanFunc reads the columns of one row, as sql.Rows.Scan does.
type scanFunc func(...any) error

// scanDump reads a row of selectDumps.
func scanDump(scan scanFunc) (*Dump, error) {
	var r dumpRow
	var raw []byte
	if err := scan(append(r.targets(), &raw)...); err != nil {
		return nil, err
	}
	attr := store.Attr{ETag: r.etag, Size: r.size, ModTime: fromNano(r.mtime)}
	d := NewDump(r.id, raw, attr, r.damage)
	d.Checked, d.row = time.Unix(0, r.checked), r.n
	return d, nil
}

// selectDump reads the dump with a given hash.
var selectDump = selectDumps + `WHERE d.id = ?`

// scanOneDump reads the result of selectDump. It returns nil if there is none.
func scanOneDump(row *sql.Row) (*Dump, error) {
	d, err := scanDump(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return d, err
}

// dumpRow is a row of the table dumps.
type dumpRow struct {
	id                      dump.ID
	etag, damage            string
	n, size, mtime, checked int64
	texts                   [len(Fields)]sql.NullString
	sec                     sql.NullInt64
	nsec                    int64
}

func (r *dumpRow) targets() []any {
	to := []any{idColumn{&r.id}, &r.n, &r.etag, &r.size, &r.mtime, &r.checked, &r.damage}
	for i := range r.texts {
		to = append(to, &r.texts[i])
	}
	return append(to, &r.sec, &r.nsec)
}

// idColumn is a sql.Scanner for a hash. Anything but bytes, or no bytes, yields the zero ID.
type idColumn struct{ *dump.ID }

// Scan implements sql.Scanner.
func (c idColumn) Scan(value any) error {
	b, _ := value.([]byte)
	*c.ID = dump.ID{}
	copy(c.ID[:], b)
	return nil
}

func (r *dumpRow) timestamp() time.Time {
	if !r.sec.Valid {
		return time.Time{}
	}
	return time.Unix(r.sec.Int64, r.nsec).UTC()
}

func (r *dumpRow) listRow() Row {
	if !r.sec.Valid {
		return Row{r.id, unknown}
	}
	return Row{r.id, r.sec.Int64}
}

// Lookup implements query.Fields for the fields that have columns.
func (r *dumpRow) Lookup(path string) (string, []string, bool) {
	if path == "id" {
		return r.id.String(), nil, true
	}
	if f := FieldAt(path); f != nil {
		text := r.texts[f.index()]
		return text.String, nil, text.Valid
	}
	return "", nil, false
}

// Time implements query.Fields.
func (r *dumpRow) Time() (time.Time, bool) { return r.timestamp(), r.sec.Valid }

// fieldValues returns the contents of the columns of Fields and reports whether the row is odd.
func fieldValues(doc *document.Document) (values []any, odd bool) {
	values = make([]any, len(Fields))
	for i := range Fields {
		text, list, ok := texts(lookup(doc, Fields[i].Name))
		odd = odd || list != nil || strings.Contains(text, "\x00") // where a pattern of SQLite ends
		if !ok {
			continue
		}
		values[i] = text
		if Fields[i].Number {
			n, isInt := integer(text)
			values[i], odd = n, odd || !isInt
		}
	}
	if odd {
		for i := range values {
			values[i] = []byte{}
		}
	}
	return values, odd
}

// integer returns the value of a column of numbers for a text, if the text is the usual one for it.
func integer(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == text
}

// toNano and fromNano convert a time to an integer and back; the zero time is 0.
func toNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// notNil returns b, or an empty slice if b is nil, which SQLite would store as NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// each calls f for every row of a query until f returns an error.
func each(ctx context.Context, q querier, f func(scan scanFunc) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close() // rows.Err returns any error
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// collect returns all rows of a query.
func collect[T any](ctx context.Context, c *Catalog, read func(scan scanFunc) (T, error), query string, args ...any) (all []T, err error) {
	err = c.read(ctx, func(q querier) error {
		all = nil
		return each(ctx, q, func(scan scanFunc) error {
			t, err := read(scan)
			all = append(all, t)
			return err
		}, query, args...)
	})
	return all, err
}

// one scans the row of a query into to, which it leaves alone if there is no row.
func (c *Catalog) one(ctx context.Context, to any, query string, args ...any) error {
	return c.read(ctx, func(q querier) error {
		err := q.QueryRowContext(ctx, query, args...).Scan(to)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
}

// Lookup returns a dump, or nil if it is not in the catalogue.
func (c *Catalog) Lookup(ctx context.Context, id dump.ID) (d *Dump, err error) {
	c.Lookups.Add(1)
	err = c.read(ctx, func(q querier) error {
		d, err = scanOneDump(q.QueryRowContext(ctx, selectDump, id[:]))
		return err
	})
	return d, err
}

// IDsBetween returns up to limit hashes between low and high, inclusive.
func (c *Catalog) IDsBetween(ctx context.Context, low, high dump.ID, limit int) ([]dump.ID, error) {
	return collect(ctx, c, scanID, `SELECT id FROM dumps INDEXED BY dumps_list WHERE id BETWEEN ? AND ? LIMIT ?`, low[:], high[:], limit)
}

func scanID(scan scanFunc) (id dump.ID, err error) {
	err = scan(idColumn{&id})
	return id, err
}

// HasMoreThan reports whether the catalogue contains more than n dumps.
func (c *Catalog) HasMoreThan(ctx context.Context, n int) (more bool, err error) {
	err = c.one(ctx, &more, `SELECT count(*) > ? FROM (SELECT 1 FROM dumps LIMIT ?)`, n, n+1)
	return more, err
}
