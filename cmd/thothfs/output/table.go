package output

import (
	"bufio"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"thothfs/dump"
)

const (
	maxPadding = 200     // width to which a long value widens its column
	maxHeld    = 4 << 20 // bytes of rows that are held back to find the widths
)

// column is one column of the table.
type column struct {
	head  string
	width int // minimum
	text  func(Dump) string
}

// tableColumns returns the columns of `ls`, which are those of the original thoth, and
// one for each of props. Without props, two columns have a minimum width, so that tables
// can be compared.
func tableColumns(props []string) []column {
	columns := []column{
		{"DUMP", 16, func(l Dump) string { return l.ID[:min(16, len(l.ID))] }},
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
			c.text = func(l Dump) string { return l.ID }
		}
		columns = append(columns, c)
	}
	return columns
}

func property(path string) func(Dump) string {
	return func(l Dump) string { return l.Doc.String(path) }
}

func timeCell(l Dump) string {
	if t, ok := l.Doc.Time(); ok {
		return t.Format(TimeLayout)
	}
	return ""
}

func nodeOrCmd(l Dump) string {
	if l.Doc.String("type") == string(dump.Core) {
		return l.Doc.String("cmd")
	}
	return l.Doc.String("node")
}

// WriteTable prints the table of `ls`, with "-" for absent values. A column is as wide as
// its widest value in the first 4 MiB of rows; later rows are printed as they come. It
// stops at the first error of the sequence and returns it.
func WriteTable(w io.Writer, dumps iter.Seq2[Dump, error], props []string) error {
	t := &table{out: bufio.NewWriter(w), columns: tableColumns(props)}
	for l, err := range dumps {
		if err == nil {
			err = t.add(l)
		}
		if err != nil {
			t.release()
			t.out.Flush()
			return err
		}
	}
	t.release()
	return t.out.Flush()
}

type table struct {
	out      *bufio.Writer
	columns  []column
	held     [][]string // rows not printed yet
	bytes    int        // in held
	released bool       // the widths are fixed
}

func (t *table) add(l Dump) error {
	row := make([]string, len(t.columns))
	for i, c := range t.columns {
		if row[i] = Cell(c.text(l)); row[i] == "" {
			row[i] = "-"
		}
	}
	if t.released {
		return t.print(row)
	}
	for i, text := range row {
		t.bytes += len(text) + 16
		if n := utf8.RuneCountInString(text); n > t.columns[i].width {
			t.columns[i].width = min(n, maxPadding)
		}
	}
	t.held = append(t.held, row)
	if t.bytes > maxHeld {
		t.release()
	}
	return nil
}

// release fixes the widths and prints the heads and the held rows.
func (t *table) release() {
	if t.released {
		return
	}
	t.released = true
	heads := make([]string, len(t.columns))
	for i, c := range t.columns {
		heads[i] = c.head
	}
	t.print(heads)
	for _, row := range t.held {
		t.print(row) // bufio keeps the first error
	}
	t.held = nil
}

func (t *table) print(row []string) error {
	for i, text := range row {
		t.out.WriteString(text)
		if i < len(row)-1 {
			pad := max(0, t.columns[i].width-utf8.RuneCountInString(text)) + 1
			t.out.WriteString(strings.Repeat(" ", pad))
		}
	}
	return t.out.WriteByte('\n')
}
