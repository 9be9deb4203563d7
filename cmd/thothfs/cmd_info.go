package main

import (
	"context"
	"iter"

	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
)

func infoCommand(cl *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "info SPEC...",
		Short: "Print what is known of dumps, as JSON",
		Long: `Prints the document of the dump that is named, or an array of the documents of
those that match a specification, each with its hash as "id". The exit code is 2
when a dump that is named is not in the corpus.
` + specHelp,
		Args: cobra.MinimumNArgs(1),
	}
	return selectingVerb(cl, cmd, func(ctx context.Context, sel *selection, args []string) error {
		if err := sel.onlyDumps(); err != nil {
			return err
		}
		single := len(args) == 1 && len(sel.ids) == 1 && !sel.spec.FromStdin()
		return printInfo(cl, sel.all(ctx), single)
	})
}

// printInfo prints the document of a single dump, or an array of documents, and reports which ones
// are damaged.
func printInfo(cl *cli, dumps iter.Seq2[*corpus.Dump, error], single bool) error {
	reporting := func(yield func(*corpus.Dump, error) bool) {
		for d, err := range dumps {
			if err == nil && d.Doc.Damage() != "" {
				cl.say("%s: info.json is damaged: %s", d.ID, d.Doc.Damage())
			}
			if !yield(d, err) {
				return
			}
		}
	}
	if !single {
		return output.WriteDocuments(cl.stdout, reporting)
	}
	for d, err := range reporting {
		if err != nil {
			return err
		}
		return output.WriteDocument(cl.stdout, d)
	}
	return nil
}
