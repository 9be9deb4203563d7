package catalog

import (
	"context"
	"time"

	"thothfs/corpus/changelog"
	"thothfs/dump"
)

// KnownDir is a directory of the corpus that is in the catalogue.
type KnownDir struct {
	ID  dump.ID
	Tag uint64 // changelog.Tag of its version
}

// KnownDirs returns the directories of dumps and the directories that have no document yet, each in
// hash order.
func (c *Catalog) KnownDirs(ctx context.Context) (dumps, pending []KnownDir, err error) {
	read := func(scan scanFunc) (d KnownDir, err error) {
		var tag string
		err = scan(idColumn{&d.ID}, &tag)
		d.Tag = changelog.Tag(tag)
		return d, err
	}
	if dumps, err = collect(ctx, c, read, `SELECT id, dirtag FROM dumps ORDER BY id`); err != nil {
		return nil, nil, err
	}
	pending, err = collect(ctx, c, read, `SELECT id, dirtag FROM pending ORDER BY id`)
	return dumps, pending, err
}

// DirChange is a directory whose version differs from the one in the catalogue.
type DirChange struct {
	ID     dump.ID
	Tag    string // version of the directory
	IsDump bool   // the catalogue contains its document
	First  bool   // no version was known before, so this is no sign of a change
}

// Enqueue records directories whose documents must be read.
func (c *Catalog) Enqueue(ctx context.Context, changes []DirChange) error {
	if len(changes) == 0 {
		return nil
	}
	return c.write(ctx, func(b *batch) error {
		for _, n := range changes {
			if err := b.enqueue(n); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *batch) enqueue(n DirChange) error {
	switch {
	case n.IsDump && n.First:
		return b.exec(`UPDATE dumps SET dirtag = ? WHERE id = ?`, n.Tag, n.ID[:])
	case n.IsDump:
		return b.exec(`UPDATE dumps SET dirtag = ?, checked = 0 WHERE id = ?`, n.Tag, n.ID[:])
	}
	// Another process, or an upload, may have turned it into a dump in the meantime.
	return b.exec(`INSERT INTO pending (id, tries, due, dirtag) SELECT ?, 0, 0, ? WHERE NOT EXISTS (SELECT 1 FROM dumps WHERE id = ?)
		ON CONFLICT (id) DO UPDATE SET due = 0, dirtag = excluded.dirtag`, n.ID[:], n.Tag, n.ID[:])
}

// Task is a document to read.
type Task struct {
	ID   dump.ID
	ETag string // version of the known document; "" if there is none
}

func (c *Catalog) tasks(ctx context.Context, query string, args ...any) ([]Task, error) {
	return collect(ctx, c, func(scan scanFunc) (t Task, err error) {
		err = scan(idColumn{&t.ID}, &t.ETag)
		return t, err
	}, query, args...)
}

// NewTasks returns up to limit directories that have never been read, with hashes greater than
// after (all if nil).
func (c *Catalog) NewTasks(ctx context.Context, after []byte, limit int) ([]Task, error) {
	return c.tasks(ctx, `SELECT id, '' FROM pending WHERE tries = 0 AND id > ? ORDER BY id LIMIT ?`, notNil(after), limit)
}

// NewTaskCount returns the number of directories that have never been read.
func (c *Catalog) NewTaskCount(ctx context.Context) (n int, err error) {
	err = c.one(ctx, &n, `SELECT count(*) FROM pending WHERE tries = 0`)
	return n, err
}

// UnfinishedTasks returns up to limit directories that had no document and are due for another try.
func (c *Catalog) UnfinishedTasks(ctx context.Context, due time.Time, limit int) ([]Task, error) {
	return c.tasks(ctx, `SELECT id, '' FROM pending WHERE tries > 0 AND due <= ? ORDER BY due LIMIT ?`, due.UnixMilli(), limit)
}

// ChangedTasks returns the dumps whose directory has changed.
func (c *Catalog) ChangedTasks(ctx context.Context) ([]Task, error) {
	return c.tasks(ctx, `SELECT id, etag FROM dumps WHERE checked = 0`)
}

// StaleTasks returns up to limit dumps that were last checked at or before the given time, oldest
// first.
func (c *Catalog) StaleTasks(ctx context.Context, before time.Time, limit int) ([]Task, error) {
	return c.tasks(ctx, `SELECT id, etag FROM dumps WHERE checked > 0 AND checked <= ? ORDER BY checked LIMIT ?`, before.UnixNano(), limit)
}

// StaleCount returns the number of dumps that were last checked at or before the given time.
func (c *Catalog) StaleCount(ctx context.Context, before time.Time) (n int, err error) {
	err = c.one(ctx, &n, `SELECT count(*) FROM dumps WHERE checked > 0 AND checked <= ?`, before.UnixNano())
	return n, err
}
