package corpus

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
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
	// overlap is how much of the log is listed again, for the sake of entries that took
	// their time.
	overlap = 15 * time.Minute
	// entriesAtOnce are noted together.
	entriesAtOnce = 1024
	maxEntryBytes = 1 << 20
)

// followLog marks the dumps that the change log says others changed as ones to look at
// soon; force lists it although it seems to be as it was. It returns whether there is a
// log that can be read. Its troubles are not those of a reconciliation, which finds
// everything without it.
func (c *Corpus) followLog(ctx context.Context, force bool) (logged bool) {
	exists, err := c.readLog(ctx, force)
	if err != nil && ctx.Err() == nil {
		c.log.Debug("the change log cannot be read", "error", err)
	}
	return exists && err == nil
}

func (c *Corpus) readLog(ctx context.Context, force bool) (exists bool, err error) {
	began := c.now()
	attr, err := c.store.Stat(ctx, changesDir)
	if errors.Is(err, store.ErrNotExist) {
		return false, c.cat.setMetaIfAbsent(ctx, metaChangesRead, "0") // all that is to come is new
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
	latest, news, err := c.listLog(ctx, since)
	if err == nil && news == 0 && tag != "" && tag != attr.ETag {
		err = c.listLate(ctx, since)
	}
	if err != nil {
		return true, err
	}
	// What comes in the moment after it was looked at may leave its version as it is.
	if began.Sub(attr.ModTime).Abs() < 2*time.Second {
		attr.ETag = ""
	}
	return true, c.cat.write(ctx, func(tx *sql.Tx) error {
		if err := setMetaIn(ctx, tx, metaChanges, attr.ETag); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM seen WHERE name < ?`, latest.Add(-2*overlap).UTC().Format(entryTime)); err != nil {
			return err // never listed again
		}
		return setMetaIn(ctx, tx, metaChangesRead, fmt.Sprint(latest.UnixMilli()))
	})
}

// logSince is from where on the log is to be listed. Entries are ordered by the store's
// clock, so where to begin comes from the log itself: this machine's clock may be wrong.
func (c *Corpus) logSince(ctx context.Context, now time.Time) (time.Time, error) {
	text, err := c.cat.meta(ctx, metaChangesRead)
	if err != nil {
		return time.Time{}, err
	}
	var ms int64
	if _, err := fmt.Sscan(text, &ms); err != nil {
		latest, err := c.latestEntry(ctx)
		return latest.Add(-overlap), err
	}
	since := time.UnixMilli(ms)
	if since.After(now) { // this clock is behind, or what was noted is of no use
		since = now
	}
	return since.Add(-overlap), nil
}

// latestEntry returns the time of the latest entry. A catalogue that has never read the
// log was made by reading the corpus after the earlier ones.
func (c *Corpus) latestEntry(ctx context.Context) (latest time.Time, err error) {
	for e, err := range c.logEntries(ctx, time.UnixMilli(0)) {
		if err != nil {
			return latest, err
		}
		latest = later(latest, e.at)
	}
	return later(latest, time.UnixMilli(0)), nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// logEntries yields the entries of the log whose names are of since or later. Their time
// is that of the name, but not later than the store received them: a name can be of a
// clock that is ahead.
func (c *Corpus) logEntries(ctx context.Context, since time.Time) iter.Seq2[logEntry, error] {
	return func(yield func(logEntry, error) bool) {
		for listed, err := range c.store.List(ctx, changesDir, since.UTC().Format(entryTime)) {
			if err != nil {
				yield(logEntry{}, err)
				return
			}
			e, ok := parseEntryName(listed.Name)
			if !ok || listed.Dir {
				continue
			}
			if e.stored = listed.ModTime; !e.stored.IsZero() && e.at.After(e.stored) {
				e.at = e.stored
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// listLog reads the entries since a time that were not read yet, and returns the time
// of the latest and how many they were.
func (c *Corpus) listLog(ctx context.Context, since time.Time) (latest time.Time, news int, err error) {
	latest = since.Add(overlap)
	seen, err := c.cat.seenEntries(ctx, since.UTC().Format(entryTime))
	if err != nil {
		return latest, 0, err
	}
	var some []logEntry
	for e, err := range c.logEntries(ctx, since) {
		if err != nil {
			return latest, news, err
		}
		if seen[e.name] {
			continue
		}
		latest = later(latest, e.at)
		news++
		if some = append(some, e); len(some) == entriesAtOnce {
			if err := c.readEntries(ctx, some); err != nil {
				return latest, news, err
			}
			some = some[:0]
		}
	}
	return latest, news, c.readEntries(ctx, some)
}

// listLate reads the entries that the store received since a time and whose names are of
// before it: their writers' clocks are behind. It lists the whole log, and is for when that
// has changed and holds nothing new where it should.
func (c *Corpus) listLate(ctx context.Context, since time.Time) error {
	var some []logEntry
	for e, err := range c.logEntries(ctx, time.UnixMilli(0)) {
		if err != nil {
			return err
		}
		if !e.at.Before(since) {
			break
		}
		if e.stored.Before(since) {
			continue
		}
		if some = append(some, e); len(some) == entriesAtOnce {
			if err := c.readEntries(ctx, some); err != nil {
				return err
			}
			some = some[:0]
		}
	}
	return c.readEntries(ctx, some)
}

// readEntries reads entries and marks the dumps in them. An entry that is gone, or of no
// use, is passed over.
func (c *Corpus) readEntries(ctx context.Context, some []logEntry) error {
	texts := make([][]byte, len(some))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for i, e := range some {
		if e.whole {
			continue
		}
		group.Go(func() error {
			text, _, err := c.store.Get(gctx, store.Ref{Key: changesDir + "/" + e.name}, maxEntryBytes)
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
	var all []told
	for i, e := range some {
		if e.whole {
			all = append(all, e.dump)
		}
		all = append(all, decodeEntry(texts[i])...)
	}
	return c.cat.suspect(ctx, all, some)
}

// seenEntries are the names of entries that were read already, from a name on.
func (c *catalogue) seenEntries(ctx context.Context, from string) (seen map[string]bool, err error) {
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

// suspect has dumps looked at soon that are not known in the version that somebody says
// they have, and notes the entries that say so as read.
func (c *catalogue) suspect(ctx context.Context, all []told, from []logEntry) error {
	if len(from) == 0 {
		return nil
	}
	return c.write(ctx, func(tx *sql.Tx) error {
		b := &batch{ctx: context.WithoutCancel(ctx), tx: tx, stmts: map[string]*sql.Stmt{}}
		for _, t := range all {
			if err := b.suspect(t); err != nil {
				return err
			}
		}
		for _, e := range from {
			if _, err := b.exec(`INSERT INTO seen (name) VALUES (?) ON CONFLICT DO NOTHING`, e.name); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *batch) suspect(t told) error {
	s, err := b.stmt(`SELECT etag FROM dumps WHERE id = ?`)
	if err != nil {
		return err
	}
	var etag string
	err = s.QueryRowContext(b.ctx, t.id[:]).Scan(&etag)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		_, err = b.exec(`INSERT INTO pending (id, tries, due, dirtag) VALUES (?, 0, 0, '') ON CONFLICT (id) DO UPDATE SET tries = 0, due = 0`, t.id[:])
	case err == nil && hashTag(etag) != t.tag:
		_, err = b.exec(`UPDATE dumps SET checked = 0 WHERE id = ?`, t.id[:])
	}
	return err
}
