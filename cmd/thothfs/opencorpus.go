package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"thothfs/cache"
	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/query"
	"thothfs/store"
	"thothfs/store/registry"
)

const (
	// awayAfter is how long a store may be silent before a verb continues with the local catalogue.
	// Connecting and the TLS handshake do not count as silence.
	awayAfter = 700 * time.Millisecond
	// unknownAfter is the same for a verb that would then have to fail.
	unknownAfter = 10 * time.Second
	// readAround is the number of bytes that the kernel reads on each side of a page fault.
	readAround = 32 << 10
)

// openedCorpus is the corpus for a verb, with its store and catalogue open.
type openedCorpus struct {
	*corpus.Corpus
	*storeSet
	cli     *cli
	log     *slog.Logger
	offline bool // the store is unreachable, and only what this machine knows is used
}

// open opens the corpus selected by the flags for a verb. If create is set, it creates a missing
// directory.
func (cl *cli) open(ctx context.Context, create bool) (*openedCorpus, error) {
	log, err := cl.verbLogger()
	if err != nil {
		return nil, err
	}
	s, err := cl.openStores(ctx, create, log)
	if err != nil {
		return nil, err
	}
	return cl.openCatalogue(ctx, s, log)
}

func (cl *cli) openCatalogue(ctx context.Context, s *storeSet, log *slog.Logger) (*openedCorpus, error) {
	if err := private(filepath.Join(s.cache, "catalogue")); err != nil {
		return nil, err
	}
	c, err := corpus.Open(ctx, cl.corpusOptions(s, log))
	if err != nil {
		return nil, err
	}
	cl.atExit(func() { c.Close() })
	return &openedCorpus{Corpus: c, storeSet: s, cli: cl, log: log}, nil
}

func (cl *cli) corpusOptions(s *storeSet, log *slog.Logger) corpus.Options {
	return corpus.Options{
		Store:       s.store,
		Name:        s.location.Name + cl.getenv("MANTA_URL"),
		Root:        s.location.Path,
		Dir:         filepath.Join(s.cache, "catalogue"),
		Poll:        cl.poll,
		AttrTimeout: cl.attrTimeout,
		Changes:     true,
		By:          thisUser(),
		With:        "thothfs " + versionText(),
		How:         cl.how,
		Log:         log,
	}
}

// openCache opens the block cache with the settings of a mount.
func (c *openedCorpus) openCache(m mountFlags) (*cache.Cache, error) {
	return c.openBlocks(c.cacheOptions(m))
}

func (c *openedCorpus) cacheOptions(m mountFlags) cache.Options {
	o := cache.Options{
		Dir:       filepath.Join(c.cache, "blocks"),
		Namespace: c.location.Name + c.cli.getenv("MANTA_URL"),
		Quota:     int64(c.cli.cacheSize),
		Source:    c.store,
		Predict:   dump.Predict,
		Hot:       c.HotPack,
		Around:    readAround,
		Complete:  m.complete.when,
		Share:     m.complete.share,
		Log:       c.log,
	}
	if m.learn {
		o.Learned = func(ctx context.Context, ref store.Ref, _ int64, pack []byte) error {
			return c.PutHotPack(ctx, ref, pack)
		}
	}
	return o
}

func (c *openedCorpus) openBlocks(o cache.Options) (*cache.Cache, error) {
	blocks, err := cache.Open(o)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	c.cli.atExit(func() { blocks.Close() })
	return blocks, nil
}

// syncNow updates the catalogue from the store and reports what it could not read.
func (c *openedCorpus) syncNow(ctx context.Context) error {
	began := time.Now().Add(-c.cli.attrTimeout)
	err := c.readCorpus(ctx, func(ctx context.Context, progress func(done, total int)) error {
		err := c.Sync(ctx, progress)
		if err == nil && !c.Synced() { // another process found more documents to read
			err = c.Whole(ctx)
		}
		return err
	})
	if err == nil {
		err = c.checkExists(ctx)
	}
	if err != nil {
		return err
	}
	if n := c.Missing(); n > 0 {
		c.cli.say("%d dumps are left out: their documents could not be read (-v says why)", n)
	}
	if n, err := c.Unasked(ctx, began); err == nil && n > 0 {
		c.cli.say("%d documents were not asked for again: edits that others made in them may not show yet", n)
	}
	return nil
}

// checkExists returns an error if the corpus has no dumps because the store has no such directory.
func (c *openedCorpus) checkExists(ctx context.Context) error {
	everything, err := query.Parse("limit=1")
	if err != nil {
		return err
	}
	if rows, err := c.Select(ctx, everything); err != nil || len(rows) > 0 {
		return err
	}
	if _, err := c.store.Stat(ctx, ""); errors.Is(err, store.ErrNotExist) {
		return fmt.Errorf("the corpus %s: %w", c.location, store.ErrAbsent)
	}
	return nil
}

// readCorpus fills an empty catalogue from the published snapshot, and then calls read to update it.
func (c *openedCorpus) readCorpus(ctx context.Context, read func(context.Context, func(done, total int)) error) error {
	bar := output.NewProgress(c.cli.stderr, "the catalogue, as published", true)
	_, err := c.TakeSnapshot(ctx, bar.SetBytes)
	bar.Done()
	if err == nil {
		bar = output.NewProgress(c.cli.stderr, "reading the corpus", false)
		err = read(ctx, bar.Set)
		bar.Done()
	}
	if err != nil {
		return fmt.Errorf("the corpus: %w", err)
	}
	return nil
}

// freshFlag adds --fresh to a verb that can work while the store is unreachable.
func freshFlag(cmd *cobra.Command, fresh *bool) {
	cmd.Flags().BoolVar(fresh, "fresh", false, "fail if the store is unreachable, instead of using the local catalogue")
}

// openSynced opens the corpus and updates the catalogue from the store. If the store is unreachable, it
// prints a message and returns the corpus as of the local catalogue, unless fresh is set or the
// local catalogue is incomplete.
func (cl *cli) openSynced(ctx context.Context, fresh bool) (*openedCorpus, error) {
	c, err := cl.openKnown(ctx)
	if err != nil {
		return nil, err
	}
	if !fresh && c.isAway(ctx) {
		return c, nil
	}
	if fresh || !c.Synced() {
		err = c.away(ctx, unknownAfter)
	}
	if err == nil {
		err = c.syncNow(ctx)
	}
	switch {
	case !errors.Is(err, store.ErrUnavailable):
		return c, err
	case !c.Synced():
		return nil, fmt.Errorf("this machine has no catalogue of the corpus yet and cannot read the corpus: %w", err)
	case fresh:
		return nil, fmt.Errorf("the store is unreachable: %w", causeOf(err))
	}
	c.goOffline(ctx, err)
	return c, nil
}

// openKnown is like open but also opens a missing directory corpus if the local catalogue contains
// it.
func (cl *cli) openKnown(ctx context.Context) (*openedCorpus, error) {
	c, err := cl.open(ctx, false)
	if !errors.Is(err, store.ErrAbsent) {
		return c, err
	}
	l, terr := registry.Locate(cl.store, cl.getenv)
	cachePath, cerr := cl.cachePath()
	log, lerr := cl.verbLogger()
	if errors.Join(terr, cerr, lerr) != nil {
		return nil, err
	}
	gone := absentStore{&store.Error{Op: "open", Kind: store.ErrUnavailable, Err: err}}
	s := &storeSet{location: l.Location, store: gone, requests: store.Count(gone), cache: cachePath}
	if !corpus.Exists(cl.corpusOptions(s, log)) {
		return nil, err
	}
	if c, cerr = cl.openCatalogue(ctx, s, log); cerr != nil || !c.Synced() {
		return nil, err
	}
	return c, nil
}

// away returns the store's error if it does not respond within patience, or nil if it responds.
func (s *storeSet) away(ctx context.Context, patience time.Duration) error {
	once := store.Retry(s.requests, store.RetryOptions{Tries: 1, Stall: patience})
	limited := ctx
	if _, local := store.AsLocal(s.store); local { // a hung file system ignores the context
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	_, err := orInterrupted(limited, func() (store.Attr, error) { return once.Stat(ctx, "") })
	if limited.Err() != nil && ctx.Err() == nil {
		err = &store.Error{Op: "stat", Kind: store.ErrUnavailable, Err: fmt.Errorf("no answer for %s", patience)}
	}
	var e *store.Error
	if !errors.Is(err, store.ErrUnavailable) || errors.As(err, &e) && e.RequestID != "" {
		return nil
	}
	return err
}

// isAway reports whether the store is unreachable and the local catalogue can be used instead. If so, it
// prints a message.
func (c *openedCorpus) isAway(ctx context.Context) bool {
	if !c.Synced() {
		return false
	}
	err := c.away(ctx, awayAfter)
	if err != nil {
		c.goOffline(ctx, err)
	}
	return err != nil
}

// goOffline makes the corpus use only the catalogue, and prints how old it is.
func (c *openedCorpus) goOffline(ctx context.Context, why error) {
	c.Away(why)
	c.offline = true
	known := "as this machine knows it"
	if at, err := c.AsOf(ctx); err == nil && !at.IsZero() {
		known = fmt.Sprintf("as it was at %s (%s)", at.UTC().Format(time.RFC3339), humanize.Time(at))
	}
	c.cli.say("the store is unreachable (%v): this is the corpus %s", causeOf(why), known)
}

// causeOf returns the cause of a store error, or err itself.
func causeOf(err error) error {
	if e := (*store.Error)(nil); errors.As(err, &e) && e.Err != nil {
		return e.Err
	}
	return err
}

// orInterrupted returns the result of f, or ctx's error if ctx ends first. In that case f keeps
// running, which is fine in a process that is about to exit.
func orInterrupted[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type outcome struct {
		v   T
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		v, err := f()
		done <- outcome{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// absentStore is the store of a missing directory corpus. Every call fails.
type absentStore struct{ err error }

func (g absentStore) ReadAt(context.Context, store.Ref, []byte, int64) (int, error) { return 0, g.err }

func (g absentStore) Get(context.Context, store.Ref, int64) ([]byte, store.Attr, error) {
	return nil, store.Attr{}, g.err
}

func (g absentStore) Stat(context.Context, string) (store.Attr, error) { return store.Attr{}, g.err }

func (g absentStore) List(context.Context, string, string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) { yield(store.Entry{}, g.err) }
}

func (g absentStore) Put(context.Context, store.Ref, io.ReaderAt, int64) (store.Attr, error) {
	return store.Attr{}, g.err
}

func (g absentStore) Remove(context.Context, store.Ref) error { return g.err }
