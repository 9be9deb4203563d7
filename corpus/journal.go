package corpus

import (
	"context"
	"database/sql"
	"slices"

	"thothfs/dump"
)

const (
	// manyChanges in one transaction are told to other processes as "everything".
	manyChanges = 64
	// keptChanges is how far behind another process may be.
	keptChanges = 4096
)

// appendJournal tells the other processes that share the catalogue what this
// transaction changed.
func (b *batch) appendJournal(writer int64) error {
	if len(b.changes) == 0 {
		return nil
	}
	changes := b.changes
	if len(changes) > manyChanges {
		changes = []Change{{}}
	}
	for _, ch := range changes {
		if err := b.appendChange(writer, ch); err != nil {
			return err
		}
	}
	_, err := b.exec(`DELETE FROM journal WHERE seq <= (SELECT max(seq) FROM journal) - ?`, keptChanges)
	return err
}

func (b *batch) appendChange(writer int64, ch Change) error {
	id, old := ch.ID[:], make([]any, 11)
	if ch.Everything() {
		id = []byte{}
	}
	if d := ch.Old; d != nil {
		old = []any{d.ETag, d.Size, nano(d.ModTime), d.Type, d.Cmd, d.Node, d.Platform, d.Ticket, d.Signature, nil, d.Time.Nanosecond()}
		if !d.Time.IsZero() {
			old[9] = d.Time.Unix()
		}
	}
	_, err := b.exec(`INSERT INTO journal (writer, id, etag, size, mtime, type, cmd, node, platform, ticket, signature, time, nsec)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, append([]any{writer, id}, old...)...)
	return err
}

// journalEntry is what a row of the journal says.
type journalEntry struct {
	seq, writer int64
	id          []byte
	old         *Dump // without document
}

func scanJournalEntry(scan func(...any) error) (e journalEntry, err error) {
	var etag sql.NullString
	var r dumpRow
	var size, mtime, nsec sql.NullInt64
	err = scan(&e.seq, &e.writer, &e.id, &etag, &size, &mtime,
		&r.texts[0], &r.texts[1], &r.texts[2], &r.texts[3], &r.texts[4], &r.texts[5], &r.sec, &nsec)
	if err != nil || !etag.Valid {
		return e, err
	}
	r.id, r.nsec = e.id, nsec.Int64
	e.old = &Dump{ID: r.dumpID(), ETag: etag.String, Size: size.Int64, ModTime: fromNano(mtime.Int64),
		Type: r.texts[0].String, Cmd: r.texts[1].String, Node: r.texts[2].String,
		Platform: r.texts[3].String, Ticket: r.texts[4].String, Signature: r.texts[5].String, Time: r.timestamp()}
	return e, nil
}

// journalAfter returns the journal from after seq on.
func (c *catalogue) journalAfter(ctx context.Context, seq int64) (all []journalEntry, err error) {
	const query = `SELECT seq, writer, id, etag, size, mtime, type, cmd, node, platform, ticket, signature, time, nsec FROM journal WHERE seq > ? ORDER BY seq`
	err = c.read(ctx, func(q querier) error {
		all, err = collect(ctx, q, scanJournalEntry, query, seq)
		return err
	})
	return all, err
}

func (c *catalogue) journalEnd(ctx context.Context) (seq int64, err error) {
	err = c.read(ctx, func(q querier) error {
		return q.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM journal`).Scan(&seq)
	})
	return seq, err
}

// readJournal tells subscribers what other processes changed in the catalogue.
func (c *Corpus) readJournal(ctx context.Context) error {
	_, err := c.readJournalFully(ctx)
	return err
}

// readJournalFully is tail. It reports whether more changed than can be told one by one.
func (c *Corpus) readJournalFully(ctx context.Context) (everything bool, err error) {
	c.journalMu.Lock()
	defer c.journalMu.Unlock()
	if resets := c.cat.resetCount(); resets != c.resets {
		c.events.emit(Change{})
		if err := c.loadState(ctx); err != nil {
			return true, err
		}
		c.resets = resets
		return true, nil
	}
	entries, err := c.cat.journalAfter(ctx, c.journalSeen)
	if err != nil || len(entries) == 0 {
		return false, err
	}
	changes, err := c.journalChanges(ctx, entries)
	if err != nil {
		return false, err
	}
	c.journalSeen = entries[len(entries)-1].seq
	c.events.emit(changes...)
	return slices.ContainsFunc(changes, Change.Everything), nil
}

// journalChanges turns entries by others into changes.
func (c *Corpus) journalChanges(ctx context.Context, entries []journalEntry) ([]Change, error) {
	var changes []Change
	// AUTOINCREMENT leaves no gap: a transaction that fails takes its numbers back.
	if entries[0].seq > c.journalSeen+1 {
		return []Change{{}}, nil
	}
	for _, e := range entries {
		switch {
		case e.writer == c.cat.writer:
			continue
		case len(e.id) == 0:
			return []Change{{}}, nil
		}
		var id dump.ID
		copy(id[:], e.id)
		now, err := c.cat.dump(ctx, id)
		if err != nil {
			return nil, err
		}
		if now != nil || e.old != nil {
			changes = append(changes, Change{ID: id, Old: e.old, New: now})
		}
	}
	return changes, nil
}

// loadState takes up what the catalogue knows of earlier processes.
func (c *Corpus) loadState(ctx context.Context) error {
	resets := c.cat.resetCount()
	seq, err := c.cat.journalEnd(ctx)
	if err != nil {
		return err
	}
	complete, err := c.cat.meta(ctx, metaComplete)
	if err != nil {
		return err
	}
	c.journalSeen = seq
	c.state.restart(complete != "", resets)
	return nil
}
