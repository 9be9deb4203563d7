package corpus

import (
	"bytes"
	"context"
	"database/sql"
	"time"

	"thothfs/corpus/changelog"
	"thothfs/dump"
)

func compareIDs(a, b dump.ID) int { return bytes.Compare(a[:], b[:]) }

// knownDirs returns what a table, dumps or pending, holds, in the order of the hashes.
func (c *catalogue) knownDirs(ctx context.Context, table string) (all []knownDir, err error) {
	err = c.read(ctx, func(q querier) error {
		all, err = collect(ctx, q, func(scan func(...any) error) (p knownDir, err error) {
			var id sql.RawBytes
			var tag string
			err = scan(&id, &tag)
			copy(p.id[:], id)
			p.tag = changelog.Tag(tag)
			return p, err
		}, `SELECT id, dirtag FROM `+table+` ORDER BY id`)
		return err
	})
	return all, err
}

// enqueue notes directories to look into.
func (c *catalogue) enqueue(ctx context.Context, all []dirChange) error {
	if len(all) == 0 {
		return nil
	}
	return c.write(ctx, func(tx *sql.Tx) error {
		b := &batch{ctx: context.WithoutCancel(ctx), tx: tx, stmts: map[string]*sql.Stmt{}}
		for _, n := range all {
			if err := b.enqueue(n); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *batch) enqueue(n dirChange) (err error) {
	switch {
	case n.known && n.first:
		_, err = b.exec(`UPDATE dumps SET dirtag = ? WHERE id = ?`, n.tag, n.id[:])
	case n.known:
		_, err = b.exec(`UPDATE dumps SET dirtag = ?, checked = 0 WHERE id = ?`, n.tag, n.id[:])
	default:
		// Another process, or an upload, may have made a dump of it meanwhile.
		_, err = b.exec(`INSERT INTO pending (id, tries, due, dirtag) SELECT ?, 0, 0, ? WHERE NOT EXISTS (SELECT 1 FROM dumps WHERE id = ?)
			ON CONFLICT (id) DO UPDATE SET due = 0, dirtag = excluded.dirtag`, n.id[:], n.tag, n.id[:])
	}
	return err
}

// task is a directory to look into.
type task struct {
	id      dump.ID
	etag    string // of the document that is known
	pending bool   // none is known
}

func scanTask(scan func(...any) error) (t task, err error) {
	var id sql.RawBytes
	err = scan(&id, &t.etag, &t.pending)
	copy(t.id[:], id)
	return t, err
}

// newTasks returns up to limit directories after a hash that were never looked into.
func (c *catalogue) newTasks(ctx context.Context, after []byte, limit int) ([]task, error) {
	if after == nil {
		after = []byte{} // not NULL, and less than the hash of zeros
	}
	return c.tasks(ctx, `SELECT id, '', 1 FROM pending WHERE tries = 0 AND id > ? ORDER BY id LIMIT ?`, after, limit)
}

// unfinishedTasks returns up to limit directories without a document whose time has come
// at the moment due.
func (c *catalogue) unfinishedTasks(ctx context.Context, due time.Time, limit int) ([]task, error) {
	return c.tasks(ctx, `SELECT id, '', 1 FROM pending WHERE tries > 0 AND due <= ? ORDER BY due LIMIT ?`, due.UnixMilli(), limit)
}

// changedTasks returns the dumps whose directory changed.
func (c *catalogue) changedTasks(ctx context.Context) ([]task, error) {
	return c.tasks(ctx, `SELECT id, etag, 0 FROM dumps WHERE checked = 0`)
}

// staleTasks returns up to limit dumps that nobody looked at since before, oldest first.
func (c *catalogue) staleTasks(ctx context.Context, before time.Time, limit int) ([]task, error) {
	return c.tasks(ctx, `SELECT id, etag, 0 FROM dumps WHERE checked > 0 AND checked <= ? ORDER BY checked LIMIT ?`, before.UnixNano(), limit)
}

// staleCount is how many dumps nobody has looked at since before.
func (c *catalogue) staleCount(ctx context.Context, before time.Time) (n int, err error) {
	err = c.read(ctx, func(q querier) error {
		return q.QueryRowContext(ctx, `SELECT count(*) FROM dumps WHERE checked > 0 AND checked <= ?`, before.UnixNano()).Scan(&n)
	})
	return n, err
}

func (c *catalogue) tasks(ctx context.Context, query string, args ...any) (all []task, err error) {
	err = c.read(ctx, func(q querier) error {
		all, err = collect(ctx, q, scanTask, query, args...)
		return err
	})
	return all, err
}

// markComplete notes that the catalogue knows the whole corpus, if it does: that was listed,
// and no directory waits to be looked into.
func (c *catalogue) markComplete(ctx context.Context) (complete bool, err error) {
	err = c.write(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(context.WithoutCancel(ctx), `SELECT EXISTS (SELECT 1 FROM meta WHERE key = ?)
			AND NOT EXISTS (SELECT 1 FROM pending WHERE tries = 0)`, metaListed).Scan(&complete)
		if err != nil || !complete {
			return err
		}
		return setMetaIn(context.WithoutCancel(ctx), tx, metaComplete, "yes")
	})
	return complete, err
}

// newTaskCount is how many directories were never looked into.
func (c *catalogue) newTaskCount(ctx context.Context) (n int, err error) {
	err = c.read(ctx, func(q querier) error {
		return q.QueryRowContext(ctx, `SELECT count(*) FROM pending WHERE tries = 0`).Scan(&n)
	})
	return n, err
}
