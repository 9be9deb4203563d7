package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/listing"
	"thothfs/cmd/thothfs/report"
	"thothfs/corpus"
	"thothfs/corpus/catalog"
	"thothfs/internal/atomicfile"
	"thothfs/query"
)

const reportLong = `Counts the dumps that match, by the value of a property, or by the combinations of
the values of several. Without a property it prints the number of dumps.

The counts of one property are a JSON object, the fewest first, as in the original:
dumps without the property are left out. Those of several are a table. -o takes json,
tsv or table; a table shows dumps without a value as (none). JSON of several is an
array of {"count": N, "values": {"PROP": VALUE}} with null for no value.

--by hour, day, week, month or year counts by the time of dumps, in local time unless
--utc is given: report --by day is short for report time --by day, and report --by week
signal counts signals of each week. Weeks begin on Monday, as in ISO 8601.

--plot draws bars; of times alone it shows the periods without dumps too. --svg FILE
writes them to a picture, and replaces FILE when the picture is complete.
`

// reportFlags are the flags of report.
type reportFlags struct {
	format       format
	by           period
	plot         bool
	svg          string
	last         count
	reverse      bool
	noHeaders    bool
	utc          bool
	since, until moment
}

func reportCommand(cl *cli) *cobra.Command {
	f := reportFlags{format: format{all: []listing.Format{listing.Table, listing.JSON, listing.TSV}}}
	cmd := &cobra.Command{
		Use:   "report [SPEC...] [PROP...]",
		Short: "Count dumps by the values of properties",
		Long:  reportLong + specHelp,
	}
	flags := cmd.Flags()
	flags.VarP(&f.format, "output", "o", "`FORMAT`: table, json or tsv (default: json of one property, table of several)")
	flags.Var(&f.by, "by", "count by time: `PERIOD` is hour, day, week, month or year")
	flags.BoolVar(&f.plot, "plot", false, "draw bars")
	flags.StringVar(&f.svg, "svg", "", "write bars to the picture `FILE`")
	flags.VarP(&f.last, "limit", "n", "only the `N` values with the most dumps")
	flags.BoolVarP(&f.reverse, "reverse", "r", false, "in the opposite order: the most first")
	flags.BoolVar(&f.noHeaders, "no-headers", false, "without the line of headings")
	flags.BoolVar(&f.utc, "utc", false, "count by time in UTC instead of local time")
	flags.Var(&f.since, "since", "only dumps made at or after `TIME`: yesterday, '2 hours ago', 3d, '2026-11-29 14:00' (local time) or RFC 3339")
	flags.Var(&f.until, "until", "only dumps made before `TIME`")
	return selectingVerb(cl, cmd, func(ctx context.Context, sel *selection, _ []string) error { return cl.report(ctx, sel, f) })
}

func (cl *cli) report(ctx context.Context, sel *selection, f reportFlags) error {
	properties, err := sel.properties(ctx)
	if err != nil {
		return err
	}
	if i := repeated(properties); i >= 0 {
		return usageErrorf("property %q is named twice", properties[i])
	}
	sel.spec = sel.spec.And(query.Between(f.since.Time, f.until.Time))
	bars := f.plot || f.svg != ""
	r := &report.Report{Properties: properties, Period: f.by.Period, Zone: time.Local}
	if f.utc {
		r.Zone = time.UTC
	}
	byTime := slices.Contains(properties, "time")
	switch {
	case r.Period != "" && !byTime:
		r.Properties = append([]string{"time"}, properties...)
	case r.Period == "" && byTime && bars:
		r.Period = "day"
	case len(properties) == 0 && (bars || f.format.Format != ""):
		return usageErrorf("name a property to count by, as in thothfs report cmd, or give --by day")
	case len(properties) == 0:
		n, err := sel.count(ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cl.stdout, n)
		return err
	}
	var first, last time.Time
	if len(r.Properties) == 1 && r.Period == "" {
		err = sel.countValues(ctx, r)
	} else {
		order := catalog.ListOptions{}
		order.Fields, order.Documents = r.Needs()
		err = r.Count(noteTimes(sel.list(ctx, order), &first, &last))
	}
	if err != nil {
		return err
	}
	if bars {
		r.FillGaps(first, last)
	}
	if f.last > 0 {
		r.Limit(int(f.last))
	}
	if f.reverse {
		r.Reverse()
	}
	return cl.writeReport(r, f)
}

func (cl *cli) writeReport(r *report.Report, f reportFlags) error {
	if f.svg != "" {
		if err := atomicfile.WriteFile(f.svg, r.SVG("dumps by "+strings.Join(r.Properties, ", "))); err != nil {
			return fmt.Errorf("--svg: %w", err)
		}
		if !f.plot && f.format.Format == "" {
			return nil
		}
	}
	kind := f.format.Format
	if kind == "" && len(r.Properties) == 1 {
		kind = listing.JSON
	}
	switch {
	case f.plot:
		return cl.paged(true, func(out screenWriter) error { return r.Plot(out, out.Screen) })
	case kind == listing.JSON:
		return r.WriteJSON(cl.stdout)
	case kind == listing.TSV:
		return r.WriteTSV(cl.stdout, f.noHeaders)
	}
	return cl.paged(true, func(out screenWriter) error { return r.WriteTable(out, out.Screen, f.noHeaders) })
}

// countValues counts the values of the only property of a report.
func (sel *selection) countValues(ctx context.Context, r *report.Report) error {
	counts, err := sel.countBy(ctx, r.Properties[0])
	if err != nil {
		return err
	}
	all, err := sel.count(ctx)
	if err != nil {
		return err
	}
	for text, n := range counts {
		r.Rows = append(r.Rows, report.Row{Values: []report.Value{{Text: text, IsSet: true}}, Count: n})
		all -= n
	}
	if all > 0 {
		r.Rows = append(r.Rows, report.Row{Values: []report.Value{{}}, Count: all})
	}
	r.Sort()
	return nil
}

// noteTimes passes dumps on, and notes the time of the first and the last of a sequence sorted by time.
func noteTimes(dumps iter.Seq2[*corpus.Dump, error], first, last *time.Time) iter.Seq2[*corpus.Dump, error] {
	return func(yield func(*corpus.Dump, error) bool) {
		for d, err := range dumps {
			if err == nil && !d.Time.IsZero() {
				if *last = d.Time; first.IsZero() {
					*first = d.Time
				}
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

// repeated returns the index of a word that occurs earlier, or -1.
func repeated(words []string) int {
	for i, word := range words {
		if slices.Contains(words[:i], word) {
			return i
		}
	}
	return -1
}

// period is a pflag.Value for a report.Period.
type period struct{ report.Period }

func (p *period) Type() string { return "PERIOD" }

func (p *period) String() string { return string(p.Period) }

func (p *period) Set(name string) error {
	if p.Period = report.Period(name); !slices.Contains(report.Periods, p.Period) {
		return fmt.Errorf("must be hour, day, week, month or year")
	}
	return nil
}
