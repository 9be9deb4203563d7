package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"thothfs/corpus"
	"thothfs/store"
)

// awayAfter is how long a store may be silent until a verb goes on with what this machine
// knows. A connection that is made, or its handshake, is no silence.
const (
	awayAfter = 700 * time.Millisecond
	// unknownAfter is the same for a verb that can only fail then.
	unknownAfter = 10 * time.Second
)

// freshFlag adds --fresh to a verb that answers without the store when that is away.
func freshFlag(cmd *cobra.Command, fresh *bool) {
	cmd.Flags().BoolVar(fresh, "fresh", false, "fail when the store is away, instead of going on with what this machine knows")
}

// away returns how the store fails to answer; nil: it answers. It may be silent for patience.
func (s *stack) away(ctx context.Context, patience time.Duration) error {
	once := store.Retry(s.requests, store.RetryOptions{Tries: 1, Stall: patience})
	ask := func() (store.Attr, error) { return once.Stat(ctx, "") }
	_, local := store.AsLocal(s.store)
	err := s.gone
	switch {
	case err != nil:
	case local: // a file system that hangs heeds no context
		limited, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		_, err = orInterrupted(limited, ask)
		if limited.Err() != nil && ctx.Err() == nil {
			err = &store.Error{Op: "stat", Kind: store.ErrUnavailable, Err: fmt.Errorf("no answer for %s", patience)}
		}
	default:
		_, err = ask()
	}
	var e *store.Error
	if !errors.Is(err, store.ErrUnavailable) || errors.As(err, &e) && e.RequestID != "" {
		return nil
	}
	return err
}

// corpusNowOrKnown is corpusNow; but when the store is away it is the corpus as this
// machine knows it, if it does, and that is said.
func (cl *cli) corpusNowOrKnown(ctx context.Context, fresh bool) (*corpus.Corpus, error) {
	s, c, _, err := cl.openKnown(ctx)
	if err != nil {
		return nil, err
	}
	if !fresh && cl.isAway(ctx, s, c) {
		return c, nil
	}
	if fresh || !c.Synced() {
		err = s.away(ctx, unknownAfter)
	}
	if err == nil {
		err = cl.syncNow(ctx, c)
	}
	switch {
	case !errors.Is(err, store.ErrUnavailable):
		return c, err
	case !c.Synced():
		return nil, fmt.Errorf("this machine does not know the corpus yet, and cannot read it: %w", err)
	case fresh:
		return nil, notFresh(err)
	}
	cl.goOnWithout(ctx, c, err)
	return c, nil
}

// isAway reports whether the store is away and what this machine knows will do, and says
// so.
func (cl *cli) isAway(ctx context.Context, s *stack, c *corpus.Corpus) bool {
	if !c.Synced() {
		return false
	}
	err := s.away(ctx, awayAfter)
	if err != nil {
		cl.goOnWithout(ctx, c, err)
	}
	return err != nil
}

// goOnWithout has the corpus answer from what is known, and says so.
func (cl *cli) goOnWithout(ctx context.Context, c *corpus.Corpus, why error) {
	c.Away(why)
	known := "as this machine knows it"
	if at, err := c.AsOf(ctx); err == nil && !at.IsZero() {
		known = fmt.Sprintf("as it was at %s (%s)", at.UTC().Format(time.RFC3339), humanize.Time(at))
	}
	cl.say("the store is away (%v): this is the corpus %s", causeOf(why), known)
}

// notFresh is the error of a verb with --fresh while the store is away.
func notFresh(err error) error { return fmt.Errorf("the store is away: %w", causeOf(err)) }

// causeOf returns what is behind an error of a store, or the error.
func causeOf(err error) error {
	if e := (*store.Error)(nil); errors.As(err, &e) && e.Err != nil {
		return e.Err
	}
	return err
}

// openKnown is openAll, which also opens a directory corpus that is not there if this
// machine knows it.
func (cl *cli) openKnown(ctx context.Context) (*stack, *corpus.Corpus, *slog.Logger, error) {
	s, c, log, err := cl.openAll(ctx)
	if !errors.Is(err, errNoDirectory) {
		return s, c, log, err
	}
	if s = cl.goneStack(err); s == nil || !corpus.Exists(cl.corpusOptions(s, log)) {
		return nil, nil, nil, err
	}
	c, cerr := cl.openCorpus(ctx, s, log)
	if cerr != nil || !c.Synced() {
		return nil, nil, nil, err
	}
	return s, c, log, nil
}

// goneStack is the stack of a directory corpus that is not there because of why.
func (cl *cli) goneStack(why error) *stack {
	t, err := cl.pickTarget()
	cachePath, cerr := cl.cachePath()
	if err != nil || cerr != nil {
		return nil
	}
	g := goneStore{&store.Error{Op: "open", Kind: store.ErrUnavailable, Err: why}}
	return &stack{target: t, store: g, requests: store.Count(g), root: t.dir, cache: cachePath, gone: g.err}
}

// goneStore is a store that is not there.
type goneStore struct{ err error }

func (g goneStore) ReadAt(context.Context, store.Ref, []byte, int64) (int, error) { return 0, g.err }

func (g goneStore) Get(context.Context, store.Ref, int64) ([]byte, store.Attr, error) {
	return nil, store.Attr{}, g.err
}

func (g goneStore) Stat(context.Context, string) (store.Attr, error) { return store.Attr{}, g.err }

func (g goneStore) List(context.Context, string, string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) { yield(store.Entry{}, g.err) }
}

func (g goneStore) Put(context.Context, store.Ref, io.ReaderAt, int64) (store.Attr, error) {
	return store.Attr{}, g.err
}

func (g goneStore) Remove(context.Context, store.Ref) error { return g.err }
