package catalog

import (
	"context"
	"strings"
	"time"

	"thothfs/dump"
)

// Observation is what was seen in one directory of the corpus.
type Observation struct {
	ID   dump.ID
	Kind ObservationKind
	// At is when the request began. The latest observation counts.
	At time.Time
	// Dump is the dump as described by its document (Found).
	Dump *Dump
	// ETag is the known version of the document, which is still current (Same).
	ETag string
	// Wait is the time until the next try (Unread and Absent).
	Wait time.Duration

	// If this process replaced the document, Replaced is the dump before the edit, and Began is
	// when the edit began. At is then when the edit ended, plus AfterStored.
	Replaced *Dump
	Began    time.Time
}

// ObservationKind is the kind of an Observation.
type ObservationKind int

const (
	Found  ObservationKind = iota // there is a document
	Same                          // the known document is unchanged
	Absent                        // there is a directory without a document
	Unread                        // there may be a document, but it could not be read
	Gone                          // there is no directory
)

// AfterStored is added to the time at which this process stored a document, since an observation
// that began at that very moment may show the version before.
const AfterStored = 1 // nanosecond

// Record stores observations in one transaction and returns the resulting changes.
func (c *Catalog) Record(ctx context.Context, observations []Observation) ([]Change, error) {
	return c.writeChanges(ctx, func(b *batch) error {
		for i := range observations {
			if err := b.record(&observations[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeChanges is like write, for an f that collects changes. It also writes them to the journal.
func (c *Catalog) writeChanges(ctx context.Context, f func(b *batch) error) (changes []Change, err error) {
	err = c.write(ctx, func(b *batch) error {
		if err := f(b); err != nil {
			return err
		}
		changes = b.changes
		return b.appendJournal()
	})
	if err != nil {
		return nil, err
	}
	return changes, nil
}

// batch is one transaction.
type batch struct {
	ctx     context.Context // context of the transaction
	c       *Catalog
	tx      *stmtCache
	changes []Change
	known   *knownNames
	names   map[string]bool // added in this transaction
}

func (b *batch) exec(query string, args ...any) error {
	_, err := b.tx.ExecContext(b.ctx, query, args...)
	return err
}

// lookup returns a dump, or nil if it is not known.
func (b *batch) lookup(id dump.ID) (*Dump, error) {
	b.c.Lookups.Add(1)
	return scanOneDump(b.tx.QueryRowContext(b.ctx, selectDump, id[:]))
}

func (b *batch) record(o *Observation) error {
	switch o.Kind {
	case Same:
		return b.exec(`UPDATE dumps SET checked = ? WHERE id = ? AND etag = ? AND checked < ?`,
			o.At.UnixNano(), o.ID[:], o.ETag, o.At.UnixNano())
	case Unread:
		if err := b.exec(`UPDATE dumps SET checked = ? WHERE id = ?`, o.At.UnixNano(), o.ID[:]); err != nil {
			return err
		}
		return b.postpone(o)
	}
	if done, err := b.replace(o); done || err != nil {
		return err
	}
	old, err := b.lookup(o.ID)
	if err != nil || outdated(o, old) {
		return err
	}
	if o.Kind == Found {
		return b.put(o, old)
	}
	return b.remove(o, old)
}

// replace stores a document over the one that this process replaced in the store, if the catalogue
// still has that one. This saves reading the old one again.
func (b *batch) replace(o *Observation) (done bool, err error) {
	old := o.Replaced
	if old == nil || old.row == 0 || old.ETag == o.Dump.ETag {
		return false, nil
	}
	res, err := b.tx.ExecContext(b.ctx, updateDump+` AND n = ? AND etag = ?`, append(o.values(), o.ID[:], old.row, old.ETag)...)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	return true, b.changed(o, old)
}

// outdated reports whether the catalogue holds a more recent observation than o. It ignores one
// that is well in the future, which comes from a clock that has since been set back.
//
// A document that this process stored is more recent than the one it replaced, whenever that was
// observed. Any other document observed after the edit began was built on the edit.
func outdated(o *Observation, old *Dump) bool {
	at := o.At
	if o.Replaced != nil && old != nil {
		if old.ETag == o.Replaced.ETag {
			return false
		}
		at = o.Began.Add(AfterStored)
	}
	return old != nil && old.Checked.After(at) && old.Checked.Sub(at) < time.Minute
}

func (b *batch) put(o *Observation, old *Dump) error {
	switch {
	case old == nil:
		if err := b.insert(o); err != nil {
			return err
		}
		b.changes = append(b.changes, Change{ID: o.ID, New: o.Dump})
		return nil
	case old.ETag == o.Dump.ETag && old.Damage == o.Dump.Damage:
		return b.exec(`UPDATE dumps SET checked = ? WHERE id = ?`, o.At.UnixNano(), o.ID[:])
	}
	if err := b.exec(updateDump, append(o.values(), o.ID[:])...); err != nil {
		return err
	}
	return b.changed(o, old)
}

// changed stores the new document of a dump after its row was updated.
func (b *batch) changed(o *Observation, old *Dump) error {
	b.changes = append(b.changes, Change{ID: o.ID, Old: old, New: o.Dump})
	o.Dump.row = old.row
	if err := b.addNames(o.Dump.Doc); err != nil {
		return err
	}
	return b.exec(`UPDATE docs SET doc = ? WHERE n = ?`, notNil(o.Dump.Doc.Raw()), old.row)
}

var (
	insertDump = `INSERT INTO dumps (id, n, dirtag, etag, size, mtime, checked, damage, odd, ` + fieldColumns("", "") + `, time, nsec)
		VALUES (?, ?, coalesce((SELECT dirtag FROM pending WHERE id = ?), ''), ` + placeholders(6+len(Fields)+2) + `)`
	updateDump = `UPDATE dumps SET etag = ?, size = ?, mtime = ?, checked = ?, damage = ?, odd = ?, ` +
		fieldColumns("", " = ?") + `, time = ?, nsec = ? WHERE id = ?`
)

func placeholders(n int) string { return strings.Repeat(`?, `, n-1) + `?` }

func (b *batch) insert(o *Observation) error {
	res, err := b.tx.ExecContext(b.ctx, `INSERT INTO docs (id, doc) VALUES (?, ?)`, o.ID[:], notNil(o.Dump.Doc.Raw()))
	if err != nil {
		return err
	}
	if o.Dump.row, err = res.LastInsertId(); err != nil {
		return err
	}
	if err := b.exec(insertDump, append([]any{o.ID[:], o.Dump.row, o.ID[:]}, o.values()...)...); err != nil {
		return err
	}
	if err := b.addNames(o.Dump.Doc); err != nil {
		return err
	}
	return b.exec(`DELETE FROM pending WHERE id = ?`, o.ID[:])
}

// values returns the columns etag to nsec of the row for o.
func (o *Observation) values() []any {
	d := o.Dump
	texts, odd := fieldValues(d.Doc)
	var sec any
	if t, ok := d.Doc.Time(); ok {
		sec = t.Unix()
	}
	damage := d.Damage
	if damage == d.Doc.Damage() {
		damage = "" // found again when the document is parsed
	}
	all := append([]any{d.ETag, d.Size, toNano(d.ModTime), o.At.UnixNano(), damage, odd}, texts...)
	return append(all, sec, d.Time.Nanosecond())
}

// remove removes a dump. An unfinished upload may remain.
func (b *batch) remove(o *Observation, old *Dump) error {
	if old != nil {
		if err := b.exec(`DELETE FROM docs WHERE n = ?`, old.row); err != nil {
			return err
		}
		if err := b.exec(`DELETE FROM dumps WHERE id = ?`, o.ID[:]); err != nil {
			return err
		}
		b.changes = append(b.changes, Change{ID: o.ID, Old: old})
	}
	if o.Kind == Absent {
		return b.postpone(o)
	}
	if err := b.exec(`DELETE FROM pending WHERE id = ?`, o.ID[:]); err != nil {
		return err
	}
	return b.exec(`DELETE FROM listings WHERE dir = ?`, o.ID.String())
}

// postpone delays the next try at a directory that is not a dump yet, by a longer time each time.
func (b *batch) postpone(o *Observation) error {
	const longest = time.Hour
	wait := o.Wait.Milliseconds()
	return b.exec(`INSERT INTO pending (id, tries, due, dirtag) SELECT ?, 1, ?, '' WHERE NOT EXISTS (SELECT 1 FROM dumps WHERE id = ?)
		ON CONFLICT (id) DO UPDATE SET tries = tries + 1, due = ? + min((tries + 1) * ?, ?)`,
		o.ID[:], o.At.UnixMilli()+wait, o.ID[:], o.At.UnixMilli(), wait, longest.Milliseconds())
}
