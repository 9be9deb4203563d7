package corpus

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/gob"
	"errors"
	"path"
	"strings"
	"sync"
	"time"

	"thothfs/dump"
	"thothfs/store"
)

// AnalyzersDir is the directory of the corpus that holds analyzers.
const AnalyzersDir = "analyzers"

// Files returns the objects of a dump's directory, info.json included, in byte
// order of their names. The list is at most Poll old (AttrTimeout when there is no
// poll), or as old as the store has been unavailable. The caller must not change it.
// A directory that is not there is store.ErrNotExist.
func (c *Corpus) Files(ctx context.Context, id dump.ID) ([]store.Entry, error) {
	return c.cachedList(ctx, id.String(), max(c.o.Poll, c.o.AttrTimeout))
}

// listTimeout bounds how long a list that is known waits for a newer one.
const listTimeout = time.Second

// FilesNow is Files, but the list is at most AttrTimeout old, unless the store does not
// answer within a second. The zero ID is for Analyzers.
func (c *Corpus) FilesNow(ctx context.Context, id dump.ID) ([]store.Entry, error) {
	dir := id.String()
	if id == (dump.ID{}) {
		dir = AnalyzersDir
	}
	return c.cachedList(ctx, dir, c.o.AttrTimeout)
}

// Analyzers returns the objects of analyzers/, as Files does. When the corpus has no
// such directory there are none.
func (c *Corpus) Analyzers(ctx context.Context) ([]store.Entry, error) {
	entries, err := c.cachedList(ctx, AnalyzersDir, max(c.o.Poll, c.o.AttrTimeout))
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

// DumpFile returns which of Files is the dump: the one that the document names,
// else the only one that can be meant. There is none (store.ErrNotExist) when it
// was purged.
func (c *Corpus) DumpFile(ctx context.Context, id dump.ID) (store.Entry, error) {
	entries, err := c.Files(ctx, id)
	if err != nil {
		return store.Entry{}, err
	}
	d, err := c.cat.dump(ctx, id)
	if err != nil {
		return store.Entry{}, err
	}
	named := ""
	if d != nil {
		named = d.Doc.String("dump")
	}
	if e, ok := pickDump(entries, named); ok {
		return e, nil
	}
	return store.Entry{}, notExist("stat", id.String()+"/core")
}

// Stale has the next Files ask the store: somebody met an object that is newer than
// the list. The zero ID is for Analyzers.
func (c *Corpus) Stale(id dump.ID) {
	if id == (dump.ID{}) {
		c.stale.add(AnalyzersDir)
		return
	}
	c.stale.add(id.String())
}

// staleLists are directories whose lists are too old, with how often that was said.
type staleLists struct {
	mu sync.Mutex // guards what follows
	n  int
	at map[string]int
}

func newStaleLists() *staleLists { return &staleLists{at: map[string]int{}} }

func (s *staleLists) add(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.at) >= maxRemembered {
		clear(s.at) // those lists are old after Poll all the same
	}
	s.n++
	s.at[dir] = s.n
}

// get returns a mark that is 0 when the list of dir is not too old.
func (s *staleLists) get(dir string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at[dir]
}

// drop says that the list is of after the mark.
func (s *staleLists) drop(dir string, mark int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at[dir] == mark {
		delete(s.at, dir)
	}
}

// pickDump picks the dump of a directory; named is the path in the document. Only a
// name that was listed is ever picked, so what a document says leads nowhere else.
func pickDump(entries []store.Entry, named string) (store.Entry, bool) {
	var others, likely []store.Entry
	base := path.Base(named)
	for _, e := range entries {
		switch {
		case e.Dir || e.Name == InfoName:
			continue
		case named != "" && e.Name == base:
			return e, true
		case strings.HasPrefix(e.Name, "."):
			continue
		}
		others = append(others, e)
		if looksLikeDump(e.Name) {
			likely = append(likely, e)
		}
	}
	switch {
	case len(likely) == 1:
		return likely[0], true
	case len(others) == 1:
		return others[0], true
	}
	return store.Entry{}, false
}

func looksLikeDump(name string) bool {
	for _, prefix := range []string{"core", "vmcore", "vmdump"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok && (rest == "" || rest[0] == '.') {
			return true
		}
	}
	return false
}

// cachedList lists a directory. The list is at most as old as oldest, or as the store has
// been unavailable.
func (c *Corpus) cachedList(ctx context.Context, dir string, oldest time.Duration) ([]store.Entry, error) {
	now, mark := c.now(), c.stale.get(dir)
	entries, at, err := c.cat.listing(ctx, dir)
	if err != nil {
		return nil, err
	}
	known := !at.IsZero()
	age := now.Sub(at)
	young := age >= 0 && age <= oldest && mark == 0
	if known && (young || c.availability.paused(now)) {
		return entries, nil
	}
	fresh, err := c.listSoon(ctx, dir, known, mark != 0)
	c.availability.record(c.now(), err, c.log)
	switch {
	case err == nil:
		if kerr := c.cat.setListing(ctx, dir, now, fresh); kerr != nil {
			c.log.Debug("the catalogue cannot be written", "error", kerr)
		}
		c.stale.drop(dir, mark)
		return fresh, nil
	case known && errors.Is(err, store.ErrUnavailable):
		return entries, nil
	case known && errors.Is(err, store.ErrNotExist):
		c.forgetListing(ctx, dir)
	}
	return nil, err
}

// listSoon is listDir. A list that is known, and not known to be wrong, is not worth more
// than a second of silence.
func (c *Corpus) listSoon(ctx context.Context, dir string, known, wrong bool) ([]store.Entry, error) {
	if known && !wrong {
		soon, cancel := context.WithTimeoutCause(ctx, listTimeout, errShortTimeout)
		defer cancel()
		ctx = soon
	}
	brief, cancel := c.availability.withShortTimeout(ctx, !known)
	defer cancel()
	entries, err := c.listDir(brief, dir)
	return entries, shortTimeoutError(brief, err)
}

func (c *Corpus) listDir(ctx context.Context, dir string) ([]store.Entry, error) {
	entries := []store.Entry{}
	for e, err := range c.store.List(ctx, dir, "") {
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// dropListing has the next Files of a dump ask the store, in this process and in those that
// share the catalogue: this process has stored an object beside the dump, or removed one.
func (c *Corpus) dropListing(ctx context.Context, id dump.ID) {
	c.Stale(id)
	c.forgetListing(ctx, id.String())
}

// forgetListing has the next look at a directory ask the store. Subscribers are told that the
// dump changed, if it is that of one.
func (c *Corpus) forgetListing(ctx context.Context, dir string) {
	var changes []Change
	err := c.cat.write(ctx, func(tx *sql.Tx) error {
		b := &batch{ctx: context.WithoutCancel(ctx), tx: tx, stmts: map[string]*sql.Stmt{}}
		if _, err := b.exec(`DELETE FROM listings WHERE dir = ?`, dir); err != nil {
			return err
		}
		id, err := dump.ParseID(dir)
		if err != nil {
			return nil
		}
		if d, _, err := b.old(id); err != nil || d == nil {
			return err
		} else {
			b.changes = []Change{{ID: id, Old: d, New: d}}
		}
		changes = b.changes
		return b.appendJournal(c.cat.writer)
	})
	if err != nil {
		c.log.Debug("the catalogue cannot be written", "error", err)
		return
	}
	if len(changes) > 0 {
		c.cat.ring()
		c.events.emit(changes...)
	}
}

// listing returns what a directory held, and when; the zero time when that is not
// known.
func (c *catalogue) listing(ctx context.Context, dir string) (entries []store.Entry, at time.Time, err error) {
	err = c.read(ctx, func(q querier) error {
		var ms int64
		var raw []byte
		err := q.QueryRowContext(ctx, `SELECT at, entries FROM listings WHERE dir = ?`, dir).Scan(&ms, &raw)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil && gob.NewDecoder(bytes.NewReader(raw)).Decode(&entries) == nil {
			at = time.UnixMilli(ms)
		}
		return err
	})
	return entries, at, err
}

func (c *catalogue) setListing(ctx context.Context, dir string, at time.Time, entries []store.Entry) error {
	var raw bytes.Buffer
	if err := gob.NewEncoder(&raw).Encode(entries); err != nil {
		return err
	}
	return c.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(context.WithoutCancel(ctx), `INSERT INTO listings (dir, at, entries) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET at = excluded.at, entries = excluded.entries`, dir, at.UnixMilli(), raw.Bytes())
		return err
	})
}
