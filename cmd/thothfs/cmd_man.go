package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func manCommand(cl *cli) *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages",
		Long:   `Writes a manual page for the program and one for each verb into the directory DIR, made of what --help prints.`,
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			date := time.Unix(0, 0).UTC() // the pages do not depend on the date
			header := &doc.GenManHeader{Section: "1", Source: "thothfs", Manual: "thothfs", Date: &date}
			return doc.GenManTree(root, header, args[0])
		},
	}
}
