package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func reportCommand(cl *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report [SPEC...] [PROP]",
		Short: "Count dumps by the value of a property",
		Long: `Prints a JSON object of the values that a property has among the dumps that match,
and how many dumps have each, the fewest first. Without a property, the number
of dumps.
` + specHelp,
	}
	return selectingVerb(cl, cmd, func(ctx context.Context, sel *selection, _ []string) error {
		properties, err := sel.properties(ctx)
		if err != nil {
			return err
		}
		switch len(properties) {
		case 0:
			n, err := sel.count(ctx)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cl.stdout, n)
			return err
		case 1:
			counts, err := sel.countBy(ctx, properties[0])
			if err != nil {
				return err
			}
			return counts.Write(cl.stdout)
		}
		return usageErrorf("expected one property, not %d: %q", len(properties), properties)
	})
}
