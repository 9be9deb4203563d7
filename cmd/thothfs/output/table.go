package output

import (
	"bufio"
	"cmp"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"thothfs/corpus"
	"thothfs/dump"
)

const (
	maxPadding = 200     // maximum width of a column, even for longer values
	maxHeld    = 4 << 20 // maximum number of bytes of rows held back to determine the widths
)

// column is one column of the table.
type column struct {
	head  string
	width int // minimum width
	text  func(*corpus.Dump) string
}

// tableColumns returns the columns of `ls`, which are those of the original thoth, plus one for
// each of props. Without props, two columns have a minimum width, so that tables can be compared.
func tableColumns(props []string) []column {
	columns := []column{
		{"DUMP", 16, func(d *corpus.Dump) string { return d.ID.Short() }},
		{"TYPE", 4, property("type")},
		{"TIME", 19, timeCell},
		{"NODE/CMD", 8, nodeOrCmd},
		{"TICKET", 6, property("ticket")},
	}
	if len(props) == 0 {
		columns[1].width, columns[3].width = 5, 16
	}
	for _, p := range props {
		head := strings.ToUpper(Cell(p[strings.LastIndexByte(p, '.')+1:]))
		c := column{head, utf8.RuneCountInString(head), property(p)}
		switch p {
		case "time":
			c.text = timeCell
		case "id":
			c.text = func(d *corpus.Dump) string { return d.ID.String() }
		}
		columns = append(columns, c)
	}
	return columns
}

func property(path string) func(*corpus.Dump) string {
	return func(d *corpus.Dump) string {
		v, _ := d.Value(path)
		return v.Text()
	}
}

func timeCell(d *corpus.Dump) string {
	if t, ok := d.Doc.Time(); ok {
		return t.Format(TimeLayout)
	}
	return ""
}

func nodeOrCmd(d *corpus.Dump) string {
	if d.Doc.String("type") == string(dump.Core) {
		return d.Doc.String("cmd")
	}
	return d.Doc.String("node")
}

// WriteTable prints the table of `ls`, with "-" for missing values. A column is as wide as its
// widest value in the first 4 MiB of rows; later rows are printed as they arrive. It stops at the
// first error of the sequence and returns it.
func WriteTable(w io.Writer, dumps iter.Seq2[*corpus.Dump, error], props []string) error {
	out := bufio.NewWriter(w)
	columns := tableColumns(props)
	heads := make([]string, len(columns))
	for i, c := range columns {
		heads[i] = c.head
	}
	rows, size := [][]string{heads}, 0 // rows held back until the widths are fixed
	var failed error
	for d, err := range dumps {
		if failed = err; err != nil {
			break
		}
		row := make([]string, len(columns))
		for i, c := range columns {
			row[i] = cmp.Or(Cell(c.text(d)), "-")
			if size <= maxHeld {
				columns[i].width = max(c.width, min(utf8.RuneCountInString(row[i]), maxPadding))
			}
		}
		for _, text := range row {
			size += len(text) + 16
		}
		if rows = append(rows, row); size <= maxHeld {
			continue
		}
		if err := printRows(out, columns, rows); err != nil {
			return err
		}
		rows = nil
	}
	printRows(out, columns, rows) // errors are returned by Flush
	return cmp.Or(failed, out.Flush())
}

func printRows(out *bufio.Writer, columns []column, rows [][]string) (err error) {
	for _, row := range rows {
		for i, text := range row {
			out.WriteString(text)
			if i < len(row)-1 {
				pad := max(0, columns[i].width-utf8.RuneCountInString(text)) + 1
				out.WriteString(strings.Repeat(" ", pad))
			}
		}
		err = out.WriteByte('\n')
	}
	return err
}
