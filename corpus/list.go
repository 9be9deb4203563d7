package corpus

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"

	"thothfs/dump"
	"thothfs/store"
)

// Keys of meta.
const (
	metaRoot     = "root"     // version of the corpus directory when it was listed
	metaListed   = "listed"   // when that was, in milliseconds
	metaComplete = "complete" // not empty once everything was read
)

// smallCorpus is up to how many dumps Sync lists without asking whether it must: that
// is hardly more than the question.
const smallCorpus = 2048

// list brings the set of known directories up to date, if the corpus changed, the
// last listing is too old, or force says so. It returns whether it did.
func (c *Corpus) list(ctx context.Context, force bool) (listed bool, err error) {
	began := c.now()
	attr, err := c.store.Stat(ctx, "")
	c.outage.note(c.now(), err, c.log)
	if errors.Is(err, store.ErrNotExist) {
		return true, c.noCorpus(ctx, began, err)
	}
	if err != nil {
		return false, err
	}
	if !force {
		needed, err := c.listingNeeded(ctx, began, attr)
		if err != nil || !needed {
			return false, err
		}
	}
	if err := c.compare(ctx); err != nil {
		return false, err
	}
	// What happens to a directory in the moment after it was looked at may leave
	// its version as it is.
	if age := began.Sub(attr.ModTime); age.Abs() < 2*time.Second {
		attr.ETag = ""
	}
	return true, c.listed(ctx, began, attr.ETag)
}

func (c *Corpus) listed(ctx context.Context, at time.Time, etag string) error {
	return c.cat.write(ctx, func(tx *sql.Tx) error {
		if err := setMeta(ctx, tx, metaRoot, etag); err != nil {
			return err
		}
		return setMeta(ctx, tx, metaListed, fmt.Sprint(at.UnixMilli()))
	})
}

// noCorpus is what becomes of a corpus directory that does not exist. One that was
// never seen is empty. One that was is more likely out of reach than removed.
func (c *Corpus) noCorpus(ctx context.Context, at time.Time, err error) error {
	some, cerr := c.moreThan(ctx, 0)
	if cerr != nil {
		return cerr
	}
	if some {
		return err
	}
	return c.listed(ctx, at, "")
}

// moreThan tells whether more than n dumps are known.
func (c *Corpus) moreThan(ctx context.Context, n int) (more bool, err error) {
	err = c.cat.read(ctx, func(q querier) error {
		return q.QueryRowContext(ctx, `SELECT count(*) > ? FROM (SELECT 1 FROM dumps LIMIT ?)`, n, n+1).Scan(&more)
	})
	return more, err
}

func (c *Corpus) listingNeeded(ctx context.Context, now time.Time, attr store.Attr) (bool, error) {
	root, err := c.cat.meta(ctx, metaRoot)
	if err != nil {
		return false, err
	}
	text, err := c.cat.meta(ctx, metaListed)
	if err != nil {
		return false, err
	}
	var ms int64
	fmt.Sscan(text, &ms) // 0 when there is none
	age := now.Sub(time.UnixMilli(ms))
	// The version is only a signal: list every twentieth time in any case.
	return attr.ETag == "" || root != attr.ETag || age < 0 || age >= c.relist(), nil
}

func (c *Corpus) relist() time.Duration {
	if c.o.Poll == 0 {
		return 10 * time.Minute
	}
	return 20 * c.o.Poll
}

// place is a known directory in a comparison with a listing.
type place struct {
	id  dump.ID
	tag uint64 // of its version; 0 none
}

// compare lists the corpus beside what is known. Directories that are new become
// pending; those whose version changed are looked at soon; dumps that are gone go,
// once the listing has ended well.
func (c *Corpus) compare(ctx context.Context) error {
	dumps, err := c.cat.places(ctx, "dumps")
	if err != nil {
		return err
	}
	pending, err := c.cat.places(ctx, "pending")
	if err != nil {
		return err
	}
	m := merge{dumps: dumps, pending: pending}
	for e, err := range c.store.List(ctx, "", "") {
		if err != nil {
			c.outage.note(c.now(), err, c.log)
			return err
		}
		id, perr := dump.ParseID(e.Name)
		if perr != nil || !e.Dir {
			continue
		}
		m.take(id, e.ETag)
		if len(m.news) >= batchSize {
			if err := c.cat.await(ctx, m.flush()); err != nil {
				return err
			}
		}
	}
	if err := c.cat.await(ctx, m.flush()); err != nil {
		return err
	}
	return c.drop(ctx, m.rest())
}

// drop takes directories that are gone out of the catalogue.
func (c *Corpus) drop(ctx context.Context, ids []dump.ID) error {
	at := c.now()
	for len(ids) > 0 {
		n := min(len(ids), batchSize)
		findings := make([]finding, n)
		for i, id := range ids[:n] {
			findings[i] = finding{id: id, at: at, kind: gone}
		}
		changes, err := c.cat.record(ctx, findings)
		if err != nil {
			return err
		}
		c.events.emit(changes...)
		ids = ids[n:]
	}
	return nil
}

// news is a directory to look into.
type news struct {
	id    dump.ID
	tag   string
	known bool // as a dump
	first bool // the version was not known before: nothing changed, as far as is known
}

// merge walks a listing and what is known side by side: both are in the order of the
// hashes.
type merge struct {
	dumps, pending []place
	missing        []dump.ID
	news           []news
}

func (m *merge) take(id dump.ID, etag string) {
	tag := hashTag(etag)
	isDump, old := m.advance(&m.dumps, id)
	isPending, oldPending := m.advance(&m.pending, id)
	switch {
	case isDump && tag != old:
		m.news = append(m.news, news{id: id, tag: etag, known: true, first: old == 0})
	case !isDump && (!isPending || tag != oldPending):
		m.news = append(m.news, news{id: id, tag: etag})
	}
}

// advance walks a list up to id and tells whether it holds it; what it passes is missing.
func (m *merge) advance(list *[]place, id dump.ID) (found bool, tag uint64) {
	for len(*list) > 0 {
		head := (*list)[0]
		switch compareIDs(head.id, id) {
		case 1:
			return false, 0
		case 0:
			*list = (*list)[1:]
			return true, head.tag
		}
		m.missing = append(m.missing, head.id)
		*list = (*list)[1:]
	}
	return false, 0
}

func (m *merge) flush() []news {
	n := m.news
	m.news = nil
	return n
}

// rest returns what the listing, which is over, did not have.
func (m *merge) rest() []dump.ID {
	for _, list := range [][]place{m.dumps, m.pending} {
		for _, p := range list {
			m.missing = append(m.missing, p.id)
		}
	}
	return m.missing
}

func hashTag(etag string) uint64 {
	if etag == "" {
		return 0
	}
	return xxhash.Sum64String(etag)
}
