package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"thothfs/corpus/ingest"
	"thothfs/dump"
	"thothfs/store"
)

// refreshesInFlight is the number of dumps read concurrently.
const refreshesInFlight = 16

func refreshCommand(cl *cli) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "refresh SPEC...",
		Short: "Read facts from dumps again and add them to info.json",
		Long: `Reads from every dump that matches what upload reads: the signal, the program and its
build ID, the parent, the user, the number of threads, the size. It adds what is missing
in info.json and corrects what only the dump can tell; the ticket, the custom properties
and every other byte stay as they are. Afterwards, dumps uploaded by the original thoth
or by an older version can be searched like new ones. Only headers and a few pages are
fetched. refresh prints a line for each dump that changed, and undo reverts the edits.
Failures are reported for each dump, and the exit code is then 1.
` + specHelp,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runRefresh(cmd.Context(), cl, args, dryRun) },
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would be changed")
	return cmd
}

func runRefresh(ctx context.Context, cl *cli, args []string, dryRun bool) error {
	c, err := cl.open(ctx, false)
	if err != nil {
		return err
	}
	open, err := c.headerReader()
	if err != nil {
		return err
	}
	ids, err := c.syncAndSelect(ctx, args)
	if err != nil {
		return err
	}
	var mu sync.Mutex // guards changed and standard output
	var purged atomic.Int64
	changed := 0
	failed := forEach(cl, "refreshing", refreshesInFlight, ids, func(id dump.ID) error {
		e, err := c.DumpFile(ctx, id)
		if errors.Is(err, store.ErrNotExist) {
			purged.Add(1)
			return nil
		}
		if err != nil {
			return err
		}
		r, closeReader := open(ctx, store.Ref{Key: id.String() + "/" + e.Name, ETag: e.ETag}, e.Size)
		defer closeReader()
		done, err := ingest.Refresh(ctx, c.Corpus, id, r, e.Size, dryRun)
		if line := refreshLine(done); err == nil && line != "" {
			mu.Lock()
			defer mu.Unlock()
			changed++
			_, err = fmt.Fprintf(cl.stdout, "%s %s\n", id, line)
		}
		return err
	})
	verb := " updated"
	if dryRun {
		verb = " would be updated"
	}
	done := english.Plural(changed, "dump", "") + verb
	if n := int(purged.Load()); n > 0 {
		done += fmt.Sprintf("; %s purged, so that there is nothing to read", english.Plural(n, "dump is", "dumps are"))
	}
	return reportEach(ctx, cl, ids, done, failed)
}

// refreshLine describes a refreshed document. It returns "" if nothing changed.
func refreshLine(done ingest.Refreshed) string {
	var parts []string
	for _, p := range []struct {
		what  string
		paths []string
	}{{"added", done.Added}, {"corrected", done.Corrected}} {
		if len(p.paths) > 0 {
			parts = append(parts, p.what+" "+strings.Join(p.paths, " "))
		}
	}
	return strings.Join(parts, "; ")
}

// headerReader returns a function that opens an object for a few reads. They go through the block
// cache, which fetches nothing ahead, unless the store is a local directory.
func (c *openedCorpus) headerReader() (func(ctx context.Context, ref store.Ref, size int64) (readAtFunc, func() error), error) {
	if _, local := store.AsLocal(c.store); local {
		return func(ctx context.Context, ref store.Ref, _ int64) (readAtFunc, func() error) {
			read := func(p []byte, off int64) (int, error) { return c.store.ReadAt(ctx, ref, p, off) }
			return read, func() error { return nil }
		}, nil
	}
	o := c.cacheOptions(mountFlags{})
	o.Predict, o.Hot = nil, nil
	blocks, err := c.openBlocks(o)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, ref store.Ref, size int64) (readAtFunc, func() error) {
		f := blocks.Open(ref, size)
		return func(p []byte, off int64) (int, error) { return f.ReadAt(ctx, p, off) }, f.Close
	}, nil
}

// readAtFunc is a function that implements io.ReaderAt.
type readAtFunc func(p []byte, off int64) (int, error)

// ReadAt implements io.ReaderAt.
func (r readAtFunc) ReadAt(p []byte, off int64) (int, error) { return r(p, off) }
