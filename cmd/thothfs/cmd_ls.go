package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/listing"
	"thothfs/corpus/catalog"
	"thothfs/query"
)

const lsLong = `Lists the dumps that match, oldest first: all of them without a specification.
Every PROP becomes a column more, as psargs or triage.engineer.

On a terminal, values are cut to fit its width (-o wide cuts nothing), sizes are in
K, M and G as in specifications, hashes have 12 to 16 digits, which is enough to name
a dump, and a long list is shown by $PAGER (less -FRX; PAGER=cat for none). NO_COLOR
turns colours off. In a pipe or a file, hashes and values are whole, sizes are bytes,
and times are RFC 3339.

Formats of -o:
  table   the default
  wide    more columns, and nothing is cut
  json    an array of the documents, each with its hash as "id"
  jsonl   the same, a line for each dump
  yaml    the same as YAML
  tsv     tab-separated values, with the names of the properties in the first line;
          \t, \n, \r and \\ stand for these characters
  name    the hashes alone, one a line

--sort takes %s.
Numbers are sorted as numbers, dumps without a value come first, and dumps with the
same value are sorted by time. -n takes the newest dumps, or those at the end of
the order of --sort: --sort size -n 10 lists the ten largest.

While the store is unreachable, what this machine knows is shown, and how old that is.
`

// lsFlags are the flags of ls.
type lsFlags struct {
	format       format
	asJSON       bool
	quiet        bool
	sort         sortField
	last         count
	reverse      bool
	since, until moment
	listing.Options
}

func lsCommand(cl *cli) *cobra.Command {
	f := lsFlags{format: format{listing.Table, listing.Formats}}
	cmd := &cobra.Command{
		Use:     "ls [SPEC...] [PROP...]",
		Aliases: []string{"list"},
		Short:   "List dumps",
		Example: `  thothfs ls
  thothfs ls cmd=worker signal=SIGSEGV --since '2 days ago'
  thothfs ls --sort size -n 10
  thothfs ls ticket=undefined -o json`,
		Long: fmt.Sprintf(lsLong, strings.Join(sortNames(), ", ")) + specHelp,
	}
	flags := cmd.Flags()
	flags.VarP(&f.format, "output", "o", "`FORMAT`: table, wide, json, jsonl, yaml, tsv or name")
	flags.BoolVar(&f.asJSON, "json", false, "the same as -o json")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "the same as -o name")
	flags.BoolVar(&f.NoHeaders, "no-headers", false, "without the line of headings")
	flags.Var(&f.sort, "sort", "sort by `FIELD`")
	flags.VarP(&f.last, "limit", "n", "only the newest `N` dumps; with --sort the N at its end")
	flags.BoolVarP(&f.reverse, "reverse", "r", false, "newest first; with --sort the greatest first")
	flags.Var(&f.since, "since", "only dumps made at or after `TIME`: yesterday, '2 hours ago', 3d, '2026-11-29 14:00' (local time) or RFC 3339")
	flags.Var(&f.until, "until", "only dumps made before `TIME`")
	flags.BoolVar(&f.Relative, "relative", false, "show how long ago dumps were made, as 2h ago")
	flags.BoolVar(&f.UTC, "utc", false, "show times in UTC instead of local time")
	return selectingVerb(cl, cmd, func(ctx context.Context, sel *selection, _ []string) error { return cl.ls(ctx, sel, f) })
}

func (cl *cli) ls(ctx context.Context, sel *selection, f lsFlags) (err error) {
	if f.Properties, err = sel.properties(ctx); err != nil {
		return err
	}
	f.Format, f.Now = f.format.Format, time.Now()
	switch {
	case f.asJSON && f.quiet:
		return usageErrorf("--json and --quiet cannot be combined")
	case f.asJSON:
		f.Format = listing.JSON
	case f.quiet:
		f.Format = listing.Name
	}
	if len(f.Properties) > 0 && f.Format == listing.Name {
		return usageErrorf("-o name prints hashes alone, without %s", strings.Join(f.Properties, ", "))
	}
	sel.spec = sel.spec.And(query.Between(f.since.Time, f.until.Time))
	order := catalog.ListOptions{Sort: f.sort.field, Last: int(f.last), Reverse: f.reverse}
	order.Fields, order.Documents = f.Needs()
	return cl.paged(f.IsTable(), func(out screenWriter) error {
		f.Screen = out.Screen
		return f.Write(out, sel.list(ctx, order))
	})
}

// sortField is a pflag.Value for a field of the catalogue to sort by. A nil field is the time.
type sortField struct{ field *catalog.Field }

// sortNames returns the names of the fields to sort by.
func sortNames() []string {
	names := []string{"time"}
	for _, f := range catalog.Fields {
		names = append(names, f.Name)
	}
	return names
}

func (s *sortField) Type() string { return "FIELD" }

func (s *sortField) String() string {
	if s.field == nil {
		return ""
	}
	return s.field.Name
}

func (s *sortField) Set(name string) error {
	if s.field = catalog.FieldAt(name); s.field == nil && name != "time" {
		return fmt.Errorf("must be one of %s", strings.Join(sortNames(), ", "))
	}
	return nil
}
