package corpus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"thothfs/corpus/changelog"
	"thothfs/store"
)

// syncOptions says how far one reconciliation goes.
type syncOptions struct {
	list          bool      // list the corpus even if it seems not to have changed
	due           time.Time // look again at unfinished uploads whose time comes by then
	maxUnfinished int       // at most so many
	before        time.Time // look again at dumps that nobody looked at since then
	maxStale      int       // at most so many,
	fewStale      int       // but so many if that is not all of them
	// At most so many where there is a change log, but for those whose changes it may not
	// tell of any more; 0: as many as else. It never tells of what the original writes.
	staleIfLogged int
	hasLog        bool // there is a change log
	marksCurrent  bool // once what is new has been read, the catalogue is up to date
}

// Sync reconciles the catalogue with the store: it finds the dumps that are new and
// those that are gone, reads the documents that were never read and those whose
// directory is known to have changed, and asks for the current version of others, the
// longest neglected first, up to [MaxAsked] (see Unasked). While it goes on the catalogue
// can be used and fills. Interrupted, it keeps what it has, and the next one goes on from there.
//
// progress, if not nil, is called from time to time, from this goroutine, with the
// number of documents dealt with. Documents that the store does not let us read do
// not fail a Sync; they are looked at again later.
func (c *Corpus) Sync(ctx context.Context, progress func(done, total int)) error {
	large, err := c.hasMoreThan(ctx, smallCorpus)
	if err != nil {
		return err
	}
	now := c.now()
	return c.reconcile(ctx, syncOptions{
		list: !large,
		due:  now.Add(24 * time.Hour), maxUnfinished: 1024,
		before: now.Add(-c.o.AttrTimeout), maxStale: MaxAsked, fewStale: FewAsked, staleIfLogged: FewAsked,
	}, progress)
}

// One Sync asks the store again for MaxAsked documents that are known, if that is all that
// are stale; else for FewAsked of them, as where there is a change log: nobody should wait
// for a small part of the corpus.
const (
	MaxAsked = 8192
	FewAsked = 256
)

// Unasked is how many documents the catalogue shows as they were at since or before,
// because nobody asked the store for them after that.
func (c *Corpus) Unasked(ctx context.Context, since time.Time) (int, error) {
	return c.cat.staleCount(ctx, since)
}

// Verify is Sync, but asks the store for every document.
func (c *Corpus) Verify(ctx context.Context, progress func(done, total int)) error {
	now := c.now()
	r := syncOptions{list: true, due: now.Add(24 * time.Hour), maxUnfinished: math.MaxInt32, before: now, maxStale: MaxAsked, fewStale: MaxAsked}
	for {
		if err := c.reconcile(ctx, r, progress); err != nil {
			return err
		}
		left, err := c.cat.staleCount(ctx, now)
		if err != nil || left == 0 {
			return err
		}
		r.list, r.maxUnfinished = false, 0
	}
}

// poll is the reconciliation that goes on all the time: it asks a single question
// when nothing has changed and nothing is due.
func (c *Corpus) poll(ctx context.Context) error {
	now := c.now()
	return c.reconcile(ctx, syncOptions{due: now, maxUnfinished: 256, before: now.Add(-c.o.Revalidate), maxStale: 128, fewStale: 128, staleIfLogged: 1}, nil)
}

func (c *Corpus) reconcile(ctx context.Context, r syncOptions, progress func(done, total int)) error {
	return c.exclusively(ctx, func() error { return c.reconcileLocked(ctx, r, progress) })
}

func (c *Corpus) reconcileLocked(ctx context.Context, r syncOptions, progress func(done, total int)) error {
	if progress == nil {
		progress = func(int, int) {}
	}
	if err := c.cat.reopenReplaced(ctx); err != nil {
		return err
	}
	if err := c.readJournal(ctx); err != nil {
		return err
	}
	for tries := 3; ; tries-- {
		resets := c.cat.resetCount()
		err := c.listAndRead(ctx, r, progress)
		if c.cat.resetCount() == resets {
			if ctx.Err() == nil {
				c.state.setCurrent() // as far as it can be
			}
			return err
		}
		// It was rebuilt under way, and what was noted before is gone.
		if tries == 1 || ctx.Err() != nil {
			return errors.Join(errRebuilt, err)
		}
		if err := c.readJournal(ctx); err != nil {
			return err
		}
		r.list = true
	}
}

// listAndRead is one reconciliation. What the change log tells of comes first: listing a
// large corpus takes a while.
func (c *Corpus) listAndRead(ctx context.Context, r syncOptions, progress func(done, total int)) error {
	logged, err := c.readLogged(ctx, r, progress)
	if err != nil {
		return err
	}
	listed, err := c.listCorpus(ctx, r.list, logged)
	if err != nil {
		return err
	}
	if listed {
		logged = c.followLog(ctx, true)
	}
	r.hasLog, r.marksCurrent = logged && r.staleIfLogged > 0, true
	return c.readAll(ctx, r, progress)
}

// readLogged reads what the change log tells of, and returns whether there is one. Of a
// corpus that was never listed the log says little.
func (c *Corpus) readLogged(ctx context.Context, r syncOptions, progress func(done, total int)) (logged bool, err error) {
	at, err := c.lastListing(ctx)
	if err != nil || at.IsZero() {
		return false, err
	}
	logged, err = c.logReader.Read(ctx, false)
	if errors.Is(err, store.ErrUnavailable) { // nor is anything else to be had
		c.availability.record(c.now(), err, c.log)
		return false, err
	}
	if err != nil || !logged {
		return false, ctx.Err()
	}
	r.maxStale, r.maxUnfinished = 0, 0
	return true, c.readAll(ctx, r, progress)
}

// markCurrent notes that everything that is new has been read.
func (c *Corpus) markCurrent(ctx context.Context) error {
	if !c.Synced() {
		complete, err := c.cat.markComplete(ctx)
		if err != nil || !complete || c.cat.resetCount() != c.state.resetCount() {
			return err
		}
		c.state.setComplete()
	}
	c.state.setCurrent()
	if last := c.asOf.Swap(c.now().UnixMilli()); c.now().UnixMilli()-last < noteAsOf.Milliseconds() {
		c.asOf.Store(last)
		return nil
	}
	return c.cat.setMeta(ctx, metaAsOf, fmt.Sprint(c.now().UnixMilli()))
}

// noteAsOf is how often it is noted that the catalogue is up to date.
const noteAsOf = 30 * time.Second

// AsOf returns when the catalogue was last up to date; zero: not known.
func (c *Corpus) AsOf(ctx context.Context) (time.Time, error) {
	ms, err := c.number(ctx, metaAsOf)
	if err != nil || ms == 0 {
		return c.lastListing(ctx)
	}
	return time.UnixMilli(ms), nil
}

// pageSize is how many tasks are held in memory at once.
const pageSize = 8192

// readAll reads the documents of a round: first those that are new, or said to be.
func (c *Corpus) readAll(ctx context.Context, r syncOptions, progress func(done, total int)) error {
	unseen, err := c.cat.newTaskCount(ctx)
	if err != nil {
		return err
	}
	flagged, err := c.cat.changedTasks(ctx)
	if err != nil {
		return err
	}
	more, err := c.moreTasks(ctx, r)
	if err != nil {
		return err
	}
	rd := &fetchRun{c: c, total: unseen + len(flagged) + len(more), progress: progress}
	rd.report()
	if err := c.readUnseen(ctx, rd); err != nil {
		return err
	}
	if err := rd.run(ctx, flagged); err != nil {
		return err
	}
	if r.marksCurrent {
		c.state.setMissing(rd.missing)
		if err := c.markCurrent(ctx); err != nil {
			return err
		}
	}
	if err := rd.run(ctx, more); err != nil {
		return err
	}
	return rd.summarize()
}

// readUnseen reads the documents that were never read. Those that the store would not give
// while it gave others are asked for once more: what fails then is the fault of the object.
func (c *Corpus) readUnseen(ctx context.Context, rd *fetchRun) error {
	if err := c.readPages(ctx, rd); err != nil || rd.deferred == 0 || rd.succeeded == 0 {
		return err
	}
	if _, err := c.store.Stat(ctx, ""); err != nil {
		return err
	}
	rd.total, rd.deferred, rd.lastTry = rd.total+rd.deferred, 0, true
	defer func() { rd.lastTry = false }()
	return c.readPages(ctx, rd)
}

func (c *Corpus) readPages(ctx context.Context, rd *fetchRun) error {
	for after := []byte(nil); ; {
		page, err := c.cat.newTasks(ctx, after, pageSize)
		if err != nil || len(page) == 0 {
			return err
		}
		if err := rd.run(ctx, page); err != nil {
			return err
		}
		after = page[len(page)-1].id[:]
	}
}

// moreTasks returns what is to be looked at again, though nothing says that it changed.
func (c *Corpus) moreTasks(ctx context.Context, r syncOptions) ([]task, error) {
	unfinished, err := c.cat.unfinishedTasks(ctx, r.due, r.maxUnfinished)
	if err != nil {
		return nil, err
	}
	aged, err := c.agedTasks(ctx, r)
	return append(unfinished, aged...), err
}

// agedTasks returns the dumps that nobody looked at for long.
func (c *Corpus) agedTasks(ctx context.Context, r syncOptions) ([]task, error) {
	if r.maxStale == 0 {
		return nil, nil
	}
	if !r.hasLog {
		return c.allOrFew(ctx, r, r.before)
	}
	untold, err := c.allOrFew(ctx, r, c.now().Add(-changelog.Retention))
	if err != nil || len(untold) > 0 {
		return untold, err
	}
	return c.cat.staleTasks(ctx, r.before, r.staleIfLogged)
}

// allOrFew returns the dumps that nobody looked at since before.
func (c *Corpus) allOrFew(ctx context.Context, r syncOptions, before time.Time) ([]task, error) {
	all, err := c.cat.staleTasks(ctx, before, r.maxStale+1)
	if err == nil && len(all) > r.maxStale {
		all = all[:r.fewStale]
	}
	return all, err
}
