package main

import (
	"context"
	"errors"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"thothfs/cache"
	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/store"
)

// warmAtOnce is the number of dumps warmed concurrently.
const warmAtOnce = 8

func warmCommand(cl *cli) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "warm SPEC...",
		Short: "Fetch what a debugger will read into the cache",
		Long: `Fetches the parts of every matching dump that a debugger reads first into the cache, so
that opening the dump later does not wait for the store. With --all it fetches whole
dumps and compares them with the MD5 that the store has, if any. Mounts with the same
--cache-dir use that cache. A corpus in a local directory needs no warming.
` + specHelp,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			c, err := cl.open(ctx, false)
			if err != nil {
				return err
			}
			if _, local := store.AsLocal(c.store); local {
				cl.say("the corpus is a local directory: there is nothing to fetch")
				return nil
			}
			blocks, err := c.openCache(mountFlags{})
			if err != nil {
				return err
			}
			ids, err := c.syncAndSelect(ctx, args)
			if err != nil {
				return err
			}
			warm := func(id dump.ID) error { return warmOne(ctx, c.Corpus, blocks, id, all, nil) }
			what := "warming"
			if len(ids) == 1 && all { // a bar of bytes says more than one of dumps
				bar := output.NewProgress(cl.stderr, what, true)
				defer bar.Done()
				warm = func(id dump.ID) error { return warmOne(ctx, c.Corpus, blocks, id, all, bar.SetBytes) }
				what = ""
			}
			failed := forEach(cl, what, warmAtOnce, ids, warm)
			return reportEach(ctx, cl, ids, english.Plural(len(ids)-len(failed), "dump", "")+" warmed", failed)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "fetch whole dumps")
	return cmd
}

// progressEvery is how often the progress of one dump is measured.
const progressEvery = 250 * time.Millisecond

// warmOne fetches what a debugger reads first of a dump, or all of it. It calls progress, unless that is nil,
// while it fetches all.
func warmOne(ctx context.Context, c *corpus.Corpus, blocks *cache.Cache, id dump.ID, all bool, progress func(done, total int64)) error {
	e, err := c.DumpFile(ctx, id)
	if err != nil {
		return err
	}
	f := blocks.Open(store.Ref{Key: id.String() + "/" + e.Name, ETag: e.ETag}, e.Size)
	f.Expect(e.MD5)
	if !all {
		return errors.Join(f.Warm(ctx), f.Close())
	}
	done := make(chan error, 1)
	go func() { done <- f.Complete(ctx) }() // awaited below
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		if progress != nil {
			progress(f.Cached(), e.Size)
		}
		select {
		case err := <-done:
			return errors.Join(err, f.Close())
		case <-tick.C:
		}
	}
}
