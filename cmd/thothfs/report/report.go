// Package report counts dumps by the values of properties, and shows the counts as tables, JSON, bars in a
// terminal or a picture.
package report

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/corpus/catalog"
)

// None is how the value of dumps without a property is shown to people.
const None = "(none)"

// Value is a value of a property. The zero Value is that of dumps without the property.
type Value struct {
	Text  string
	IsSet bool
}

func (v Value) String() string {
	if !v.IsSet {
		return None
	}
	return v.Text
}

// Row is a combination of values, one for each property.
type Row struct {
	Values []Value
	Count  int // number of dumps; 0 only after FillGaps
}

// Report is the result of a count.
type Report struct {
	Properties []string
	Period     Period // of the property "time"; "" counts times as other values
	Zone       *time.Location
	Rows       []Row
}

// Count counts the dumps of a sequence for each combination of values.
func (r *Report) Count(dumps iter.Seq2[*corpus.Dump, error]) error {
	counts := map[string]*Row{}
	values := make([]Value, len(r.Properties))
	var key []byte
	for d, err := range dumps {
		if err != nil {
			return err
		}
		key = key[:0]
		for i, name := range r.Properties {
			values[i] = r.value(d, name)
			key = strconv.AppendBool(key, values[i].IsSet)
			key = strconv.AppendInt(key, int64(len(values[i].Text)), 10)
			key = append(append(key, ':'), values[i].Text...)
		}
		row := counts[string(key)]
		if row == nil {
			row = &Row{Values: slices.Clone(values)}
			counts[string(key)] = row
		}
		row.Count++
	}
	for _, row := range counts {
		r.Rows = append(r.Rows, *row)
	}
	r.Sort()
	return nil
}

// value returns the value of a property of a dump, which may be without a document if the property is a
// field of the catalogue or a period.
func (r *Report) value(d *corpus.Dump, name string) Value {
	if name == "time" && r.Period != "" {
		if d.Time.IsZero() {
			return Value{}
		}
		return Value{r.Period.label(d.Time.In(r.Zone)), true}
	}
	if d.Doc == nil {
		text := d.Text(catalog.FieldAt(name))
		return Value{text, text != ""}
	}
	v, ok := d.Value(name)
	text := strings.ToValidUTF8(v.Text(), "\ufffd")
	if !ok || text == "" { // which the catalogue does not distinguish
		return Value{}
	}
	return Value{text, true}
}

// Needs returns what must be known of each dump: values of fields, or documents.
func (r *Report) Needs() (fields []*catalog.Field, documents bool) {
	for _, name := range r.Properties {
		if name == "time" && r.Period != "" {
			continue
		}
		f := catalog.FieldAt(name)
		if f == nil {
			return nil, true
		}
		fields = append(fields, f)
	}
	return fields, false
}

// byTime returns the index of the property whose values are periods, or -1.
func (r *Report) byTime() int {
	if r.Period == "" {
		return -1
	}
	return slices.Index(r.Properties, "time")
}

// Sort sorts the rows: by time if there are periods, and those with the fewest dumps first.
func (r *Report) Sort() {
	byTime := r.byTime()
	slices.SortFunc(r.Rows, func(a, b Row) int {
		c := 0
		if byTime >= 0 {
			c = compareValues(a.Values[byTime], b.Values[byTime])
		}
		return cmp.Or(c, cmp.Compare(a.Count, b.Count), slices.CompareFunc(a.Values, b.Values, compareValues))
	})
}

func compareValues(a, b Value) int {
	switch {
	case a.IsSet == b.IsSet:
		return strings.Compare(a.Text, b.Text)
	case a.IsSet:
		return 1
	}
	return -1
}

// Limit removes all rows but the n with the most dumps.
func (r *Report) Limit(n int) {
	if n >= len(r.Rows) {
		return
	}
	most := slices.SortedStableFunc(slices.Values(r.Rows), func(a, b Row) int { return cmp.Compare(b.Count, a.Count) })
	r.Rows = most[:n]
	r.Sort()
}

// Reverse reverses the order of the rows.
func (r *Report) Reverse() { slices.Reverse(r.Rows) }

// cells returns the rows as text for people.
func (r *Report) cells() iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		for _, row := range r.Rows {
			if !yield(append(texts(row.Values, Value.String), strconv.Itoa(row.Count)), nil) {
				return
			}
		}
	}
}

func texts(values []Value, text func(Value) string) []string {
	all := make([]string, len(values), len(values)+2)
	for i, v := range values {
		all[i] = text(v)
	}
	return all
}

// columns returns the columns of a table.
func (r *Report) columns() []output.Column {
	var columns []output.Column
	for _, name := range r.Properties {
		columns = append(columns, output.Column{Head: strings.ToUpper(output.Cell(name)), Min: 4})
	}
	return append(columns, output.Column{Head: "COUNT", Right: true})
}
