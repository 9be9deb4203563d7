package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"thothfs/cmd/thothfs/analyze"
	"thothfs/cmd/thothfs/output"
	"thothfs/dump/document"
	"thothfs/store"
)

func analyzersCommand(cl *cli) *cobra.Command {
	var format jsonFlag
	var quiet bool
	cmd := &cobra.Command{
		Use:   "analyzers",
		Short: "List the analyzers of the corpus, and those built in",
		Long: `Lists the analyzers of the corpus and the built-in ones, with the first sentence of the
comment at the beginning of each. If there are two of one name, analyze NAME runs that
of the corpus and analyze builtin:NAME the other. thothfs analyzer --show NAME prints
one.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cl.open(cmd.Context(), false)
			if err != nil {
				return err
			}
			if quiet {
				entries, err := c.Analyzers(cmd.Context())
				for _, e := range entries {
					fmt.Fprintln(cl.stdout, output.Cell(e.Name))
				}
				return err
			}
			all, err := analyze.List(cmd.Context(), c.Corpus)
			if err != nil {
				return err
			}
			if format.json {
				return writeJSON(cl.stdout, all)
			}
			return printAnalyzers(cl.stdout, all)
		},
	}
	format.add(cmd)
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print only the names of the corpus's analyzers")
	return cmd
}

func printAnalyzers(stdout io.Writer, all []analyze.Listed) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSOURCE\tWHAT")
	for _, a := range all {
		what := cmp.Or(a.What, "-")
		if a.Hidden {
			what = "(run it as builtin:" + a.Name + ") " + what
		}
		if f, ok := output.Terminal(stdout); ok {
			if width, _, err := term.GetSize(int(f.Fd())); err == nil {
				what = output.Shorten(what, max(20, width-32))
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", output.Cell(a.Name), a.Source, what)
	}
	return w.Flush()
}

func analyzerCommand(cl *cli) *cobra.Command {
	var remove, print bool
	cmd := &cobra.Command{
		Use:   "analyzer NAME",
		Short: "Store an analyzer from standard input, print or remove one",
		Long: `Stores standard input as the analyzer NAME of the corpus, in place of the one that had
that name. --rm removes the analyzer. --show prints it, or else the built-in analyzer of
that name; builtin:NAME always means the built-in one. In a mount, the analyzers are the
files in analyzers/.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, name := cmd.Context(), args[0]
			c, err := cl.open(ctx, false)
			if err != nil {
				return err
			}
			if remove && print {
				return usageErrorf("--rm and --show cannot be combined")
			}
			if print {
				text, err := analyze.Script(ctx, c.Corpus, name)
				if err != nil {
					return err
				}
				return printScript(cl.stdout, text)
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
	cmd.Flags().BoolVar(&print, "show", false, "print the analyzer")
	cmd.Flags().BoolVar(&remove, "rm", false, "remove the analyzer")
	return cmd
}

// printScript prints a script: without control characters on a terminal, and as it is elsewhere.
func printScript(stdout io.Writer, text []byte) error {
	if _, ok := output.Terminal(stdout); ok {
		text = []byte(output.Printable(string(text)))
	}
	_, err := stdout.Write(text)
	return err
}
