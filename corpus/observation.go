package corpus

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"thothfs/dump"
	"thothfs/store"
)

// observation is what one look at a directory of the corpus found.
type observation struct {
	id   dump.ID
	at   time.Time // when the look began: what was found later counts more
	kind observationKind

	raw    []byte // the document: found
	attr   store.Attr
	damage string

	etag string        // the version that is still current: same
	wait time.Duration // how long not to look again: unread and absent

	// Of a document that we stored: the version that it replaced, and when we began.
	// Then at is when that was done, and by afterStored later.
	replaced string
	began    time.Time
}

type observationKind int

const (
	found  observationKind = iota // a document
	same                          // the one that is known
	absent                        // a directory without a document, as far as can be seen
	unread                        // there may be a document, it was not to be had
	gone                          // no directory
)

// record notes findings in one transaction and returns what they changed.
func (c *catalogue) record(ctx context.Context, findings []observation) (changes []Change, err error) {
	err = c.write(ctx, func(tx *sql.Tx) error {
		b := &batch{ctx: context.WithoutCancel(ctx), tx: tx, stmts: map[string]*sql.Stmt{}}
		for i := range findings {
			if err := b.record(&findings[i]); err != nil {
				return err
			}
		}
		changes = b.changes
		return b.appendJournal(c.writer)
	})
	if err != nil {
		return nil, err
	}
	if len(changes) > 0 {
		c.ring()
	}
	return changes, nil
}

// batch is one transaction that notes findings.
type batch struct {
	ctx     context.Context // of the transaction, which is all that a batch lives for
	tx      *sql.Tx
	stmts   map[string]*sql.Stmt
	changes []Change
}

func (b *batch) stmt(query string) (*sql.Stmt, error) {
	if s := b.stmts[query]; s != nil {
		return s, nil
	}
	s, err := b.tx.PrepareContext(b.ctx, query) // closed with the transaction
	b.stmts[query] = s
	return s, err
}

func (b *batch) exec(query string, args ...any) (sql.Result, error) {
	s, err := b.stmt(query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(b.ctx, args...)
}

func (b *batch) old(id dump.ID) (*Dump, int64, error) {
	s, err := b.stmt(`SELECT ` + columns + `, x.doc, d.n FROM dumps d JOIN docs x ON x.n = d.n WHERE d.id = ?`)
	if err != nil {
		return nil, 0, err
	}
	var n int64
	d, err := scanDump(func(to ...any) error { return s.QueryRowContext(b.ctx, id[:]).Scan(append(to, &n)...) })
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, nil
	}
	return d, n, err
}

func (b *batch) record(f *observation) error {
	if f.kind == same {
		_, err := b.exec(`UPDATE dumps SET checked = ? WHERE id = ? AND etag = ? AND checked < ?`,
			f.at.UnixNano(), f.id[:], f.etag, f.at.UnixNano())
		return err
	}
	if f.kind == unread {
		return b.postpone(f)
	}
	old, n, err := b.old(f.id)
	if err != nil || outdated(f, old) {
		return err
	}
	if f.kind == found {
		return b.put(f, old, n)
	}
	return b.remove(f, old, n)
}

// afterStored is how much later than it was stored a document of our own counts as seen:
// a look that began at that very moment may have been before.
const afterStored = 1 // nanosecond

// outdated tells that the catalogue knows better than f: the look that it knows from
// began later. A look well in the future is a clock that was set back.
//
// What we stored ourselves is newer than what it replaced, whenever that was looked
// at; but what else was seen after we began was built on it.
func outdated(f *observation, old *Dump) bool {
	at := f.at
	if f.replaced != "" && old != nil {
		if old.ETag == f.replaced {
			return false
		}
		at = f.began.Add(afterStored)
	}
	return old != nil && old.checked.After(at) && old.checked.Sub(at) < time.Minute
}

func (b *batch) put(f *observation, old *Dump, n int64) error {
	d := newDump(f.id, f.raw, f.attr, f.damage)
	d.checked = f.at
	var err error
	switch {
	case old == nil:
		err = b.insert(f, d)
	case old.ETag == d.ETag && old.Damage == d.Damage:
		_, err = b.exec(`UPDATE dumps SET checked = ? WHERE id = ?`, f.at.UnixNano(), f.id[:])
		return err
	default:
		err = b.update(f, d, n)
	}
	if err != nil {
		return err
	}
	b.changes = append(b.changes, Change{ID: f.id, Old: old, New: d})
	return nil
}

func (b *batch) insert(f *observation, d *Dump) error {
	res, err := b.exec(`INSERT INTO docs (id, doc) VALUES (?, ?)`, f.id[:], nonNil(f.raw))
	if err != nil {
		return err
	}
	n, err := res.LastInsertId()
	if err != nil {
		return err
	}
	args := append([]any{f.id[:], n, f.id[:]}, values(f, d)...)
	if _, err := b.exec(`INSERT INTO dumps (id, n, dirtag, etag, size, mtime, checked, damage, odd, type, cmd, node, platform, ticket, signature, time, nsec)
		VALUES (?, ?, coalesce((SELECT dirtag FROM pending WHERE id = ?), ''), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, args...); err != nil {
		return err
	}
	_, err = b.exec(`DELETE FROM pending WHERE id = ?`, f.id[:])
	return err
}

func (b *batch) update(f *observation, d *Dump, n int64) error {
	if _, err := b.exec(`UPDATE docs SET doc = ? WHERE n = ?`, nonNil(f.raw), n); err != nil {
		return err
	}
	_, err := b.exec(`UPDATE dumps SET etag = ?, size = ?, mtime = ?, checked = ?, damage = ?, odd = ?,
		type = ?, cmd = ?, node = ?, platform = ?, ticket = ?, signature = ?, time = ?, nsec = ? WHERE id = ?`, append(values(f, d), f.id[:])...)
	return err
}

// values are the columns etag to nsec of a row.
func values(f *observation, d *Dump) []any {
	texts, odd := indexed(d.Doc)
	var sec any
	if t, ok := d.Doc.Time(); ok {
		sec = t.Unix()
	}
	return []any{d.ETag, d.Size, nano(d.ModTime), f.at.UnixNano(), f.damage, odd,
		texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], sec, d.Time.Nanosecond()}
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// remove takes a dump out of the catalogue; what is left may be an unfinished upload.
func (b *batch) remove(f *observation, old *Dump, n int64) error {
	if old != nil {
		if _, err := b.exec(`DELETE FROM docs WHERE n = ?`, n); err != nil {
			return err
		}
		if _, err := b.exec(`DELETE FROM dumps WHERE id = ?`, f.id[:]); err != nil {
			return err
		}
		b.changes = append(b.changes, Change{ID: f.id, Old: old})
	}
	if f.kind == absent {
		return b.postpone(f)
	}
	if _, err := b.exec(`DELETE FROM pending WHERE id = ?`, f.id[:]); err != nil {
		return err
	}
	_, err := b.exec(`DELETE FROM listings WHERE dir = ?`, f.id.String())
	return err
}

// postpone puts off the next look at a directory that is no dump yet, longer every
// time. A dump that is known waits for its next turn.
func (b *batch) postpone(f *observation) error {
	const longest = time.Hour
	if f.kind == unread {
		if _, err := b.exec(`UPDATE dumps SET checked = ? WHERE id = ?`, f.at.UnixNano(), f.id[:]); err != nil {
			return err
		}
	}
	wait := f.wait.Milliseconds()
	_, err := b.exec(`INSERT INTO pending (id, tries, due, dirtag) SELECT ?, 1, ?, '' WHERE NOT EXISTS (SELECT 1 FROM dumps WHERE id = ?)
		ON CONFLICT (id) DO UPDATE SET tries = tries + 1, due = ? + min((tries + 1) * ?, ?)`,
		f.id[:], f.at.UnixMilli()+wait, f.id[:], f.at.UnixMilli(), wait, longest.Milliseconds())
	return err
}
