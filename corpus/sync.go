package corpus

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"thothfs/corpus/catalog"
	"thothfs/corpus/changelog"
	"thothfs/store"
)

// syncer keeps the catalogue of a corpus up to date.
type syncer struct {
	*base
	state     *syncState
	asOf      atomic.Int64        // when catalog.AsOf was last written, in milliseconds
	syncing   *semaphore.Weighted // held during a reconciliation
	logReader changelog.Reader

	wholeMu   sync.Mutex     // guards wholeRun
	wholeRun  *wholeRun      // in progress; nil: none
	wholeRuns sync.WaitGroup // those that have not ended

	journalMu   sync.Mutex // guards what follows; held while changes of other processes are published
	journalSeen int64
	rebuilds    int // of the catalogue whose journal that is
}

func newSyncer(c *base) *syncer {
	return &syncer{base: c, state: newSyncState(), syncing: semaphore.NewWeighted(1),
		logReader: changelog.Reader{Store: c.store, State: c.cat, Now: func() time.Time { return c.now() }}}
}

// syncOptions say how much one reconciliation does.
type syncOptions struct {
	list          bool      // list the corpus even if it seems unchanged
	due           time.Time // try unfinished uploads that are due by then
	maxUnfinished int       // at most this many
	before        time.Time // check dumps that were last checked by then
	maxStale      int       // at most this many,
	fewStale      int       // but this many if there are more
	// staleIfLogged replaces maxStale if there is a change log, for dumps whose changes it
	// still has; 0: it does not. The log has no changes by the original Thoth.
	staleIfLogged int
	hasLog        bool // there is a change log
	marksCurrent  bool // the catalogue is up to date once what is new was read
}

// Sync reconciles the catalogue with the store: it finds new dumps and those that are gone,
// reads documents that were never read and those whose directory changed, and checks up to
// [MaxAsked] others, the longest unchecked first (see Unasked). The catalogue can be used
// meanwhile. After an interruption the next Sync continues.
//
// progress, if not nil, is called from time to time, from this goroutine, with the number of
// documents that were read. Documents that cannot be read do not fail a Sync; they are tried
// again later.
func (s *syncer) Sync(ctx context.Context, progress func(done, total int)) error {
	large, err := s.cat.HasMoreThan(ctx, smallCorpus)
	if err != nil {
		return err
	}
	now := s.now()
	return s.reconcile(ctx, syncOptions{
		list: !large,
		due:  now.Add(24 * time.Hour), maxUnfinished: 1024,
		before: now.Add(-s.o.AttrTimeout), maxStale: MaxAsked, fewStale: FewAsked, staleIfLogged: FewAsked,
	}, progress)
}

// A Sync checks MaxAsked documents that are known, if that is all that are stale; otherwise,
// and if there is a change log, FewAsked: nobody should wait for a small part of the corpus.
const (
	MaxAsked = 8192
	FewAsked = 256
)

// smallCorpus is the number of dumps up to which Sync lists the corpus without asking whether
// it changed: listing it is hardly more work.
const smallCorpus = 2048

// Unasked returns how many documents were last checked at since or earlier.
func (s *syncer) Unasked(ctx context.Context, since time.Time) (int, error) {
	return s.cat.StaleCount(ctx, since)
}

// Verify is Sync, but checks every document.
func (s *syncer) Verify(ctx context.Context, progress func(done, total int)) error {
	now := s.now()
	r := syncOptions{list: true, due: now.Add(24 * time.Hour), maxUnfinished: math.MaxInt32, before: now, maxStale: MaxAsked, fewStale: MaxAsked}
	for {
		if err := s.reconcile(ctx, r, progress); err != nil {
			return err
		}
		left, err := s.cat.StaleCount(ctx, now)
		if err != nil || left == 0 {
			return err
		}
		r.list, r.maxUnfinished = false, 0
	}
}

// poll is the reconciliation that Run repeats. It makes a single request when nothing has
// changed and nothing is due.
func (s *syncer) poll(ctx context.Context) error {
	now := s.now()
	return s.reconcile(ctx, syncOptions{due: now, maxUnfinished: 256, before: now.Add(-s.o.Revalidate), maxStale: 128, fewStale: 128, staleIfLogged: 1}, nil)
}

// exclusively runs f while no other reconciliation of this process is in progress.
func (s *syncer) exclusively(ctx context.Context, f func() error) error {
	if err := s.syncing.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.syncing.Release(1)
	return f()
}

func (s *syncer) reconcile(ctx context.Context, r syncOptions, progress func(done, total int)) error {
	return s.exclusively(ctx, func() error { return s.reconcileExclusively(ctx, r, progress) })
}

func (s *syncer) reconcileExclusively(ctx context.Context, r syncOptions, progress func(done, total int)) error {
	if progress == nil {
		progress = func(int, int) {}
	}
	if err := s.cat.Follow(ctx); err != nil {
		return err
	}
	if _, err := s.readJournal(ctx); err != nil {
		return err
	}
	for tries := 3; ; tries-- {
		rebuilds := s.cat.Rebuilds()
		err := s.listAndRead(ctx, r, progress)
		if s.cat.Rebuilds() == rebuilds {
			if ctx.Err() == nil {
				s.state.update(func(s *syncState) { s.current = true }) // as far as possible
			}
			return err
		}
		// The catalogue was rebuilt, and what was recorded before is gone.
		if tries == 1 || ctx.Err() != nil {
			return errors.Join(catalog.ErrRebuilt, err)
		}
		if _, err := s.readJournal(ctx); err != nil {
			return err
		}
		r.list = true
	}
}

// listAndRead is one reconciliation. It begins with what the change log mentions, since
// listing a large corpus takes a while.
func (s *syncer) listAndRead(ctx context.Context, r syncOptions, progress func(done, total int)) error {
	logged, err := s.readLogged(ctx, r, progress)
	if err != nil {
		return err
	}
	listed, err := s.listCorpus(ctx, r.list, logged)
	if err != nil {
		return err
	}
	if listed {
		logged = s.followLog(ctx)
	}
	r.hasLog, r.marksCurrent = logged && r.staleIfLogged > 0, true
	return s.readAll(ctx, r, progress)
}

// followLog reads the change log even if it seems unchanged, and reports whether there is
// one. Without it a reconciliation finds everything all the same.
func (s *syncer) followLog(ctx context.Context) (logged bool) {
	exists, err := s.logReader.Read(ctx, true)
	if err != nil && ctx.Err() == nil {
		s.log.Debug("the change log cannot be read", "error", err)
	}
	return exists && err == nil
}

// readLogged reads the documents that the change log mentions, and reports whether there is a
// log. It does nothing for a corpus that was never listed.
func (s *syncer) readLogged(ctx context.Context, r syncOptions, progress func(done, total int)) (logged bool, err error) {
	at, err := s.cat.GetTime(ctx, catalog.Listed)
	if err != nil || at.IsZero() {
		return false, err
	}
	logged, err = s.logReader.Read(ctx, false)
	if errors.Is(err, store.ErrUnavailable) { // for anything else as well
		s.availability.record(s.now(), err, s.log)
		return false, err
	}
	if err != nil || !logged {
		return false, ctx.Err()
	}
	r.maxStale, r.maxUnfinished = 0, 0
	return true, s.readAll(ctx, r, progress)
}

// markCurrent records that everything new was read.
func (s *syncer) markCurrent(ctx context.Context) error {
	if !s.Synced() {
		complete, err := s.cat.MarkComplete(ctx)
		if err != nil || !complete || s.cat.Rebuilds() != s.state.get().rebuilds {
			return err
		}
		s.state.update(func(s *syncState) { s.complete = true })
	}
	s.state.update(func(s *syncState) { s.current = true })
	now := s.now()
	if now.UnixMilli()-s.asOf.Load() < writeAsOf.Milliseconds() {
		return nil
	}
	s.asOf.Store(now.UnixMilli())
	return s.cat.Set(ctx, map[catalog.Key]string{catalog.AsOf: catalog.Millis(now)})
}

// writeAsOf is how often it is recorded that the catalogue is up to date.
const writeAsOf = 30 * time.Second

// AsOf returns when the catalogue was last up to date; the zero time: not known.
func (s *syncer) AsOf(ctx context.Context) (time.Time, error) {
	at, err := s.cat.GetTime(ctx, catalog.AsOf)
	if err != nil || at.IsZero() {
		return s.cat.GetTime(ctx, catalog.Listed)
	}
	return at, nil
}

// pageSize is how many tasks are held in memory at once.
const pageSize = 8192

// readAll reads the documents of a reconciliation, new and changed ones first.
func (s *syncer) readAll(ctx context.Context, r syncOptions, progress func(done, total int)) error {
	unread, err := s.cat.NewTaskCount(ctx)
	if err != nil {
		return err
	}
	changed, err := s.cat.ChangedTasks(ctx)
	if err != nil {
		return err
	}
	more, err := s.moreTasks(ctx, r)
	if err != nil {
		return err
	}
	run := &fetchRun{base: s.base, state: s.state, total: unread + len(changed) + len(more), progress: progress}
	run.report()
	if err := s.readNew(ctx, run); err != nil {
		return err
	}
	if err := run.run(ctx, changed); err != nil {
		return err
	}
	if r.marksCurrent {
		s.state.update(func(s *syncState) { s.missing = run.missing })
		if err := s.markCurrent(ctx); err != nil {
			return err
		}
	}
	if err := run.run(ctx, more); err != nil {
		return err
	}
	return run.summarize()
}

// readNew reads the documents that were never read. If the store did not return some of them
// while it returned others, it is asked for those once more: a second failure is the fault of
// the object.
func (s *syncer) readNew(ctx context.Context, run *fetchRun) error {
	if err := s.readPages(ctx, run); err != nil || run.deferred == 0 || run.succeeded == 0 {
		return err
	}
	if _, err := s.store.Stat(ctx, ""); err != nil {
		return err
	}
	run.total, run.deferred, run.lastTry = run.total+run.deferred, 0, true
	defer func() { run.lastTry = false }()
	return s.readPages(ctx, run)
}

func (s *syncer) readPages(ctx context.Context, run *fetchRun) error {
	for after := []byte(nil); ; {
		page, err := s.cat.NewTasks(ctx, after, pageSize)
		if err != nil || len(page) == 0 {
			return err
		}
		if err := run.run(ctx, page); err != nil {
			return err
		}
		after = page[len(page)-1].ID[:]
	}
}

// moreTasks returns what is checked although nothing says that it changed.
func (s *syncer) moreTasks(ctx context.Context, r syncOptions) ([]catalog.Task, error) {
	unfinished, err := s.cat.UnfinishedTasks(ctx, r.due, r.maxUnfinished)
	if err != nil {
		return nil, err
	}
	stale, err := s.staleTasks(ctx, r)
	return append(unfinished, stale...), err
}

// staleTasks returns the dumps that were not checked for long.
func (s *syncer) staleTasks(ctx context.Context, r syncOptions) ([]catalog.Task, error) {
	if r.maxStale == 0 {
		return nil, nil
	}
	if !r.hasLog {
		return s.allOrFew(ctx, r, r.before)
	}
	unlogged, err := s.allOrFew(ctx, r, s.now().Add(-changelog.Retention))
	if err != nil || len(unlogged) > 0 {
		return unlogged, err
	}
	return s.cat.StaleTasks(ctx, r.before, r.staleIfLogged)
}

// allOrFew returns the dumps that were last checked at before or earlier.
func (s *syncer) allOrFew(ctx context.Context, r syncOptions, before time.Time) ([]catalog.Task, error) {
	all, err := s.cat.StaleTasks(ctx, before, r.maxStale+1)
	if err == nil && len(all) > r.maxStale {
		all = all[:r.fewStale]
	}
	return all, err
}

// readJournal publishes what other processes changed in the catalogue. It reports whether that
// was more than single changes.
func (s *syncer) readJournal(ctx context.Context) (everything bool, err error) {
	s.journalMu.Lock()
	defer s.journalMu.Unlock()
	if rebuilds := s.cat.Rebuilds(); rebuilds != s.rebuilds {
		s.events.emit(Change{})
		if err := s.loadState(ctx); err != nil {
			return true, err
		}
		s.rebuilds = rebuilds
		return true, nil
	}
	changes, end, err := s.cat.Journal(ctx, s.journalSeen)
	if err != nil {
		return false, err
	}
	s.journalSeen = end
	s.events.emit(changes...)
	return len(changes) == 1 && changes[0].Everything(), nil
}

// loadState reads from the catalogue what earlier processes left.
func (s *syncer) loadState(ctx context.Context) error {
	rebuilds := s.cat.Rebuilds()
	end, err := s.cat.JournalEnd(ctx)
	if err != nil {
		return err
	}
	complete, err := s.cat.Get(ctx, catalog.Complete)
	if err != nil {
		return err
	}
	s.journalSeen = end
	s.state.update(func(s *syncState) { s.complete, s.current, s.rebuilds = complete != "", false, rebuilds })
	return nil
}
