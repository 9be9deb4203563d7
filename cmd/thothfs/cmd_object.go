package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus/ingest"
)

func objectCommand(cl *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "object FILE...",
		Short: "Print the hash of local dumps",
		Long: `Prints Thoth's hash of each local dump, one a line, by which the corpus names the dump,
followed by the name of the file if there are several. Compressed dumps (zstd, gzip, xz,
lz4, bzip2) and flattened ones (makedumpfile -F) are unpacked for that. Nothing is
uploaded, and no corpus is needed.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			return eachFile(cmd.Context(), cl, files, func(path string) error {
				id, err := ingest.HashFile(cmd.Context(), path, "")
				switch {
				case err != nil:
				case len(files) == 1:
					_, err = fmt.Fprintln(cl.stdout, id)
				default:
					_, err = fmt.Fprintf(cl.stdout, "%s  %s\n", id, output.Cell(path))
				}
				return err
			})
		},
	}
}
