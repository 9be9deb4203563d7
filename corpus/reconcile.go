package corpus

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sort"
	"time"

	"golang.org/x/sync/errgroup"

	"thothfs/corpus/changelog"
	"thothfs/dump"
	"thothfs/store"
)

// Keys of meta.
const (
	metaRoot     = "root"     // version of the corpus directory when it was listed
	metaListed   = "listed"   // when that was, in milliseconds
	metaEntries  = "entries"  // how many it had
	metaAsOf     = "asof"     // when it was last up to date, in milliseconds
	metaComplete = "complete" // not empty once everything was read
)

// smallCorpus is up to how many dumps Sync lists without asking whether it must: that
// is hardly more than the question.
const smallCorpus = 2048

// listCorpus brings the set of known directories up to date, if the corpus changed, the
// last listing is too old, or force says so. It returns whether it did. Where there is a
// change log, a large corpus that changed is not listed at once.
func (c *Corpus) listCorpus(ctx context.Context, force, logged bool) (listed bool, err error) {
	began := c.now()
	attr, err := c.store.Stat(ctx, "")
	c.availability.record(c.now(), err, c.log)
	if errors.Is(err, store.ErrNotExist) {
		return true, c.corpusMissing(ctx, began, err)
	}
	if err != nil {
		return false, err
	}
	if !force {
		needed, err := c.listingNeeded(ctx, began, attr, logged)
		if err != nil || !needed {
			return false, err
		}
	}
	entries, err := c.mergeListing(ctx)
	if err != nil {
		return false, err
	}
	// What happens to a directory in the moment after it was looked at may leave
	// its version as it is.
	if age := began.Sub(attr.ModTime); age.Abs() < 2*time.Second {
		attr.ETag = ""
	}
	return true, c.listed(ctx, began, attr.ETag, entries)
}

func (c *Corpus) listed(ctx context.Context, at time.Time, etag string, entries int) error {
	return c.cat.write(ctx, func(tx *sql.Tx) error {
		if err := setMetaIn(ctx, tx, metaRoot, etag); err != nil {
			return err
		}
		if err := setMetaIn(ctx, tx, metaEntries, fmt.Sprint(entries)); err != nil {
			return err
		}
		return setMetaIn(ctx, tx, metaListed, fmt.Sprint(at.UnixMilli()))
	})
}

// errEmptied is the error of a corpus that has no entry at all, although it had dumps. It is
// more likely a file system that is not mounted than a corpus that was cleared.
func (c *Corpus) errEmptied(dumps int) error {
	return &store.Error{Op: "list", Kind: store.ErrUnavailable, Err: fmt.Errorf("the corpus is empty, but had %d dumps: is its file system mounted? (if it was cleared: remove %s)", dumps, c.cat.filePath())}
}

// corpusMissing is what becomes of a corpus directory that does not exist. One that was
// never seen is empty. One that was is more likely out of reach than removed.
func (c *Corpus) corpusMissing(ctx context.Context, at time.Time, err error) error {
	some, cerr := c.hasMoreThan(ctx, 0)
	if cerr != nil {
		return cerr
	}
	if some {
		return err
	}
	return c.listed(ctx, at, "", 0)
}

// hasMoreThan tells whether more than n dumps are known.
func (c *Corpus) hasMoreThan(ctx context.Context, n int) (more bool, err error) {
	err = c.cat.read(ctx, func(q querier) error {
		return q.QueryRowContext(ctx, `SELECT count(*) > ? FROM (SELECT 1 FROM dumps LIMIT ?)`, n, n+1).Scan(&more)
	})
	return more, err
}

func (c *Corpus) listingNeeded(ctx context.Context, now time.Time, attr store.Attr, logged bool) (bool, error) {
	root, err := c.cat.meta(ctx, metaRoot)
	if err != nil {
		return false, err
	}
	at, err := c.lastListing(ctx)
	if err != nil || at.IsZero() {
		return true, err
	}
	entries, err := c.number(ctx, metaEntries)
	if err != nil {
		return false, err
	}
	age := now.Sub(at)
	polls := time.Duration(min(max(entries, 0), maxEntries) / entriesAPoll) // it may come from a snapshot
	// The version is only a signal: list now and then in any case.
	if age < 0 || age >= c.pollEvery()*max(relistPolls, polls) {
		return true, nil
	}
	changed := attr.ETag == "" || root != attr.ETag
	return changed && (!logged || age >= c.pollEvery()*polls/changedShare), nil
}

const (
	// relistPolls is after how many polls a corpus is listed though it seems as it was, and
	// entriesAPoll how many entries are listed for each poll, on average, if that is less.
	relistPolls  = 20
	entriesAPoll = 1024
	maxEntries   = 4 << 20 // as are counted for that
	// changedShare is how much more often a corpus is listed that did change, and whose
	// change log tells of most that did.
	changedShare = 10
)

// pollEvery is how much time lies between two polls.
func (c *Corpus) pollEvery() time.Duration {
	if c.o.Poll == 0 {
		return 30 * time.Second
	}
	return c.o.Poll
}

// lastListing is when the corpus was last listed to the end; zero: never.
func (c *Corpus) lastListing(ctx context.Context) (time.Time, error) {
	ms, err := c.number(ctx, metaListed)
	if err != nil || ms == 0 {
		return time.Time{}, err
	}
	return time.UnixMilli(ms), nil
}

// number is a note that is a number; 0 when there is none.
func (c *Corpus) number(ctx context.Context, key string) (n int64, err error) {
	text, err := c.cat.meta(ctx, key)
	fmt.Sscan(text, &n)
	return n, err
}

// knownDir is a known directory in a comparison with a listing.
type knownDir struct {
	id  dump.ID
	tag uint64 // of its version; 0 none
}

// mergeListing lists the corpus beside what is known. Directories that are new become
// pending; those whose version changed are looked at soon; dumps that are gone go,
// once the listing has ended well. It returns how many entries there are.
func (c *Corpus) mergeListing(ctx context.Context) (entries int, err error) {
	dumps, err := c.cat.knownDirs(ctx, "dumps")
	if err != nil {
		return 0, err
	}
	pending, err := c.cat.knownDirs(ctx, "pending")
	if err != nil {
		return 0, err
	}
	m := listingMerge{dumps: dumps, pending: pending}
	last, more, err := c.mergeRange(ctx, &m, nameRange{}, serialListing)
	if err != nil {
		return 0, err
	}
	if m.entries == 0 && len(dumps) > 0 {
		return 0, c.errEmptied(len(dumps))
	}
	if !more {
		return m.entries, c.recordGone(ctx, m.rest())
	}
	missing := m.missing
	rest, n, err := c.mergeParts(ctx, &m, last)
	if err != nil {
		return 0, err
	}
	return m.entries + n, c.recordGone(ctx, append(missing, rest...))
}

const (
	// serialListing is how many entries are listed one page after the other; what is
	// behind them is listed in parts, side by side.
	serialListing  = 4096
	listingsAtOnce = 8
)

// nameRange is the names from one on and before another; "" is the end.
type nameRange struct{ from, to string }

// mergeParts compares what lies behind a name, a part for each first digit.
func (c *Corpus) mergeParts(ctx context.Context, m *listingMerge, last string) (missing []dump.ID, entries int, err error) {
	const digits = "0123456789abcdef"
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(listingsAtOnce)
	parts := make([]listingMerge, len(digits))
	for i := range digits {
		s := nameRange{from: max(digits[i:i+1], last+"\x00"), to: "g"}
		if i+1 < len(digits) {
			s.to = digits[i+1 : i+2]
		}
		part := &parts[i]
		part.dumps, part.pending = inPart(m.dumps, i), inPart(m.pending, i)
		if s.from >= s.to {
			continue
		}
		group.Go(func() error {
			_, _, err := c.mergeRange(gctx, part, s, 0)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, 0, err
	}
	for i := range parts {
		missing = append(missing, parts[i].rest()...)
		entries += parts[i].entries
	}
	return missing, entries, nil
}

// inPart returns the places whose hash begins with a digit; they are in the order of the
// hashes.
func inPart(all []knownDir, digit int) []knownDir {
	at := func(d int) int {
		return sort.Search(len(all), func(i int) bool { return int(all[i].id[0]>>4) >= d })
	}
	return all[at(digit):at(digit+1)]
}

// mergeRange lists a range of the corpus beside m. With a limit it stops after so many
// entries, and says so, and what the last of them was.
func (c *Corpus) mergeRange(ctx context.Context, m *listingMerge, s nameRange, limit int) (last string, more bool, err error) {
	n := 0
	for e, err := range c.store.List(ctx, "", s.from) {
		if err != nil {
			c.availability.record(c.now(), err, c.log)
			return last, false, err
		}
		if s.to != "" && e.Name >= s.to {
			break
		}
		if n++; limit > 0 && n > limit {
			return last, true, c.cat.enqueue(ctx, m.flush())
		}
		last = e.Name
		if m.entries++; m.entries%batchSize == 0 {
			c.availability.progress()
		}
		id, perr := dump.ParseID(e.Name)
		if perr != nil || !e.Dir {
			continue
		}
		m.add(id, e.ETag)
		if len(m.news) >= batchSize {
			if err := c.cat.enqueue(ctx, m.flush()); err != nil {
				return last, false, err
			}
		}
	}
	return last, false, c.cat.enqueue(ctx, m.flush())
}

// recordGone takes directories that are gone out of the catalogue.
func (c *Corpus) recordGone(ctx context.Context, ids []dump.ID) error {
	at := c.now()
	for len(ids) > 0 {
		n := min(len(ids), batchSize)
		findings := make([]observation, n)
		for i, id := range ids[:n] {
			findings[i] = observation{id: id, at: at, kind: gone}
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

// dirChange is a directory to look into.
type dirChange struct {
	id    dump.ID
	tag   string
	known bool // as a dump
	first bool // the version was not known before: nothing changed, as far as is known
}

// listingMerge walks a listing and what is known side by side: both are in the order of the
// hashes.
type listingMerge struct {
	dumps, pending []knownDir
	missing        []dump.ID
	news           []dirChange
	entries        int // of the listing so far
}

func (m *listingMerge) add(id dump.ID, etag string) {
	tag := changelog.Tag(etag)
	isDump, old := m.advance(&m.dumps, id)
	isPending, oldPending := m.advance(&m.pending, id)
	switch {
	case isDump && tag != old:
		m.news = append(m.news, dirChange{id: id, tag: etag, known: true, first: old == 0})
	case !isDump && (!isPending || tag != oldPending):
		m.news = append(m.news, dirChange{id: id, tag: etag})
	}
}

// advance walks a list up to id and tells whether it holds it; what it passes is missing.
func (m *listingMerge) advance(list *[]knownDir, id dump.ID) (found bool, tag uint64) {
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

func (m *listingMerge) flush() []dirChange {
	n := m.news
	m.news = nil
	return n
}

// rest returns what the listing, which is over, did not have.
func (m *listingMerge) rest() []dump.ID {
	for _, list := range [][]knownDir{m.dumps, m.pending} {
		for _, p := range list {
			m.missing = append(m.missing, p.id)
		}
	}
	return m.missing
}
