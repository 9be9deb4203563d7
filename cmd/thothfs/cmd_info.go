package main

import (
	"context"

	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
)

const infoLong = `Prints the info.json of a dump that is named by one word (a hash, a prefix or a path)
as a JSON object. For anything else, such as a specification, several words or
dump=stdin, it prints an array of objects, even of one, each with the hash as "id".
thothfs ls -o jsonl always prints one object a line. The exit code is 3
when a dump that is named is not in the corpus.
`

func infoCommand(cl *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "info SPEC...",
		Short: "Print the info.json of dumps",
		Long:  infoLong + specHelp,
		Args:  cobra.MinimumNArgs(1),
	}
	return selectingVerb(cl, cmd, func(ctx context.Context, sel *selection, args []string) error {
		if err := sel.onlyDumps(ctx); err != nil {
			return err
		}
		reporting := func(yield func(*corpus.Dump, error) bool) {
			for d, err := range sel.all(ctx) {
				if err == nil && d.Doc.Damage() != "" {
					cl.say("%s: info.json is damaged: %s", d.ID, d.Doc.Damage())
				}
				if !yield(d, err) {
					return
				}
			}
		}
		if len(args) != 1 || len(sel.ids) != 1 || sel.spec.FromStdin() {
			return output.WriteDocuments(cl.stdout, reporting)
		}
		for d, err := range reporting {
			if err != nil {
				return err
			}
			return output.WriteDocument(cl.stdout, d)
		}
		return nil
	})
}
