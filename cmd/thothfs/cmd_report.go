package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func reportCommand(cl *cli) *cobra.Command {
	var fresh bool
	cmd := &cobra.Command{
		Use:   "report [SPEC...] [PROP]",
		Short: "Count dumps by the value of a property",
		Long: `Prints a JSON object of the values that a property has among the dumps that match,
and how many dumps have each, the fewest first. Without a property, the number
of dumps.
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
			if len(sel.words) > 1 {
				return fmt.Errorf("one property is meant, not %d: %q", len(sel.words), sel.words)
			}
			if len(sel.words) == 0 {
				n, err := sel.count(cmd.Context())
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cl.stdout, n)
				return err
			}
			counts, err := sel.countBy(cmd.Context(), sel.words[0])
			if err != nil {
				return err
			}
			return counts.Write(cl.stdout)
		},
	}
	freshFlag(cmd, &fresh)
	return cmd
}
