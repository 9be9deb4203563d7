package corpus

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"thothfs/store"
)

// Keys of meta.
const (
	metaChanges     = "changes"     // version of the log's directory when it was listed
	metaChangesRead = "changesread" // when the latest entry seen was made, in milliseconds
)

const (
	// overlap is how much of the log is listed again, for the sake of clocks that are
	// behind and entries that took their time.
	overlap = 15 * time.Minute
	// entriesAtOnce are read together.
	entriesAtOnce = 32
	maxEntryBytes = 1 << 20
)

// seenEntries are the entries of the last while that were read already. It belongs to
// whoever holds Corpus.syncing.
type seenEntries map[string]time.Time

// forget drops what is never listed again.
func (s seenEntries) forget(before time.Time) {
	for name, at := range s {
		if at.Before(before) {
			delete(s, name)
		}
	}
}

// followLog marks the dumps that the change log says others changed as ones to look at
// soon; force lists it although it seems to be as it was. It returns whether there is a
// log. Its troubles are not those of a reconciliation, which finds everything without it.
func (c *Corpus) followLog(ctx context.Context, force bool) (exists bool) {
	exists, err := c.readLog(ctx, force)
	if err != nil && ctx.Err() == nil {
		c.log.Debug("the change log cannot be read", "error", err)
	}
	return exists
}

func (c *Corpus) readLog(ctx context.Context, force bool) (exists bool, err error) {
	began := c.now()
	attr, err := c.store.Stat(ctx, changesDir)
	if errors.Is(err, store.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	tag, err := c.cat.meta(ctx, metaChanges)
	if err != nil || tag == attr.ETag && tag != "" && !force {
		return true, err
	}
	since, err := c.logSince(ctx, began)
	if err != nil {
		return true, err
	}
	latest, err := c.listLog(ctx, since)
	if err != nil {
		return true, err
	}
	// What comes in the moment after it was looked at may leave its version as it is.
	if began.Sub(attr.ModTime).Abs() < 2*time.Second {
		attr.ETag = ""
	}
	return true, c.cat.write(ctx, func(tx *sql.Tx) error {
		if err := setMeta(ctx, tx, metaChanges, attr.ETag); err != nil {
			return err
		}
		return setMeta(ctx, tx, metaChangesRead, fmt.Sprint(latest.UnixMilli()))
	})
}

// logSince is from where on the log is to be listed. Who has never read it knows the
// corpus from reading it, or from a snapshot, which was listed then.
func (c *Corpus) logSince(ctx context.Context, now time.Time) (time.Time, error) {
	since := now
	for _, key := range []string{metaChangesRead, metaListed} {
		text, err := c.cat.meta(ctx, key)
		if err != nil {
			return time.Time{}, err
		}
		var ms int64
		if _, err := fmt.Sscan(text, &ms); err == nil {
			since = time.UnixMilli(ms)
			break
		}
	}
	if since.After(now) { // somebody's clock is ahead
		since = now
	}
	return since.Add(-overlap), nil
}

// listLog reads the entries since a time that were not read yet, and returns the time
// of the latest.
func (c *Corpus) listLog(ctx context.Context, since time.Time) (latest time.Time, err error) {
	latest = since.Add(overlap)
	var names []string
	for e, err := range c.store.List(ctx, changesDir, since.UTC().Format(entryTime)) {
		if err != nil {
			return latest, err
		}
		at, ok := entryAt(e.Name)
		if _, seen := c.seen[e.Name]; !ok || e.Dir || seen {
			continue
		}
		if at.After(latest) {
			latest = at
		}
		if names = append(names, e.Name); len(names) == entriesAtOnce {
			if err := c.readEntries(ctx, names); err != nil {
				return latest, err
			}
			names = names[:0]
		}
	}
	c.seen.forget(latest.Add(-2 * overlap))
	return latest, c.readEntries(ctx, names)
}

// readEntries reads entries and marks the dumps in them. An entry that is gone, or of no
// use, is passed over.
func (c *Corpus) readEntries(ctx context.Context, names []string) error {
	texts := make([][]byte, len(names))
	group, gctx := errgroup.WithContext(ctx)
	for i, name := range names {
		group.Go(func() error {
			text, _, err := c.store.Get(gctx, store.Ref{Key: changesDir + "/" + name}, maxEntryBytes)
			if errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrInvalid) {
				err = nil
			}
			texts[i] = text
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var all []logged
	for _, text := range texts {
		all = append(all, decodeEntry(text)...)
	}
	if err := c.cat.suspect(ctx, all); err != nil {
		return err
	}
	for _, name := range names {
		c.seen[name], _ = entryAt(name)
	}
	return nil
}

// suspect has dumps looked at soon that are not known in the version that somebody says
// they have.
func (c *catalogue) suspect(ctx context.Context, all []logged) error {
	if len(all) == 0 {
		return nil
	}
	return c.write(ctx, func(tx *sql.Tx) error {
		b := &batch{ctx: context.WithoutCancel(ctx), tx: tx, stmts: map[string]*sql.Stmt{}}
		for _, l := range all {
			if _, err := b.exec(`UPDATE dumps SET checked = 0 WHERE id = ? AND etag <> ?`, l.ID[:], l.ETag); err != nil {
				return err
			}
			if _, err := b.exec(`INSERT INTO pending (id, tries, due, dirtag) SELECT ?, 0, 0, '' WHERE NOT EXISTS (SELECT 1 FROM dumps WHERE id = ?)
				ON CONFLICT (id) DO UPDATE SET tries = 0, due = 0`, l.ID[:], l.ID[:]); err != nil {
				return err
			}
		}
		return nil
	})
}
