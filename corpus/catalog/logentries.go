package catalog

import (
	"context"
	"database/sql"
	"errors"

	"thothfs/corpus/changelog"
)

var _ changelog.State = (*Catalog)(nil)

// LogPosition returns how far the change log has been read.
func (c *Catalog) LogPosition(ctx context.Context) (p changelog.Position, err error) {
	if p.Latest, err = c.GetTime(ctx, logLatest); err != nil {
		return p, err
	}
	p.ETag, err = c.Get(ctx, logTag)
	return p, err
}

// SetLogPosition stores how far the change log has been read, and forgets the entries whose names
// sort before forget.
func (c *Catalog) SetLogPosition(ctx context.Context, p changelog.Position, forget string) error {
	return c.write(ctx, func(b *batch) error {
		if err := b.exec(`DELETE FROM seen WHERE name < ?`, forget); err != nil {
			return err
		}
		return b.set(map[Key]string{logTag: p.ETag, logLatest: Millis(p.Latest)})
	})
}

// SeenEntries returns the names of the change-log entries that have been read, starting at from.
func (c *Catalog) SeenEntries(ctx context.Context, from string) (map[string]bool, error) {
	names, err := collect(ctx, c, func(scan scanFunc) (name string, err error) {
		err = scan(&name)
		return name, err
	}, `SELECT name FROM seen WHERE name >= ?`, from)
	seen := map[string]bool{}
	for _, name := range names {
		seen[name] = true
	}
	return seen, err
}

// MarkChanged marks the dumps whose known version differs as due for a check, and adds names to the
// entries that have been read.
func (c *Catalog) MarkChanged(ctx context.Context, versions []changelog.Version, names []string) error {
	return c.write(ctx, func(b *batch) error {
		for _, v := range versions {
			if err := b.markChanged(v); err != nil {
				return err
			}
		}
		for _, name := range names {
			if err := b.exec(`INSERT INTO seen (name) VALUES (?) ON CONFLICT DO NOTHING`, name); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *batch) markChanged(v changelog.Version) error {
	var etag string
	err := b.tx.QueryRowContext(b.ctx, `SELECT etag FROM dumps WHERE id = ?`, v.ID[:]).Scan(&etag)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return b.exec(`INSERT INTO pending (id, tries, due, dirtag) VALUES (?, 0, 0, '') ON CONFLICT (id) DO UPDATE SET tries = 0, due = 0`, v.ID[:])
	case err == nil && changelog.Tag(etag) != v.Tag:
		return b.exec(`UPDATE dumps SET checked = 0 WHERE id = ?`, v.ID[:])
	}
	return err
}
