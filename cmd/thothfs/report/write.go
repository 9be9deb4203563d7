package report

import (
	"bufio"
	"cmp"
	"encoding/json"
	"io"
	"iter"
	"strconv"
	"strings"

	"thothfs/cmd/thothfs/output"
)

// WriteTable prints the report as a table.
func (r *Report) WriteTable(w io.Writer, screen output.Screen, noHeaders bool) error {
	t := output.Table{Columns: r.columns(), Screen: screen, NoHeaders: noHeaders}
	return t.Write(w, r.cells())
}

// WriteTSV prints the report as tab-separated values: names of properties and "count" in the first line. The
// value of dumps without a property is empty.
func (r *Report) WriteTSV(w io.Writer, noHeaders bool) error {
	var rows iter.Seq2[[]string, error] = func(yield func([]string, error) bool) {
		for _, row := range r.Rows {
			cells := texts(row.Values, func(v Value) string { return v.Text })
			if !yield(append(cells, strconv.Itoa(row.Count)), nil) {
				return
			}
		}
	}
	return output.WriteTSV(w, append(append([]string(nil), r.Properties...), "count"), noHeaders, rows)
}

// WriteJSON prints the report of one property as an object of its values and the numbers of dumps that
// have them; dumps without the property are left out, as in the original. The report of several is an
// array of objects with "count" and "values", an object with null for dumps without a property.
func (r *Report) WriteJSON(w io.Writer) error {
	out := bufio.NewWriter(w)
	open, end, separator := "[", "]", "\n"
	if len(r.Properties) == 1 {
		open, end = "{", "}"
	}
	out.WriteString(open)
	for _, row := range r.Rows {
		if len(r.Properties) == 1 && !row.Values[0].IsSet {
			continue
		}
		out.WriteString(separator + "    ")
		separator = ",\n"
		if len(r.Properties) == 1 {
			out.WriteString(output.QuoteJSON(row.Values[0].Text) + ": " + strconv.Itoa(row.Count))
			continue
		}
		out.WriteString(`{"count": ` + strconv.Itoa(row.Count) + `, "values": {`)
		for i, v := range row.Values {
			if i > 0 {
				out.WriteString(", ")
			}
			text := json.RawMessage("null")
			if v.IsSet {
				text = json.RawMessage(output.QuoteJSON(v.Text))
			}
			out.WriteString(output.QuoteJSON(r.Properties[i]) + ": " + string(text))
		}
		out.WriteString("}}")
	}
	if separator != "\n" {
		out.WriteString("\n")
	}
	out.WriteString(end + "\n")
	return out.Flush()
}

// Plot prints the report as bars of blocks, which fit the screen.
func (r *Report) Plot(w io.Writer, screen output.Screen) error {
	const gaps, least = 2, 10
	width := screen.Width
	if width == 0 {
		width = 80
	}
	most, labels, counts := 1, 0, len("COUNT")
	for _, row := range r.Rows {
		most = max(most, row.Count)
		labels = max(labels, output.TextWidth(r.label(row)))
		counts = max(counts, len(strconv.Itoa(row.Count)))
	}
	heads := strings.ToUpper(output.Cell(strings.Join(r.Properties, " ")))
	labels = min(max(labels, output.TextWidth(heads)), max(width-counts-gaps-least, width/3))
	room := max(width-labels-counts-gaps, 1)
	t := output.Table{Screen: screen, Columns: []output.Column{{Head: heads, Min: labels}, {Head: "COUNT", Right: true}, {Colour: output.Green}}}
	return t.Write(w, func(yield func([]string, error) bool) {
		for _, row := range r.Rows {
			line := cmp.Or(bar(row.Count, most, room, screen.UTF8), " ") // a table has a dash for nothing
			if !yield([]string{output.Shorten(r.label(row), labels), strconv.Itoa(row.Count), line}, nil) {
				return
			}
		}
	})
}

// label returns the values of a row as one text.
func (r *Report) label(row Row) string {
	return output.Cell(strings.Join(texts(row.Values, Value.String), " "))
}

// bar returns a bar of at most width characters for n of most.
func bar(n, most, width int, isUTF8 bool) string {
	if !isUTF8 {
		return strings.Repeat("#", (n*width+most-1)/most)
	}
	eighths := (n*width*8 + most - 1) / most
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text
}
