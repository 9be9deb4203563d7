package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus/trash"
	"thothfs/dump"
	"thothfs/store"
)

const rmLong = `Moves every dump that matches to the trash. It is then in no listing and no view, here
at once and on other machines at their next poll. thothfs trash restore brings it
back; its bytes stay in the store until thothfs trash empty. On a terminal rm asks
before; without one it needs --yes for more than %d dumps.`

func rmCommand(cl *cli) *cobra.Command {
	var dryRun, yes bool
	cmd := &cobra.Command{
		Use:   "rm SPEC...",
		Short: "Move dumps to the trash",
		Long:  fmt.Sprintf(rmLong, maxUnasked) + "\n" + specHelp,
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			c, err := cl.open(ctx, false)
			if err != nil {
				return err
			}
			ids, err := c.syncAndSelect(ctx, args)
			if err != nil {
				return err
			}
			if dryRun {
				return printEach(cl, ids, dump.ID.String)
			}
			if err := cl.confirmRemoval(ctx, len(ids), yes); err != nil {
				return err
			}
			failed := forEach(cl, "removing", editsInFlight, ids, func(id dump.ID) error {
				_, err := trash.Remove(ctx, c.Corpus, id)
				if errors.Is(err, store.ErrNotExist) {
					err = nil // somebody else was faster
				}
				return err
			})
			return reportEach(ctx, cl, ids, english.Plural(len(ids)-len(failed), "dump", "")+" moved to the trash", failed)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print the hashes of the dumps that would be removed")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// confirmRemoval is like confirmEdits, but asks on a terminal whatever the number of dumps.
func (cl *cli) confirmRemoval(ctx context.Context, n int, yes bool) error {
	if _, ok := output.Terminal(cl.stdin); !ok {
		return cl.confirmEdits(ctx, n, yes)
	}
	if yes || n == 0 || cl.confirm(ctx, fmt.Sprintf("Move %s %s to the trash?", humanize.Comma(int64(n)), english.PluralWord(n, "dump", ""))) {
		return nil
	}
	return cmp.Or(ctx.Err(), errors.New("nothing was removed"))
}
