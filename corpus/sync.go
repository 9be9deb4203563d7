package corpus

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"thothfs/corpus/catalog"
	"thothfs/corpus/changelog"
	"thothfs/internal/withctx"
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
	wholeRun  *wholeRun      // latest run, or nil
	wholeRuns sync.WaitGroup // runs that have not ended

	journalMu   sync.Mutex // guards the fields below; held while changes by other processes are published
	journalSeen int64
	rebuilds    int // value of cat.Rebuilds that journalSeen belongs to
}

func newSyncer(c *base) *syncer {
	return &syncer{base: c, state: newSyncState(), syncing: semaphore.NewWeighted(1),
		logReader: changelog.Reader{Store: c.store, State: c.cat, Now: func() time.Time { return c.now() }}}
}

// syncOptions specify how much one reconciliation does.
type syncOptions struct {
	list          bool      // list the corpus even if it seems unchanged
	due           time.Time // retry unfinished uploads due by this time
	maxUnfinished int       // maximum number of them
	before        time.Time // check dumps last checked by this time
	maxStale      int       // maximum number of them
	fewStale      int       // but only this number if there are more
	// staleIfLogged, if not 0, replaces maxStale for dumps whose changes the change log still
	// contains. The log does not contain changes made by the original Thoth.
	staleIfLogged int
	hasLog        bool // there is a change log
	marksCurrent  bool // the catalogue is up to date once everything new has been read
}

// Sync reconciles the catalogue with the store. It finds new dumps and dumps that are gone, reads
// documents that were never read and those whose directory changed, and checks up to [MaxAsked]
// others, starting with those unchecked for longest (see Unasked). The catalogue can be used in the
// meantime. After an interruption the next Sync continues.
//
// progress, if not nil, is called from time to time, in the calling goroutine, with the number of
// documents read. Sync does not fail if individual documents cannot be read; it tries them again
// later.
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

// A Sync checks all stale documents if there are at most MaxAsked. If there are more, or if the
// change log still contains their changes, it checks only FewAsked of them, since checking a small
// part of the corpus is not worth a long wait.
const (
	MaxAsked = 8192
	FewAsked = 256
)

// smallCorpus is the number of dumps up to which Sync lists the corpus without first checking
// whether it changed, since that would save little.
const smallCorpus = 2048

// Unasked returns the number of documents that were last checked at or before since.
func (s *syncer) Unasked(ctx context.Context, since time.Time) (int, error) {
	return s.cat.StaleCount(ctx, since)
}

// Verify is like Sync but checks every document.
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

// poll is the reconciliation that Run repeats. It makes a single request if nothing has changed and
// nothing is due.
func (s *syncer) poll(ctx context.Context) error {
	now := s.now()
	return s.reconcile(ctx, syncOptions{due: now, maxUnfinished: 256, before: now.Add(-s.o.Revalidate), maxStale: 128, fewStale: 128, staleIfLogged: 1}, nil)
}

// exclusively runs f while no other reconciliation is in progress in this process.
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
		// The catalogue was rebuilt, and what was recorded before is lost.
		if tries == 1 || ctx.Err() != nil {
			return errors.Join(catalog.ErrRebuilt, err)
		}
		if _, err := s.readJournal(ctx); err != nil {
			return err
		}
		r.list = true
	}
}

// listAndRead performs one reconciliation. It starts with the documents that the change log
// mentions, since listing a large corpus takes a while.
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

// followLog reads the change log even if it seems unchanged, and reports whether there is one. A
// reconciliation finds all changes without it.
func (s *syncer) followLog(ctx context.Context) (logged bool) {
	exists, err := s.logReader.Read(ctx, true)
	if err != nil && ctx.Err() == nil {
		s.log.Debug("the change log cannot be read", "error", err)
	}
	return exists && err == nil
}

// readLogged reads the documents that the change log mentions, and reports whether there is a log.
// It does nothing if the corpus was never listed.
func (s *syncer) readLogged(ctx context.Context, r syncOptions, progress func(done, total int)) (logged bool, err error) {
	at, err := s.cat.GetTime(ctx, catalog.Listed)
	if err != nil || at.IsZero() {
		return false, err
	}
	logged, err = s.logReader.Read(ctx, false)
	if errors.Is(err, store.ErrUnavailable) { // then it is unavailable for everything else too
		s.availability.record(s.now(), err, s.log)
		return false, err
	}
	if err != nil || !logged {
		return false, ctx.Err()
	}
	r.maxStale, r.maxUnfinished = 0, 0
	return true, s.readAll(ctx, r, progress)
}

// markCurrent records that everything new has been read.
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

// writeAsOf is the interval at which the time of the last update is recorded.
const writeAsOf = 30 * time.Second

// AsOf returns when the catalogue was last up to date, or the zero time if that is unknown.
func (s *syncer) AsOf(ctx context.Context) (time.Time, error) {
	at, err := s.cat.GetTime(ctx, catalog.AsOf)
	if err != nil || at.IsZero() {
		return s.cat.GetTime(ctx, catalog.Listed)
	}
	return at, nil
}

// pageSize is the maximum number of tasks held in memory.
const pageSize = 8192

// readAll reads the documents for a reconciliation, new and changed ones first.
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
	run := &fetchRun{syncer: s, total: unread + len(changed) + len(more), progress: progress}
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

// readNew reads the documents that were never read. If the store returned some but not others, it
// tries the others once more; a second failure is attributed to the object.
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

// moreTasks returns the documents to check even though nothing indicates that they changed.
func (s *syncer) moreTasks(ctx context.Context, r syncOptions) ([]catalog.Task, error) {
	unfinished, err := s.cat.UnfinishedTasks(ctx, r.due, r.maxUnfinished)
	if err != nil {
		return nil, err
	}
	stale, err := s.staleTasks(ctx, r)
	return append(unfinished, stale...), err
}

// staleTasks returns the dumps that have not been checked for a long time.
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

// allOrFew returns the dumps last checked at or before the given time: all of them if there are at
// most r.maxStale, otherwise r.fewStale.
func (s *syncer) allOrFew(ctx context.Context, r syncOptions, before time.Time) ([]catalog.Task, error) {
	all, err := s.cat.StaleTasks(ctx, before, r.maxStale+1)
	if err == nil && len(all) > r.maxStale {
		all = all[:r.fewStale]
	}
	return all, err
}

// readJournal publishes the changes that other processes made to the catalogue. It reports whether
// there were too many to be listed individually.
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

// loadState reads the state left by earlier processes from the catalogue.
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

const (
	firstRetry = time.Second
	maxBackoff = 5 * time.Minute
)

// Run keeps the catalogue up to date until ctx is done, then returns nil. It reads the corpus, then
// asks the store for changes every Poll, or less often while the store does not respond. If Poll is
// 0 it tries until it has succeeded once. Changes made by other processes that share the catalogue
// are published at once. One Run at a time is enough.
func (c *Corpus) Run(ctx context.Context) error {
	var following sync.WaitGroup
	following.Go(func() { c.follow(ctx) }) // ends with ctx
	defer following.Wait()
	failures := 0
	for {
		err := c.poll(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			failures = 0
		default:
			if failures == 0 {
				c.log.Warn("the corpus cannot be read", "error", err)
			}
			failures++
		}
		d := c.interval(failures)
		if d == 0 {
			<-ctx.Done()
		}
		if withctx.Sleep(ctx, d) != nil {
			return nil
		}
	}
}

// interval returns how long to wait after the given number of consecutive failures; 0 means
// forever.
func (s *syncer) interval(failures int) time.Duration {
	if failures == 0 {
		return s.o.Poll
	}
	base := s.o.Poll
	if base == 0 || !s.Synced() {
		base = firstRetry
	}
	d := min(base<<min(failures-1, 10), max(maxBackoff, base))
	return d - time.Duration(rand.Int64N(int64(d)/8+1)) // spread the requests of many clients to one store
}

// syncState is the progress of the latest reconciliation.
type syncState struct {
	mu          sync.Mutex // guards the fields below
	done, total int        // documents read, and to be read in all
	missing     int        // new documents that could not be read
	complete    bool       // the whole corpus has been read once
	current     bool       // this process has asked, or tried to ask, for recent changes
	whole       chan struct{}
	rebuilds    int // value of cat.Rebuilds that this state belongs to
}

func newSyncState() *syncState { return &syncState{whole: make(chan struct{})} }

// update calls f with the lock held. It closes whole when the state becomes complete and current,
// and replaces it when that is no longer the case.
func (s *syncState) update(f func(*syncState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.complete && s.current
	f(s)
	switch is := s.complete && s.current; {
	case is && !was:
		close(s.whole)
	case was && !is:
		s.whole = make(chan struct{})
	}
}

// get returns a copy of the state.
func (s *syncState) get() (c struct {
	done, total, missing, rebuilds int
	complete, current              bool
	whole                          <-chan struct{} // closed while complete and current
}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.done, c.total, c.missing, c.rebuilds = s.done, s.total, s.missing, s.rebuilds
	c.complete, c.current, c.whole = s.complete, s.current, s.whole
	return c
}

// Synced reports whether the catalogue in use has covered the whole corpus at some time, in this
// process or an earlier one.
func (s *syncer) Synced() bool {
	state := s.state.get()
	return state.complete && s.cat.Rebuilds() == state.rebuilds
}

// IsWhole reports whether Whole would return immediately.
func (s *syncer) IsWhole() bool { return s.Synced() && s.state.get().current }

// SyncState returns the number of documents that the latest reconciliation has read, the number
// that it will read in all, and whether the whole corpus has been read once.
func (s *syncer) SyncState() (done, total int, complete bool) {
	state := s.state.get()
	return state.done, state.total, state.complete
}

// Missing returns the number of dumps that are not in the catalogue because the latest
// reconciliation could not read their documents.
func (s *syncer) Missing() int { return s.state.get().missing }
