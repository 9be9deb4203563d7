package corpus

import (
	"context"
	"database/sql"
	"errors"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
	"time"
)

// columns are those of a Dump without its document, in the order that scan takes.
const columns = `d.id, d.etag, d.size, d.mtime, d.checked, d.damage, d.type, d.cmd, d.node, d.platform, d.ticket, d.signature, d.time, d.nsec`

const withDoc = `SELECT ` + columns + `, x.doc FROM dumps d JOIN docs x ON x.n = d.n `

// scanDump reads a row of withDoc.
func scanDump(scan func(...any) error) (*Dump, error) {
	var r dumpRow
	var raw []byte
	if err := scan(append(r.targets(), &raw)...); err != nil {
		return nil, err
	}
	attr := store.Attr{ETag: r.etag, Size: r.size, ModTime: fromNano(r.mtime)}
	d := newDump(r.dumpID(), raw, attr, r.damage)
	d.checked = time.Unix(0, r.checked)
	return d, nil
}

// dumpRow is a row of dumps as it is in the table.
type dumpRow struct {
	id                   []byte
	etag, damage         string
	size, mtime, checked int64
	texts                [fieldCount]sql.NullString // as fieldNames
	sec                  sql.NullInt64
	nsec                 int64
}

func (r *dumpRow) targets() []any {
	return []any{&r.id, &r.etag, &r.size, &r.mtime, &r.checked, &r.damage,
		&r.texts[0], &r.texts[1], &r.texts[2], &r.texts[3], &r.texts[4], &r.texts[5], &r.sec, &r.nsec}
}

func (r *dumpRow) dumpID() (id dump.ID) {
	copy(id[:], r.id)
	return id
}

func (r *dumpRow) timestamp() time.Time {
	if !r.sec.Valid {
		return time.Time{}
	}
	return time.Unix(r.sec.Int64, r.nsec).UTC()
}

// nano and fromNano are a time as an integer, which is 0 for the zero time.
func nano(t time.Time) int64 {
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

// indexed returns what the columns of a document hold: the texts, and whether
// the row is odd.
func indexed(doc *document.Document) (texts [fieldCount]any, odd bool) {
	for i, f := range fieldNames {
		text, list, ok := doc.Lookup(string(f))
		odd = odd || list != nil
		if ok {
			texts[i] = text
		}
	}
	if odd {
		for i := range texts {
			texts[i] = []byte{}
		}
	}
	return texts, odd
}

const fieldCount = 6

// fieldNames are the indexed fields in the order of their columns.
var fieldNames = [fieldCount]Field{TypeField, Cmd, Node, Platform, Ticket, Signature}

// columnOf returns the column of the indexed field at a path of the document, or "".
func columnOf(path string) string {
	if path == string(Signature) {
		return "d.signature"
	}
	for _, f := range fieldNames {
		if path == string(f) {
			return "d." + path
		}
	}
	return ""
}

func (c *catalogue) dump(ctx context.Context, id dump.ID) (d *Dump, err error) {
	err = c.read(ctx, func(q querier) error {
		d, err = dumpIn(ctx, q, id)
		return err
	})
	return d, err
}

// dumpIn returns the dump, or nil when it is not known.
func dumpIn(ctx context.Context, q querier, id dump.ID) (*Dump, error) {
	d, err := scanDump(q.QueryRowContext(ctx, withDoc+`WHERE d.id = ?`, id[:]).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return d, err
}

// idsBetween returns up to limit hashes from low to high.
func (c *catalogue) idsBetween(ctx context.Context, low, high dump.ID, limit int) (ids []dump.ID, err error) {
	const query = `SELECT id FROM dumps INDEXED BY dumps_list WHERE id BETWEEN ? AND ? LIMIT ?`
	err = c.read(ctx, func(q querier) error {
		ids, err = collect(ctx, q, scanID, query, low[:], high[:], limit)
		return err
	})
	return ids, err
}

func scanID(scan func(...any) error) (id dump.ID, err error) {
	var b []byte
	err = scan(&b)
	copy(id[:], b)
	return id, err
}

// each calls f for every row of a query, until f returns an error.
func each(ctx context.Context, q querier, f func(scan func(...any) error) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close() // errors show in Err
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// collect returns all rows of a query.
func collect[T any](ctx context.Context, q querier, read func(scan func(...any) error) (T, error), query string, args ...any) ([]T, error) {
	var all []T
	err := each(ctx, q, func(scan func(...any) error) error {
		t, err := read(scan)
		all = append(all, t)
		return err
	}, query, args...)
	return all, err
}

// meta returns a note of the catalogue's own, "" if there is none.
func (c *catalogue) meta(ctx context.Context, key string) (value string, err error) {
	err = c.read(ctx, func(q querier) error {
		err := q.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = ?`, key).Scan(&value)
		if errors.Is(err, sql.ErrNoRows) {
			value, err = "", nil
		}
		return err
	})
	return value, err
}

func setMetaIn(ctx context.Context, tx *sql.Tx, key, value string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value`, key, value)
	return err
}

func (c *catalogue) setMeta(ctx context.Context, key, value string) error {
	return c.write(ctx, func(tx *sql.Tx) error { return setMetaIn(ctx, tx, key, value) })
}
