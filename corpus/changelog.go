package corpus

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"thothfs/corpus/changelog"
)

// Keys of meta.
const (
	metaLogETag   = "changes"     // version of the change log's directory when it was listed
	metaLogLatest = "changesread" // time of the latest entry, in milliseconds
)

// followLog reads the change log, and reports whether there is one. It does not return
// errors: the reconciliation finds everything without the log.
func (c *Corpus) followLog(ctx context.Context, force bool) bool {
	exists, err := c.logReader.Read(ctx, force)
	if err != nil && ctx.Err() == nil {
		c.log.Debug("cannot read the change log", "error", err)
	}
	return exists && err == nil
}

// The catalogue is the changelog.State of its corpus.

func (c *catalogue) LogPosition(ctx context.Context) (p changelog.Position, err error) {
	latest, err := c.meta(ctx, metaLogLatest)
	if err != nil {
		return p, err
	}
	var ms int64
	if _, err := fmt.Sscan(latest, &ms); err == nil {
		p.Latest = time.UnixMilli(ms)
	}
	p.ETag, err = c.meta(ctx, metaLogETag)
	return p, err
}

func (c *catalogue) SetLogPosition(ctx context.Context, p changelog.Position, forget string) error {
	return c.write(ctx, func(tx *sql.Tx) error {
		if err := setMetaIn(ctx, tx, metaLogETag, p.ETag); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM seen WHERE name < ?`, forget); err != nil {
			return err
		}
		return setMetaIn(ctx, tx, metaLogLatest, fmt.Sprint(p.Latest.UnixMilli()))
	})
}

func (c *catalogue) SeenEntries(ctx context.Context, from string) (seen map[string]bool, err error) {
	err = c.read(ctx, func(q querier) error {
		seen = map[string]bool{}
		return each(ctx, q, func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			seen[name] = true
			return err
		}, `SELECT name FROM seen WHERE name >= ?`, from)
	})
	return seen, err
}

func (c *catalogue) MarkChanged(ctx context.Context, versions []changelog.Version, names []string) error {
	return c.write(ctx, func(tx *sql.Tx) error {
		b := &batch{ctx: context.WithoutCancel(ctx), tx: tx, stmts: map[string]*sql.Stmt{}}
		for _, v := range versions {
			if err := b.markChanged(v); err != nil {
				return err
			}
		}
		for _, name := range names {
			if _, err := b.exec(`INSERT INTO seen (name) VALUES (?) ON CONFLICT DO NOTHING`, name); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *batch) markChanged(v changelog.Version) error {
	s, err := b.stmt(`SELECT etag FROM dumps WHERE id = ?`)
	if err != nil {
		return err
	}
	var etag string
	err = s.QueryRowContext(b.ctx, v.ID[:]).Scan(&etag)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		_, err = b.exec(`INSERT INTO pending (id, tries, due, dirtag) VALUES (?, 0, 0, '') ON CONFLICT (id) DO UPDATE SET tries = 0, due = 0`, v.ID[:])
	case err == nil && changelog.Tag(etag) != v.Tag:
		_, err = b.exec(`UPDATE dumps SET checked = 0 WHERE id = ?`, v.ID[:])
	}
	return err
}
