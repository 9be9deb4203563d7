package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/corpus/ingest"
	"thothfs/dump"
	"thothfs/store"
)

const attachLong = `Stores files in the directory of a dump in the corpus: the vmlinux of a kernel dump, the
program that dumped core, a log. debug finds programs and kernels there. If a file of
that name with the same content is there already, nothing happens; if its content
differs, it is replaced only with --replace.

DUMP is a hash or a unique prefix of one, a path in a mount, a local dump, or a
specification that matches one dump.`

type attachFlags struct {
	name            string
	replace, remove bool
}

func attachCommand(cl *cli) *cobra.Command {
	var f attachFlags
	cmd := &cobra.Command{
		Use:   "attach DUMP FILE...",
		Short: "Store files beside a dump",
		Long:  attachLong,
		Args:  cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.remove && (f.name != "" || f.replace):
				return usageErrorf("--rm cannot be combined with --name or --replace")
			case f.name != "" && len(args) != 2:
				return usageErrorf("--name %s is for one file, but %d were given", f.name, len(args)-1)
			}
			return runAttach(cmd.Context(), cl, args[0], args[1:], f)
		},
	}
	cmd.Flags().StringVar(&f.name, "name", "", "store the file as `NAME` (default: its own name)")
	cmd.Flags().BoolVar(&f.replace, "replace", false, "replace a file of the same name that has other content")
	cmd.Flags().BoolVar(&f.remove, "rm", false, "remove attached files: FILE is a name in the dump's directory")
	return cmd
}

func runAttach(ctx context.Context, cl *cli, word string, files []string, f attachFlags) error {
	c, err := cl.open(ctx, false)
	if err != nil {
		return err
	}
	id, err := c.findDump(ctx, word)
	if err != nil {
		return err
	}
	return eachFile(ctx, cl, files, func(file string) error {
		if !f.remove {
			return attachOne(ctx, cl, c.Corpus, id, file, f)
		}
		err := ingest.Detach(ctx, c.Corpus, id, file)
		if errors.Is(err, store.ErrNotExist) {
			return fmt.Errorf("%s has no file %s", id, file)
		}
		return err
	})
}

func attachOne(ctx context.Context, cl *cli, c *corpus.Corpus, id dump.ID, path string, f attachFlags) error {
	name := cmp.Or(f.name, filepath.Base(path))
	fi, err := os.Stat(path) // opening a FIFO could block
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	bar := output.NewProgress(cl.stderr, name, true)
	stored, err := ingest.Attach(ctx, c, id, name, file, fi.Size(), f.replace, bar.SetBytes)
	bar.Done()
	switch {
	case errors.Is(err, ingest.ErrAttached):
		return fmt.Errorf("%w; --replace replaces it", err)
	case err != nil:
		return err
	case stored:
		cl.say("%s: %s attached", id, name)
	default:
		cl.say("%s: %s is already there", id, name)
	}
	return nil
}
