package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"thothfs/cache"
	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/store"
)

// warmAtOnce is how many dumps are warmed at once.
const warmAtOnce = 8

func (a *app) warmCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "warm SPEC...",
		Short: "Fetch ahead of time what a debugger will read",
		Long: `Fetches, of every dump that matches, what a debugger reads first into the cache, so
that opening it later waits for nothing; with --all the whole dump, compared with the
store's MD5 where it tells one. A mount that uses the same --cache-dir finds it there.
A corpus in a local directory needs no warming.
` + specHelp,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.warm(cmd.Context(), args, all) },
	}
	cmd.Flags().BoolVar(&all, "all", false, "fetch the whole dumps")
	return cmd
}

func (a *app) warm(ctx context.Context, args []string, all bool) error {
	log, err := a.verbLogger()
	if err != nil {
		return err
	}
	s, err := a.openStack(ctx, false, log)
	if err != nil {
		return err
	}
	if _, local := store.AsLocal(s.store); local {
		fmt.Fprintln(a.stderr, "thothfs: the corpus is a local directory: there is nothing to fetch")
		return nil
	}
	c, err := a.openCorpus(ctx, s, log)
	if err != nil {
		return err
	}
	blocks, err := a.openCache(s, c, mountFlags{}, log)
	if err != nil {
		return err
	}
	if err := a.syncNow(ctx, c); err != nil {
		return err
	}
	ids, err := a.selectIDs(ctx, c, args)
	if err != nil {
		return err
	}
	failed := a.warmEach(ctx, c, blocks, ids, all)
	return a.reportEach(ctx, ids, english.Plural(len(ids)-len(failed), "dump", "")+" warmed", failed)
}

// warmEach warms dumps, some at a time, and returns how each that failed did.
func (a *app) warmEach(ctx context.Context, c *corpus.Corpus, blocks *cache.Cache, ids []dump.ID, all bool) map[dump.ID]error {
	var (
		mu     sync.Mutex // guards failed, done
		failed = make(map[dump.ID]error)
		done   int
		group  errgroup.Group
	)
	group.SetLimit(warmAtOnce)
	bar := output.NewProgress(a.stderr, "warming", false)
	defer bar.Done()
	for _, id := range ids {
		group.Go(func() error {
			err := warmOne(ctx, c, blocks, id, all)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed[id] = err
			}
			done++
			bar.Set(done, len(ids))
			return nil
		})
	}
	group.Wait()
	return failed
}

func warmOne(ctx context.Context, c *corpus.Corpus, blocks *cache.Cache, id dump.ID, all bool) error {
	e, err := c.DumpFile(ctx, id)
	if err != nil {
		return err
	}
	f := blocks.Open(store.Ref{Key: id.String() + "/" + e.Name, ETag: e.ETag}, e.Size)
	f.Expect(e.MD5)
	if all {
		err = f.Complete(ctx)
	} else {
		err = f.Warm(ctx)
	}
	return errors.Join(err, f.Close())
}
