package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
)

func objectCommand(cl *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "object FILE...",
		Short: "Print the hash of local dumps",
		Long: `Prints Thoth's hash of each local dump, one a line: the name under which the
corpus keeps it. Compressed dumps (zstd, gzip, xz, lz4, bzip2) and flattened ones
(makedumpfile -F) are unpacked for that.
Nothing is uploaded and no corpus is needed.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			var failed error
			for _, path := range files {
				id, err := corpus.HashFile(cmd.Context(), path, "")
				if err != nil {
					fmt.Fprintf(cl.stderr, "thothfs: %s: %s\n", output.Printable(path), output.Printable(err.Error()))
					failed = output.ErrReported
					continue
				}
				if _, err := fmt.Fprintln(cl.stdout, id); err != nil {
					return err
				}
			}
			return failed
		},
	}
}
