package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"thothfs/docs"
)

func manCommand(cl *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages",
		Long: `Writes manual pages into the directory DIR: one for the program and one for each verb, made of what --help prints, and
thothfs-spec(7).`,
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
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(args[0], "thothfs-spec.7"), specificationPage(), 0o644)
		},
	}
}

// specificationPage returns the manual page made of docs/specifications.md.
func specificationPage() []byte {
	_, text, _ := strings.Cut(docs.Specifications, "\n") // without the title
	page := "% \"THOTHFS-SPEC\" \"7\" \"\" \"thothfs\" \"thothfs\"\n" +
		"# NAME\nthothfs-spec - the language of dump specifications\n\n# DESCRIPTION\n" + strings.ReplaceAll(text, "\n## ", "\n# ")
	return md2man.Render([]byte(page))
}
