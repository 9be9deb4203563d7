package main

import (
	"fmt"
	"iter"

	"thothfs/cmd/thothfs/output"

	"github.com/spf13/cobra"
)

func infoCommand(cl *cli) *cobra.Command {
	var fresh bool
	cmd := &cobra.Command{
		Use:   "info SPEC...",
		Short: "Print what is known of dumps, as JSON",
		Long: `Prints the document of the dump that is named, or an array of the documents of
those that match a specification, each with its hash as "id". The exit code is 2
when a dump that is named is not in the corpus.
` + specHelp,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := cl.corpusNowOrKnown(cmd.Context(), fresh)
			if err != nil {
				return err
			}
			sel, err := cl.selectDumps(cmd.Context(), c, args)
			if err != nil {
				return err
			}
			if err := sel.noWords(); err != nil {
				return err
			}
			return printInfo(cl, sel.dumps(cmd.Context()), sel.single(args))
		},
	}
	freshFlag(cmd, &fresh)
	return cmd
}

// noWords refuses words that are neither constraints nor dumps.
func (sel *selection) noWords() error {
	if len(sel.words) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w: a hash, the path of a local dump, or prop=value is meant", sel.words[0], errNotInCorpus)
}

// single says that the words are the name of one dump, and nothing else.
func (sel *selection) single(args []string) bool {
	return len(args) == 1 && len(sel.ids) == 1 && !sel.spec.FromStdin()
}

func printInfo(cl *cli, dumps iter.Seq2[output.Dump, error], single bool) error {
	reporting := func(yield func(output.Dump, error) bool) {
		for l, err := range dumps {
			if err == nil {
				sayDamage(cl, l)
			}
			if !yield(l, err) {
				return
			}
		}
	}
	if !single {
		return output.WriteDocuments(cl.stdout, reporting)
	}
	for l, err := range reporting {
		if err != nil {
			return err
		}
		return output.WriteDocument(cl.stdout, l)
	}
	return nil
}

// sayDamage tells on stderr that a document is shown only as far as it can be read.
func sayDamage(cl *cli, l output.Dump) {
	if d := l.Doc.Damage(); d != "" {
		fmt.Fprintf(cl.stderr, "thothfs: %s: info.json is damaged: %s\n", l.ID, output.Printable(d))
	}
}
