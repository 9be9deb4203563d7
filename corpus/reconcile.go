package corpus

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"golang.org/x/sync/errgroup"

	"thothfs/corpus/catalog"
	"thothfs/corpus/changelog"
	"thothfs/dump"
	"thothfs/store"
)

// listCorpus updates the set of known directories if the corpus has changed, the last listing is
// too old, or force is set. It reports whether it did so. If there is a change log, a large corpus
// is not listed immediately after a change.
func (s *syncer) listCorpus(ctx context.Context, force, logged bool) (listed bool, err error) {
	began := s.now()
	attr, err := s.store.Stat(ctx, "")
	s.availability.record(s.now(), err, s.log)
	if errors.Is(err, store.ErrNotExist) {
		return true, s.corpusMissing(ctx, began, err)
	}
	if err != nil {
		return false, err
	}
	if !force {
		needed, err := s.listingNeeded(ctx, began, attr, logged)
		if err != nil || !needed {
			return false, err
		}
	}
	entries, err := s.mergeListing(ctx)
	if err != nil {
		return false, err
	}
	// A change immediately after the Stat may leave the version unchanged.
	if age := began.Sub(attr.ModTime); age.Abs() < 2*time.Second {
		attr.ETag = ""
	}
	return true, s.setListed(ctx, began, attr.ETag, entries)
}

func (s *syncer) setListed(ctx context.Context, at time.Time, etag string, entries int) error {
	return s.cat.Set(ctx, map[catalog.Key]string{catalog.RootTag: etag, catalog.EntryCount: fmt.Sprint(entries), catalog.Listed: catalog.Millis(at)})
}

// errEmptied returns the error for a corpus without any entries that used to have dumps. It is more
// likely that its file system is not mounted than that the corpus was cleared.
func (s *syncer) errEmptied(dumps int) error {
	return &store.Error{Op: "list", Kind: store.ErrUnavailable, Err: fmt.Errorf("the corpus is empty, but had %d dumps: is its file system mounted? (if it was cleared: remove %s)", dumps, s.cat.Path())}
}

// corpusMissing handles a corpus directory that does not exist. If no dumps are known, the corpus
// is taken to be empty. Otherwise it is more likely unreachable than removed, and err is returned.
func (s *syncer) corpusMissing(ctx context.Context, at time.Time, err error) error {
	some, cerr := s.cat.HasMoreThan(ctx, 0)
	if cerr != nil {
		return cerr
	}
	if some {
		return err
	}
	return s.setListed(ctx, at, "", 0)
}

func (s *syncer) listingNeeded(ctx context.Context, now time.Time, attr store.Attr, logged bool) (bool, error) {
	root, err := s.cat.Get(ctx, catalog.RootTag)
	if err != nil {
		return false, err
	}
	at, err := s.cat.GetTime(ctx, catalog.Listed)
	if err != nil || at.IsZero() {
		return true, err
	}
	entries, err := s.cat.GetInt(ctx, catalog.EntryCount)
	if err != nil {
		return false, err
	}
	age := now.Sub(at)
	polls := time.Duration(min(max(entries, 0), maxEntries) / entriesAPoll) // entries may come from a snapshot
	// The version is only a hint, so the corpus is listed from time to time in any case.
	if age < 0 || age >= s.pollEvery()*max(relistPolls, polls) {
		return true, nil
	}
	changed := attr.ETag == "" || root != attr.ETag
	return changed && (!logged || age >= s.pollEvery()*polls/changedShare), nil
}

const (
	// relistPolls is the number of polls after which a corpus is listed even if it seems unchanged.
	// For a large corpus, it is one poll for every entriesAPoll of its entries.
	relistPolls  = 20
	entriesAPoll = 1024
	maxEntries   = 4 << 20 // maximum number of entries counted for this
	// changedShare is the factor by which a changed corpus is listed more often than an unchanged
	// one if there is a change log, which contains most of the changes.
	changedShare = 10
)

// pollEvery returns the time between two polls.
func (s *syncer) pollEvery() time.Duration {
	if s.o.Poll == 0 {
		return 30 * time.Second
	}
	return s.o.Poll
}

// mergeListing compares the directories of the corpus with the catalogue. It queues new directories
// and directories whose version changed for reading, removes those that are gone once the listing
// is complete, and returns the number of entries.
func (s *syncer) mergeListing(ctx context.Context) (entries int, err error) {
	dumps, pending, err := s.cat.KnownDirs(ctx)
	if err != nil {
		return 0, err
	}
	m := listingMerge{dumps: dumps, pending: pending}
	last, more, err := s.mergeRange(ctx, &m, nameRange{}, serialListing)
	if err != nil {
		return 0, err
	}
	if m.entries == 0 && len(dumps) > 0 {
		return 0, s.errEmptied(len(dumps))
	}
	if !more {
		return m.entries, s.recordGone(ctx, m.rest())
	}
	missing := m.missing
	rest, n, err := s.mergeParts(ctx, &m, last)
	if err != nil {
		return 0, err
	}
	return m.entries + n, s.recordGone(ctx, append(missing, rest...))
}

const (
	// serialListing is the number of entries that are listed page by page. The rest are listed in
	// parts, concurrently.
	serialListing  = 4096
	listingsAtOnce = 8
)

// nameRange is the range of names starting at from and ending before to; an empty to means no end.
type nameRange struct{ from, to string }

// mergeParts is like mergeListing for the names after last, with one part for each first digit.
func (s *syncer) mergeParts(ctx context.Context, m *listingMerge, last string) (missing []dump.ID, entries int, err error) {
	const digits = "0123456789abcdef"
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(listingsAtOnce)
	parts := make([]listingMerge, len(digits))
	for i := range digits {
		names := nameRange{from: max(digits[i:i+1], last+"\x00"), to: "g"}
		if i+1 < len(digits) {
			names.to = digits[i+1 : i+2]
		}
		part := &parts[i]
		part.dumps, part.pending = inPart(m.dumps, i), inPart(m.pending, i)
		if names.from >= names.to {
			continue
		}
		group.Go(func() error {
			_, _, err := s.mergeRange(gctx, part, names, 0)
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

// inPart returns the directories whose hash begins with digit. all must be in hash order.
func inPart(all []catalog.KnownDir, digit int) []catalog.KnownDir {
	at := func(d int) int {
		return sort.Search(len(all), func(i int) bool { return int(all[i].ID[0]>>4) >= d })
	}
	return all[at(digit):at(digit+1)]
}

// mergeRange adds a range of the corpus to m. If limit is not 0, it stops after that many entries;
// it returns the last entry and whether there are more.
func (s *syncer) mergeRange(ctx context.Context, m *listingMerge, names nameRange, limit int) (last string, more bool, err error) {
	n := 0
	for e, err := range s.store.List(ctx, "", names.from) {
		if err != nil {
			s.availability.record(s.now(), err, s.log)
			return last, false, err
		}
		if names.to != "" && e.Name >= names.to {
			break
		}
		if n++; limit > 0 && n > limit {
			return last, true, s.cat.Enqueue(ctx, m.flush())
		}
		last = e.Name
		if m.entries++; m.entries%batchSize == 0 {
			s.availability.progress()
		}
		id, perr := dump.ParseID(e.Name)
		if perr != nil || !e.Dir {
			continue
		}
		m.add(id, e.ETag)
		if len(m.changes) >= batchSize {
			if err := s.cat.Enqueue(ctx, m.flush()); err != nil {
				return last, false, err
			}
		}
	}
	return last, false, s.cat.Enqueue(ctx, m.flush())
}

// recordGone removes directories that no longer exist from the catalogue.
func (s *syncer) recordGone(ctx context.Context, ids []dump.ID) error {
	at := s.now()
	for len(ids) > 0 {
		n := min(len(ids), batchSize)
		gone := make([]catalog.Observation, n)
		for i, id := range ids[:n] {
			gone[i] = catalog.Observation{ID: id, At: at, Kind: catalog.Gone}
		}
		if _, err := s.observe(ctx, gone); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// listingMerge compares a listing with the known directories. Both are in hash order.
type listingMerge struct {
	dumps, pending []catalog.KnownDir // not yet reached by the listing
	missing        []dump.ID          // passed by the listing without being listed
	changes        []catalog.DirChange
	entries        int // number of entries listed so far
}

func (m *listingMerge) add(id dump.ID, etag string) {
	tag := changelog.Tag(etag)
	isDump, old := m.advance(&m.dumps, id)
	isPending, oldPending := m.advance(&m.pending, id)
	switch {
	case isDump && tag != old:
		m.changes = append(m.changes, catalog.DirChange{ID: id, Tag: etag, IsDump: true, First: old == 0})
	case !isDump && (!isPending || tag != oldPending):
		m.changes = append(m.changes, catalog.DirChange{ID: id, Tag: etag})
	}
}

// advance removes the directories up to and including id from list and reports whether id was among
// them. The others are missing.
func (m *listingMerge) advance(list *[]catalog.KnownDir, id dump.ID) (found bool, tag uint64) {
	for len(*list) > 0 {
		head := (*list)[0]
		switch catalog.CompareIDs(head.ID, id) {
		case 1:
			return false, 0
		case 0:
			*list = (*list)[1:]
			return true, head.Tag
		}
		m.missing = append(m.missing, head.ID)
		*list = (*list)[1:]
	}
	return false, 0
}

func (m *listingMerge) flush() []catalog.DirChange {
	changes := m.changes
	m.changes = nil
	return changes
}

// rest returns all missing directories. The listing must be complete.
func (m *listingMerge) rest() []dump.ID {
	for _, list := range [][]catalog.KnownDir{m.dumps, m.pending} {
		for _, d := range list {
			m.missing = append(m.missing, d.ID)
		}
	}
	return m.missing
}
