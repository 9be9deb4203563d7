package main

import (
	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/output"
)

func lsCommand(cl *cli) *cobra.Command {
	var asJSON, fresh bool
	cmd := &cobra.Command{
		Use:   "ls [SPEC...] [PROP...]",
		Short: "List dumps",
		Long: `Lists the dumps that match, oldest first: all of them without a specification.
Every PROP becomes a column more, as psargs or properties.triage. With --json
the documents are printed as an array, each with its hash as "id".

While the store is away, what this machine knows is shown, and how old that is.
` + specHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := cl.openSynced(cmd.Context(), fresh)
			if err != nil {
				return err
			}
			sel, err := c.selectDumps(cmd.Context(), args)
			if err != nil {
				return err
			}
			if asJSON {
				return output.WriteDocuments(cl.stdout, sel.dumps(cmd.Context()))
			}
			return output.WriteTable(cl.stdout, sel.dumps(cmd.Context()), sel.words)
		},
	}
	freshFlag(cmd, &fresh)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the documents instead of a table")
	return cmd
}
