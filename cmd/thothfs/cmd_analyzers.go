package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/output"
	"thothfs/dump/document"
	"thothfs/store"
)

func analyzersCommand(cl *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "analyzers",
		Short: "List the corpus's analyzers",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cl.open(cmd.Context(), false)
			if err != nil {
				return err
			}
			entries, err := c.Analyzers(cmd.Context())
			for _, e := range entries {
				fmt.Fprintln(cl.stdout, output.Cell(e.Name))
			}
			return err
		},
	}
}

func analyzerCommand(cl *cli) *cobra.Command {
	var remove bool
	cmd := &cobra.Command{
		Use:   "analyzer NAME",
		Short: "Store an analyzer from standard input, or remove one",
		Long: `Stores what is on standard input as the analyzer NAME of the corpus, whatever was
there under that name; with --rm removes it. In a mount the analyzers are the files
of analyzers/.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, name := cmd.Context(), args[0]
			c, err := cl.open(ctx, false)
			if err != nil {
				return err
			}
			if remove {
				err := c.RemoveAnalyzer(ctx, name)
				if errors.Is(err, store.ErrNotExist) {
					return fmt.Errorf("there is no analyzer %q (see: thothfs analyzers)", name)
				}
				return err
			}
			text, err := cl.readStdin(ctx, "the script of the analyzer "+name, document.MaxSize)
			if errors.Is(err, errNoInput) {
				return fmt.Errorf("standard input is empty: give the script there, as in thothfs analyzer %s <script", name)
			}
			if err != nil {
				return err
			}
			return c.PutAnalyzer(ctx, name, text)
		},
	}
	cmd.Flags().BoolVar(&remove, "rm", false, "remove the analyzer")
	return cmd
}
