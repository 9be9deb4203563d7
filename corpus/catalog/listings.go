package catalog

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/gob"
	"errors"
	"time"

	"thothfs/dump"
	"thothfs/store"
)

// Listing returns the last known contents of a directory and the time of that listing, or the zero
// time if there is none.
func (c *Catalog) Listing(ctx context.Context, dir string) (entries []store.Entry, at time.Time, err error) {
	err = c.read(ctx, func(q querier) error {
		var ms int64
		var raw []byte
		err := q.QueryRowContext(ctx, `SELECT at, entries FROM listings WHERE dir = ?`, dir).Scan(&ms, &raw)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil && gob.NewDecoder(bytes.NewReader(raw)).Decode(&entries) == nil {
			at = time.UnixMilli(ms)
		}
		return err
	})
	return entries, at, err
}

// SetListing stores what a directory contained at a time.
func (c *Catalog) SetListing(ctx context.Context, dir string, at time.Time, entries []store.Entry) error {
	var raw bytes.Buffer
	if err := gob.NewEncoder(&raw).Encode(entries); err != nil {
		return err
	}
	return c.write(ctx, func(b *batch) error {
		return b.exec(`INSERT INTO listings (dir, at, entries) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET at = excluded.at, entries = excluded.entries`, dir, at.UnixMilli(), raw.Bytes())
	})
}

// DropListing forgets the contents of a directory. If it is the directory of a dump, that dump is
// reported as changed.
func (c *Catalog) DropListing(ctx context.Context, dir string) ([]Change, error) {
	return c.writeChanges(ctx, func(b *batch) error {
		if err := b.exec(`DELETE FROM listings WHERE dir = ?`, dir); err != nil {
			return err
		}
		id, err := dump.ParseID(dir)
		if err != nil {
			return nil
		}
		d, err := b.lookup(id)
		if err == nil && d != nil {
			b.changes = []Change{{ID: id, Old: d, New: d}}
		}
		return err
	})
}
