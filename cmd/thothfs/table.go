package main

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"thothfs/dump"
	"thothfs/dump/document"
	"unicode"
	"unicode/utf8"
)

// listed is a dump as the verbs print it.
type listed struct {
	id  string // all 32 digits
	doc *document.Document
}

const (
	tableTime  = "2006-01-02T15:04:05" // UTC
	maxCell    = 64 << 10              // characters of a value that are printed
	maxPadding = 200                   // columns that a long value widens its column to
	maxHeld    = 4 << 20               // bytes of rows that are held back to find the widths
)

// column is one column of the table.
type column struct {
	head  string
	width int // at least
	text  func(listed) string
}

// tableColumns are those of `ls`, as the original has them, and one for each of
// props. Without props, two have a fixed width, so that tables can be compared.
func tableColumns(props []string) []column {
	columns := []column{
		{"DUMP", 16, func(l listed) string { return l.id[:min(16, len(l.id))] }},
		{"TYPE", 4, property("type")},
		{"TIME", 19, timeCell},
		{"NODE/CMD", 8, nodeOrCmd},
		{"TICKET", 6, property("ticket")},
	}
	if len(props) == 0 {
		columns[1].width, columns[3].width = 5, 16
	}
	for _, p := range props {
		head := strings.ToUpper(cell(p[strings.LastIndexByte(p, '.')+1:]))
		c := column{head, utf8.RuneCountInString(head), property(p)}
		switch p {
		case "time":
			c.text = timeCell
		case "id":
			c.text = func(l listed) string { return l.id }
		}
		columns = append(columns, c)
	}
	return columns
}

func property(path string) func(listed) string {
	return func(l listed) string { return l.doc.String(path) }
}

func timeCell(l listed) string {
	if t, ok := l.doc.Time(); ok {
		return t.Format(tableTime)
	}
	return ""
}

func nodeOrCmd(l listed) string {
	if l.doc.String("type") == string(dump.Core) {
		return l.doc.String("cmd")
	}
	return l.doc.String("node")
}

// writeTable prints the table of `ls`: the dumps in the order in which they come,
// "-" for what a dump has not. A column is as wide as its widest value among the
// first rows, 4 MiB of them; then rows are printed as they come. An error of the
// sequence ends the table and is returned.
func writeTable(w io.Writer, dumps iter.Seq2[listed, error], props []string) error {
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
	released bool       // the widths are settled
}

func (t *table) add(l listed) error {
	row := make([]string, len(t.columns))
	for i, c := range t.columns {
		if row[i] = cell(c.text(l)); row[i] == "" {
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

// release settles the widths and prints the heads and the rows held back.
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

// cell makes a value fit for one line of a terminal: what does not print is escaped
// as in Go, what is very long is cut.
func cell(s string) string {
	var b strings.Builder
	for i, n := 0, 0; i < len(s); n++ {
		if n == maxCell {
			b.WriteString("…")
			break
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteString(s[i : i+size])
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
		i += size
	}
	return b.String()
}
