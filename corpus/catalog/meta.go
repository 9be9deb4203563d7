package catalog

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// Key names a note about the corpus in the catalogue.
type Key string

const (
	RootTag    Key = "root"     // version of the corpus directory when it was last listed
	Listed     Key = "listed"   // time of that listing, in milliseconds since 1970
	EntryCount Key = "entries"  // number of entries in that listing
	AsOf       Key = "asof"     // time when the catalogue was last up to date, in milliseconds
	Complete   Key = "complete" // not empty once every document has been read

	logTag    Key = "changes"     // version of the change log's directory when it was last listed
	logLatest Key = "changesread" // time of the latest entry read, in milliseconds
)

// Get returns a note, or "" if there is none.
func (c *Catalog) Get(ctx context.Context, key Key) (value string, err error) {
	err = c.one(ctx, &value, `SELECT value FROM meta WHERE key = ?`, key)
	return value, err
}

// GetInt returns a numeric note, or 0 if there is none.
func (c *Catalog) GetInt(ctx context.Context, key Key) (n int64, err error) {
	text, err := c.Get(ctx, key)
	n, _ = strconv.ParseInt(text, 10, 64)
	return n, err
}

// GetTime returns a note that holds a time, or the zero time if there is none.
func (c *Catalog) GetTime(ctx context.Context, key Key) (at time.Time, err error) {
	text, err := c.Get(ctx, key)
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		at = time.UnixMilli(ms)
	}
	return at, err
}

// Set stores notes in one transaction.
func (c *Catalog) Set(ctx context.Context, notes map[Key]string) error {
	return c.write(ctx, func(b *batch) error { return b.set(notes) })
}

func (b *batch) set(notes map[Key]string) error {
	for key, value := range notes {
		if err := b.exec(`INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value`, key, value); err != nil {
			return err
		}
	}
	return nil
}

// Millis formats a time for a note.
func Millis(t time.Time) string { return fmt.Sprint(t.UnixMilli()) }

// MarkComplete records that the catalogue covers the whole corpus if it does, that is, if the
// corpus was listed and no directory is waiting to be read.
func (c *Catalog) MarkComplete(ctx context.Context) (complete bool, err error) {
	err = c.write(ctx, func(b *batch) error {
		err := b.tx.QueryRowContext(b.ctx, `SELECT EXISTS (SELECT 1 FROM meta WHERE key = ?)
			AND NOT EXISTS (SELECT 1 FROM pending WHERE tries = 0)`, Listed).Scan(&complete)
		if err != nil || !complete {
			return err
		}
		return b.set(map[Key]string{Complete: "yes"})
	})
	return complete, err
}
