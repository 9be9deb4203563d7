package main

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/corpus/download"
	"thothfs/dump"
	"thothfs/store"
)

const getLong = `Copies a dump out of the corpus to a local file, without a mount, and prints the
path of the file. The default name is that of the dump in the corpus, in the current
directory; -o names a file or a directory, and -o - writes to standard output.

The copy is sparse, private to the user and verified: by the MD5 that the store has,
or else by its hash. It gets its name when it is complete. If it is interrupted, the
same command continues it: until then it is beside FILE under a name that begins with
.thothfs-get-, which can be removed.

DUMP is a hash or a unique prefix of one, a path in a mount, a local dump, or a
specification that one dump matches.`

type getFlags struct {
	output string
	force  bool
}

func getCommand(cl *cli) *cobra.Command {
	var f getFlags
	cmd := &cobra.Command{
		Use:   "get DUMP [-o FILE|-]",
		Short: "Copy a dump to a local file",
		Long:  getLong,
		Example: `  thothfs get 3308be28
  thothfs get 3308be28 -o - | zstd >core.zst`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runGet(cmd.Context(), cl, args[0], f) },
	}
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "write to `FILE`, into the directory FILE, or to standard output (-)")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace an existing file")
	return cmd
}

func runGet(ctx context.Context, cl *cli, word string, f getFlags) error {
	toStdout := f.output == "-"
	if _, terminal := output.Terminal(cl.stdout); toStdout && terminal {
		return usageErrorf("standard output is a terminal: redirect it, or name a file with -o FILE")
	}
	c, err := cl.open(ctx, false)
	if err != nil {
		return err
	}
	id, err := c.findDump(ctx, word)
	if err != nil {
		return err
	}
	src, closeSource, err := c.downloadSource(ctx, id)
	if err != nil {
		return err
	}
	defer closeSource()
	path := ""
	if !toStdout {
		if path, err = getPath(f.output, id, src.Ref.Key); err != nil {
			return err
		}
	}
	bar := output.NewProgress(cl.stderr, filepath.Base(src.Ref.Key), true)
	var kept int64
	if toStdout {
		err = download.ToWriter(ctx, src, cl.stdout, bar.SetBytes)
	} else {
		kept, err = download.ToFile(ctx, src, path, f.force, bar.SetBytes)
	}
	bar.Done()
	switch {
	case errors.Is(err, iofs.ErrExist):
		return fmt.Errorf("%s exists; give another name with -o, or --force to replace it", path)
	case err != nil && kept > 0:
		cl.say("%s of %s are kept; the same command continues", humanize.IBytes(uint64(kept)), humanize.IBytes(uint64(src.Size)))
		return err
	case err != nil || toStdout:
		return err
	}
	_, err = fmt.Fprintln(cl.stdout, output.Cell(path))
	return err
}

// getPath returns the path of the file for the dump id, which has the given key.
func getPath(wanted string, id dump.ID, key string) (string, error) {
	name := key[strings.LastIndexByte(key, '/')+1:]
	if !corpus.ValidFileName(name) || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-") {
		name = "core." + id.Short()
	}
	if wanted == "" {
		return name, nil
	}
	switch fi, err := os.Stat(wanted); {
	case err == nil && fi.IsDir():
		return filepath.Join(wanted, name), nil
	case err == nil && !fi.Mode().IsRegular():
		return "", usageErrorf("%s is not a regular file; -o - writes to standard output", wanted)
	case strings.HasSuffix(wanted, "/"):
		return "", fmt.Errorf("%s: no such directory", wanted)
	}
	return wanted, nil
}

// downloadSource returns what to copy for a dump: a local file, a version that is complete in the
// cache, or the object in the store. closeSource must be called after the copy.
func (c *openedCorpus) downloadSource(ctx context.Context, id dump.ID) (src *download.Source, closeSource func(), err error) {
	c.Stale(id)
	e, err := c.DumpFile(ctx, id)
	if errors.Is(err, store.ErrNotExist) {
		err = fmt.Errorf("the corpus has only the info.json of %s: the dump itself is %w", id, errNotInCorpus)
	}
	if err != nil {
		return nil, nil, err
	}
	ref := store.Ref{Key: id.String() + "/" + e.Name, ETag: e.ETag}
	src = &download.Source{Ref: ref, Size: e.Size, MD5: e.MD5, Verify: download.HashIs(id)}
	if local, ok := store.AsLocal(c.store); ok {
		file, err := local.OpenLocal(ctx, ref)
		if err != nil {
			return nil, nil, err
		}
		src.Data = download.DataOf(file, e.Size)
		src.ReadAt = func(_ context.Context, p []byte, off int64) (int, error) { return file.ReadAt(p, off) }
		return src, func() { file.Close() }, nil
	}
	o := c.cacheOptions(mountFlags{})
	o.Predict, o.Hot = nil, nil // they would fetch what is being copied
	blocks, err := c.openBlocks(o)
	if err != nil {
		return nil, nil, err
	}
	if held := blocks.Open(ref, e.Size); held.IsComplete() {
		src.ReadAt = held.ReadAt
		return src, func() { held.Close() }, c.askMD5(ctx, src)
	} else if err := held.Close(); err != nil {
		return nil, nil, err
	}
	src.ReadAt = func(ctx context.Context, p []byte, off int64) (int, error) { return c.store.ReadAt(ctx, ref, p, off) }
	if err := c.useDataMap(ctx, id, src); err != nil {
		return nil, nil, err
	}
	return src, func() {}, c.askMD5(ctx, src)
}

// askMD5 asks the store for the MD5, if neither that nor the checksum of the data is known.
func (c *openedCorpus) askMD5(ctx context.Context, src *download.Source) error {
	if src.MD5 != nil || src.DataSum != nil {
		return nil
	}
	if attr, err := c.store.Stat(ctx, src.Ref.Key); err == nil && attr.ETag == src.Ref.ETag {
		src.MD5 = attr.MD5
	}
	return ctx.Err()
}

// useDataMap makes a download leave out the zeros of a dump, if there is a map that tells them.
func (c *openedCorpus) useDataMap(ctx context.Context, id dump.ID, src *download.Source) error {
	entries, err := c.Files(ctx, id)
	if err != nil || !slices.ContainsFunc(entries, func(e store.Entry) bool { return e.Name == corpus.DataMapName }) {
		return err
	}
	text, _, err := c.store.Get(ctx, store.Ref{Key: id.String() + "/" + corpus.DataMapName}, download.MaxMap)
	if err == nil {
		var m *download.Map
		if m, err = download.DecodeMap(src.Ref, src.Size, text); err == nil {
			m.Apply(src)
		}
	}
	if err != nil {
		c.log.Info("no usable data map, the whole dump is fetched", "id", id, "error", err)
	}
	return ctx.Err()
}
