package main

import (
	"context"
	"fmt"
	iofs "io/fs"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"thothfs/cache"
	"thothfs/cmd/thothfs/output"
	"thothfs/store"
)

const cacheCleanLong = `Removes blocks of dumps from the cache: those of the dumps that are named or match, all
of them with --all, or those that were not read for a while with --older-than. What a
mount or another process uses is left, and counted. The local catalogue is not a part of
it: verbs need it while the store is unreachable.

Blocks are fetched again when they are read. The cache also stays within --cache-size by
itself.
`

func cacheCommand(cl *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Show or clean the local cache",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageErrorf("expected cache du or cache clean (see: thothfs cache --help)")
		},
	}
	cmd.AddCommand(cacheDuCommand(cl), cacheCleanCommand(cl))
	for _, sub := range cmd.Commands() {
		checkArgs(sub)
	}
	return cmd
}

// cacheUsage is what `cache du` prints.
type cacheUsage struct {
	cacheStatus
	Catalogue int64 `json:"catalogue"` // bytes on disk
	Other     int64 `json:"other"`     // bytes on disk of logs and unfinished files
}

func cacheDuCommand(cl *cli) *cobra.Command {
	var format jsonFlag
	cmd := &cobra.Command{
		Use:   "du",
		Short: "Print how much disk space the cache uses",
		Long: `Prints the disk space that the cache directory uses: the blocks of dumps of all corpora,
with the limit for them (--cache-size), the catalogues, and the rest.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := cl.cachePath()
			if err != nil {
				return err
			}
			space, err := cache.Usage(cmd.Context(), filepath.Join(dir, "blocks"), int64(cl.cacheSize))
			if err != nil {
				return err
			}
			u := cacheUsage{cacheStatus: cacheStatus{Dir: dir, Used: space.Used, Limit: space.Limit, Versions: space.Versions}}
			u.Catalogue = diskUsage(filepath.Join(dir, "catalogue"))
			u.Other = max(0, diskUsage(dir)-u.Catalogue-u.Used)
			if format.json {
				return writeJSON(cl.stdout, u)
			}
			size := func(n int64) string { return humanize.IBytes(uint64(n)) }
			_, err = fmt.Fprintf(cl.stdout, "directory  %s\nblocks     %s of %s (%s)\ncatalogue  %s\nother      %s\n", output.Printable(dir), size(u.Used), size(u.Limit), english.Plural(u.Versions, "object", ""), size(u.Catalogue), size(u.Other))
			return err
		},
	}
	format.add(cmd)
	return cmd
}

// diskUsage returns the disk space of the files below dir. What cannot be read does not count.
func diskUsage(dir string) (n int64) {
	filepath.WalkDir(dir, func(_ string, e iofs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if fi, err := e.Info(); err == nil {
				n += fi.Sys().(*syscall.Stat_t).Blocks * 512
			}
		}
		return nil
	})
	return n
}

func cacheCleanCommand(cl *cli) *cobra.Command {
	var all bool
	var older duration
	cmd := &cobra.Command{
		Use:   "clean [SPEC... | --all | --older-than DURATION]",
		Short: "Remove blocks of dumps from the cache",
		Long:  cacheCleanLong + specHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			n := 0
			for _, given := range []bool{all, older > 0, len(args) > 0} {
				if given {
					n++
				}
			}
			if n != 1 {
				return usageErrorf("expected one of SPEC..., --all and --older-than")
			}
			return cl.cleanCache(cmd.Context(), args, all, time.Duration(older))
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "remove the blocks of all dumps of all corpora")
	cmd.Flags().Var(&older, "older-than", "remove what was not read for `DURATION`, as 30d")
	return cmd
}

func (cl *cli) cleanCache(ctx context.Context, words []string, all bool, older time.Duration) error {
	dir, err := cl.cachePath()
	if err != nil {
		return err
	}
	before := time.Now().Add(-older)
	chosen := func(_ string, used time.Time) bool { return all || used.Before(before) }
	if len(words) > 0 {
		names, err := cl.cachedNames(ctx, words)
		if err != nil {
			return err
		}
		chosen = func(name string, _ time.Time) bool { return names[name] }
	}
	done, err := cache.Clean(ctx, filepath.Join(dir, "blocks"), chosen)
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	text := fmt.Sprintf("%s removed, %s freed", english.Plural(done.Files, "object", ""), humanize.IBytes(uint64(done.Bytes)))
	if done.Kept > 0 {
		text += fmt.Sprintf("; %d in use and left", done.Kept)
	}
	cl.say("%s", text)
	return nil
}

// cachedNames returns the names in the cache of all objects of the dumps that words select.
func (cl *cli) cachedNames(ctx context.Context, words []string) (map[string]bool, error) {
	c, err := cl.openSynced(ctx, false)
	if err != nil {
		return nil, err
	}
	ids, err := c.selectIDs(ctx, words)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, notFoundf("no dump matches")
	}
	names := map[string]bool{}
	for _, id := range ids {
		entries, err := c.Files(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		for _, e := range entries {
			names[cache.FileName(store.Ref{Key: id.String() + "/" + e.Name, ETag: e.ETag})] = true
		}
	}
	return names, nil
}
