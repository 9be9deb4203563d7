package main

import (
	"context"

	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/output"
)

func lsCommand(cl *cli) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "ls [SPEC...] [PROP...]",
		Aliases: []string{"list"},
		Short:   "List dumps",
		Long: `Lists the dumps that match, oldest first: all of them without a specification.
Every PROP becomes a column more, as psargs or triage.engineer. With --json
the documents are printed as an array, each with its hash as "id".

While the store is away, what this machine knows is shown, and how old that is.
` + specHelp,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the documents instead of a table")
	return selectingVerb(cl, cmd, func(ctx context.Context, sel *selection, _ []string) error {
		properties, err := sel.properties(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			return output.WriteDocuments(cl.stdout, sel.all(ctx))
		}
		return output.WriteTable(cl.stdout, sel.all(ctx), properties)
	})
}
