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

// listCorpus updates the set of known directories if the corpus changed, if the last listing
// is too old, or if force is set. It reports whether it did. If there is a change log, a large
// corpus that changed is not listed at once.
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
	// A change in the moment after the Stat may leave the version as it is.
	if age := began.Sub(attr.ModTime); age.Abs() < 2*time.Second {
		attr.ETag = ""
	}
	return true, s.setListed(ctx, began, attr.ETag, entries)
}

func (s *syncer) setListed(ctx context.Context, at time.Time, etag string, entries int) error {
	return s.cat.Set(ctx, map[catalog.Key]string{catalog.RootTag: etag, catalog.EntryCount: fmt.Sprint(entries), catalog.Listed: catalog.Millis(at)})
}

// errEmptied is the error of a corpus that has no entry at all, although it had dumps. More
// likely its file system is not mounted than that it was cleared.
func (s *syncer) errEmptied(dumps int) error {
	return &store.Error{Op: "list", Kind: store.ErrUnavailable, Err: fmt.Errorf("the corpus is empty, but had %d dumps: is its file system mounted? (if it was cleared: remove %s)", dumps, s.cat.Path())}
}

// corpusMissing handles a corpus directory that does not exist. A corpus without known dumps
// is empty. Otherwise it is more likely out of reach than removed, and err is returned.
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
	polls := time.Duration(min(max(entries, 0), maxEntries) / entriesAPoll) // it may come from a snapshot
	// The version is only a hint: the corpus is listed now and then in any case.
	if age < 0 || age >= s.pollEvery()*max(relistPolls, polls) {
		return true, nil
	}
	changed := attr.ETag == "" || root != attr.ETag
	return changed && (!logged || age >= s.pollEvery()*polls/changedShare), nil
}

const (
	// relistPolls is the number of polls after which a corpus is listed although it seems
	// unchanged; for a large one, a poll for every entriesAPoll of its entries.
	relistPolls  = 20
	entriesAPoll = 1024
	maxEntries   = 4 << 20 // that count for this
	// changedShare is how much more often a corpus is listed that did change, if the change
	// log has most of the changes.
	changedShare = 10
)

// pollEvery is the time between two polls.
func (s *syncer) pollEvery() time.Duration {
	if s.o.Poll == 0 {
		return 30 * time.Second
	}
	return s.o.Poll
}

// mergeListing compares the directories of the corpus with the catalogue. New ones are read
// soon, and so are those whose version changed. Those that are gone are removed once the
// listing is complete. mergeListing returns the number of entries.
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
	// serialListing is how many entries are listed one page after the other. Further ones are
	// listed in parts, at the same time.
	serialListing  = 4096
	listingsAtOnce = 8
)

// nameRange is the names from one on and before another; "" is the end.
type nameRange struct{ from, to string }

// mergeParts does what mergeListing does for the names after last, a part for each first
// digit.
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

// inPart returns the directories whose hash begins with a digit. all is in the order of the
// hashes.
func inPart(all []catalog.KnownDir, digit int) []catalog.KnownDir {
	at := func(d int) int {
		return sort.Search(len(all), func(i int) bool { return int(all[i].ID[0]>>4) >= d })
	}
	return all[at(digit):at(digit+1)]
}

// mergeRange adds a range of the corpus to m. With a limit it stops after that many entries,
// and returns whether there are more and which was the last.
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

// recordGone removes directories that are gone from the catalogue.
func (s *syncer) recordGone(ctx context.Context, ids []dump.ID) error {
	at := s.now()
	for len(ids) > 0 {
		n := min(len(ids), batchSize)
		gone := make([]catalog.Observation, n)
		for i, id := range ids[:n] {
			gone[i] = catalog.Observation{ID: id, At: at, Kind: catalog.Gone}
		}
		changes, err := s.cat.Record(ctx, gone)
		if err != nil {
			return err
		}
		s.publish(changes)
		ids = ids[n:]
	}
	return nil
}

// listingMerge compares a listing with what is known. Both are in the order of the hashes.
type listingMerge struct {
	dumps, pending []catalog.KnownDir // those that the listing has not reached
	missing        []dump.ID          // those that it passed without listing them
	changes        []catalog.DirChange
	entries        int // of the listing so far
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

// advance removes the directories up to id from list, and reports whether id is one. The others
// are missing.
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

// rest returns the directories that the listing, which is complete, did not have.
func (m *listingMerge) rest() []dump.ID {
	for _, list := range [][]catalog.KnownDir{m.dumps, m.pending} {
		for _, d := range list {
			m.missing = append(m.missing, d.ID)
		}
	}
	return m.missing
}
