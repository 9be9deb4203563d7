package catalog

import (
	"context"
	"database/sql"

	"thothfs/dump"
)

const (
	// A transaction with more than manyChanges changes gets a single entry, which stands for any
	// number.
	manyChanges = 64
	// journalLength is the number of entries kept, which limits how far behind another process may
	// be.
	journalLength = 4096
)

// journalColumns are the columns that describe the state before a change.
var journalColumns = `etag, size, mtime, ` + fieldColumns("", "") + `, time, nsec`

var insertChange = `INSERT INTO journal (writer, id, ` + journalColumns + `) VALUES (` + placeholders(2+3+len(Fields)+2) + `)`

// appendJournal writes the changes of this transaction to the journal, for the other processes that
// share the file.
func (b *batch) appendJournal() error {
	if len(b.changes) == 0 {
		return nil
	}
	changes := b.changes
	if len(changes) > manyChanges {
		changes = []Change{{}}
	}
	for _, ch := range changes {
		if err := b.exec(insertChange, b.journalRow(ch)...); err != nil {
			return err
		}
	}
	return b.exec(`DELETE FROM journal WHERE seq <= (SELECT max(seq) FROM journal) - ?`, journalLength)
}

func (b *batch) journalRow(ch Change) []any {
	row := []any{b.c.writer, ch.ID[:]}
	if ch.Everything() {
		row[1] = []byte{}
	}
	d := ch.Old
	if d == nil {
		return append(row, make([]any, 3+len(Fields)+2)...)
	}
	row = append(row, d.ETag, d.Size, toNano(d.ModTime))
	for _, text := range d.texts {
		row = append(row, text)
	}
	if d.Time.IsZero() {
		return append(row, nil, d.Time.Nanosecond())
	}
	return append(row, d.Time.Unix(), d.Time.Nanosecond())
}

// journalEntry is a row of the journal.
type journalEntry struct {
	seq, writer int64
	id          dump.ID // zero if the entry stands for any number of changes
	old         *Dump   // without a document
}

func scanJournalEntry(scan scanFunc) (e journalEntry, err error) {
	var etag sql.NullString
	var r dumpRow
	var size, mtime, nsec sql.NullInt64
	to := []any{&e.seq, &e.writer, idColumn{&e.id}, &etag, &size, &mtime}
	for i := range r.texts {
		to = append(to, &r.texts[i])
	}
	if err := scan(append(to, &r.sec, &nsec)...); err != nil || !etag.Valid {
		return e, err
	}
	r.nsec = nsec.Int64
	e.old = &Dump{ID: e.id, ETag: etag.String, Size: size.Int64, ModTime: fromNano(mtime.Int64), Time: r.timestamp()}
	for i := range r.texts {
		e.old.texts[i] = r.texts[i].String
	}
	return e, nil
}

// JournalEnd returns the number of the latest journal entry.
func (c *Catalog) JournalEnd(ctx context.Context) (seq int64, err error) {
	err = c.one(ctx, &seq, `SELECT coalesce(max(seq), 0) FROM journal`)
	return seq, err
}

// Journal returns the changes made by other processes after entry number after, and the number of
// the latest entry. If the changes are not known individually, it returns one Change that stands
// for everything.
func (c *Catalog) Journal(ctx context.Context, after int64) (changes []Change, end int64, err error) {
	entries, err := collect(ctx, c, scanJournalEntry, `SELECT seq, writer, id, `+journalColumns+` FROM journal WHERE seq > ? ORDER BY seq`, after)
	if err != nil || len(entries) == 0 {
		return nil, after, err
	}
	end = entries[len(entries)-1].seq
	// AUTOINCREMENT leaves no gaps: a transaction that fails gives its numbers back.
	if entries[0].seq > after+1 {
		return []Change{{}}, end, nil
	}
	for _, e := range entries {
		switch {
		case e.writer == c.writer:
			continue
		case e.id == dump.ID{}:
			return []Change{{}}, end, nil
		}
		now, err := c.Lookup(ctx, e.id)
		if err != nil {
			return nil, after, err
		}
		if now != nil || e.old != nil {
			changes = append(changes, Change{ID: e.id, Old: e.old, New: now})
		}
	}
	return changes, end, nil
}
