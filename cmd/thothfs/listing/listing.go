// Package listing prints the dumps that `ls` lists: as a table, as JSON, YAML or tab-separated values, or as
// hashes alone.
package listing

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/corpus/catalog"
)

// Format is a format of a list.
type Format string

// The formats of lists.
const (
	Table Format = "table"
	Wide  Format = "wide" // a table with more columns, in which nothing is cut
	JSON  Format = "json"
	JSONL Format = "jsonl"
	YAML  Format = "yaml"
	TSV   Format = "tsv"
	Name  Format = "name"
)

// Formats are all formats.
var Formats = []Format{Table, Wide, JSON, JSONL, YAML, TSV, Name}

// Options specify how a list is printed.
type Options struct {
	Format     Format
	Properties []string // each is a further column
	NoHeaders  bool
	Relative   bool // times are ages, as 2h ago
	UTC        bool // times are in UTC instead of local time
	Screen     output.Screen
	Now        time.Time
}

// IsTable reports whether the list is one for people.
func (o *Options) IsTable() bool { return o.Format == Table || o.Format == Wide }

// Needs returns what a list in this format says about each dump: values of fields, or documents.
func (o *Options) Needs() (fields []*catalog.Field, documents bool) {
	if o.Format == JSON || o.Format == JSONL || o.Format == YAML {
		return nil, true
	}
	for _, c := range o.columns() {
		for _, name := range c.needs {
			f := catalog.FieldAt(name)
			if f == nil {
				return nil, true
			}
			if !slices.Contains(fields, f) {
				fields = append(fields, f)
			}
		}
	}
	return fields, false
}

// Write prints the dumps of a sequence as they arrive. It returns the first error of the sequence; what it
// has printed is complete even then.
func (o *Options) Write(w io.Writer, dumps iter.Seq2[*corpus.Dump, error]) error {
	switch o.Format {
	case JSON:
		return output.WriteDocuments(w, dumps)
	case JSONL:
		return output.WriteLines(w, dumps)
	case YAML:
		return writeYAML(w, dumps)
	}
	columns := o.columns()
	rows := rowsOf(columns, dumps)
	switch o.Format {
	case TSV:
		return output.WriteTSV(w, headsOf(columns), o.NoHeaders, rows)
	case Name:
		return output.WriteTSV(w, nil, true, rows)
	}
	t := output.Table{Screen: o.Screen, NoHeaders: o.NoHeaders}
	if o.Format == Wide {
		t.Screen.Width = 0
	}
	for _, c := range columns {
		t.Columns = append(t.Columns, c.Column)
	}
	return t.Write(w, rows)
}

func headsOf(columns []column) []string {
	var heads []string
	for _, c := range columns {
		heads = append(heads, c.Head)
	}
	return heads
}

func rowsOf(columns []column, dumps iter.Seq2[*corpus.Dump, error]) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		row := make([]string, len(columns))
		for d, err := range dumps {
			if err == nil {
				for i := range columns {
					row[i] = columns[i].text(d)
				}
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// column is a column of a list.
type column struct {
	output.Column
	needs []string // names of the properties that text reads
	text  func(*corpus.Dump) string
}

// Widths to which columns may be cut.
const (
	minHash = 12 // two of a million hashes with the same 12 digits are unlikely
	minText = 4
)

// columns returns the columns of a list, in their order.
func (o *Options) columns() []column {
	onScreen := o.Screen.Width > 0 && o.Format != TSV
	hash := column{Column: output.Column{Head: "DUMP", Colour: output.Yellow}, text: func(d *corpus.Dump) string { return d.ID.String() }}
	if onScreen && o.Format != Name {
		hash.Min, hash.Spare, hash.Cut, hash.text = minHash, true, output.TrimEnd, func(d *corpus.Dump) string { return d.ID.Short() }
	}
	at := column{Column: output.Column{Head: "TIME"}, text: o.timeText(onScreen)}
	size := textColumn("SIZE", "size")
	size.Right = true
	if onScreen {
		size.text = func(d *corpus.Dump) string { return output.ShortSize(value(d, "size")) }
	}
	signal := textColumn("SIG", "signal")
	signal.Min, signal.Colour = 0, output.Red
	exe, ticket := textColumn("EXE", "exe"), textColumn("TICKET", "ticket")
	exe.Cut, ticket.Colour = output.ShortenStart, output.Green
	var columns []column
	switch o.Format {
	case Name:
		return []column{hash}
	case TSV:
		hash.Head, at.Head = "id", "time"
		columns = []column{hash, at}
		for _, name := range []string{"type", "signal", "cmd", "exe", "node", "size", "ticket"} {
			columns = append(columns, textColumn(name, name))
		}
	case Wide:
		columns = []column{at, hash, textColumn("TYPE", "type"), signal, textColumn("CMD", "cmd"), exe, textColumn("NODE", "node"), size,
			textColumn("UID", "uid"), ticket, textColumn("PLATFORM", "platform"), textColumn("SIGNATURE", "signature")}
	default:
		exe.Head, exe.needs = "EXE/NODE", []string{"exe", "node"}
		exe.text = func(d *corpus.Dump) string { return cmp.Or(value(d, "exe"), value(d, "node")) }
		columns = []column{at, hash, signal, textColumn("CMD", "cmd"), exe, size, ticket}
	}
	for _, p := range o.Properties {
		columns = append(columns, o.property(p, onScreen))
	}
	return columns
}

// property returns the column of a property that the user has named.
func (o *Options) property(name string, onScreen bool) column {
	head := name
	if o.Format != TSV {
		head = strings.ToUpper(output.Cell(name[strings.LastIndexByte(name, '.')+1:]))
	}
	c := textColumn(head, name)
	switch name {
	case "time":
		c.needs, c.text = nil, o.timeText(onScreen)
	case "id":
		c.needs, c.text = nil, func(d *corpus.Dump) string { return d.ID.String() }
	}
	return c
}

func textColumn(head, name string) column {
	return column{output.Column{Head: head, Min: minText}, []string{name}, func(d *corpus.Dump) string { return value(d, name) }}
}

// value returns the text of a property, or "". Without a document, the property is one of a field of the
// catalogue.
func value(d *corpus.Dump, name string) string {
	if d.Doc == nil {
		return d.Text(catalog.FieldAt(name))
	}
	if v, ok := d.Value(name); ok {
		return v.Text()
	}
	return ""
}

// timeText returns a function that formats the time of a dump.
func (o *Options) timeText(onScreen bool) func(*corpus.Dump) string {
	layout, zone := time.RFC3339, time.Local
	if onScreen {
		layout = time.DateTime
	}
	if o.UTC {
		zone = time.UTC
		if onScreen {
			layout += "Z"
		}
	}
	return func(d *corpus.Dump) string {
		switch {
		case d.Time.IsZero():
			return ""
		case o.Relative:
			return age(o.Now.Sub(d.Time))
		}
		return d.Time.In(zone).Format(layout)
	}
}

// age returns a duration as 2h ago, in the units of specifications.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	before, after := "", " ago"
	if d < 0 {
		d, before, after = -d, "in ", ""
	}
	n, unit := int64(d/(365*day)), "y"
	switch {
	case d < time.Minute:
		n, unit = int64(d/time.Second), "s"
	case d < time.Hour:
		n, unit = int64(d/time.Minute), "min"
	case d < 2*day:
		n, unit = int64(d/time.Hour), "h"
	case d < 100*day:
		n, unit = int64(d/day), "d"
	case d < 2*365*day:
		n, unit = int64(d/(7*day)), "w"
	}
	return fmt.Sprintf("%s%d%s%s", before, n, unit, after)
}
