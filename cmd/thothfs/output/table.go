package output

import (
	"bufio"
	"cmp"
	"io"
	"iter"
	"strings"

	"github.com/mattn/go-runewidth"
)

const (
	maxPadding = 200     // maximum width of a column in a pipe, even for longer values
	maxHeld    = 4 << 20 // maximum number of bytes of rows held back to determine the widths
	maxScreen  = 500     // maximum number of rows held back on a terminal, where somebody waits for the first
)

// Column is one column of a Table.
type Column struct {
	Head   string
	Min    int                             // width to which the column may be cut to fit; 0 means never
	Cut    func(text string, n int) string // cuts a value to n characters; nil means Shorten
	Spare  bool                            // narrowed before others
	Right  bool                            // aligned to the right
	Colour Colour
}

// Table is a table of text for a terminal or a pipe.
type Table struct {
	Columns   []Column
	Screen    Screen
	NoHeaders bool

	widths []int
	cut    bool // the widths are limits
}

// Write prints rows as they arrive, with "-" for empty values. A row must not be used by others until
// the next one; its values are made printable. Columns are as wide as their widest value in the first
// 4 MiB of rows, and on a terminal in the first 500 rows and as narrow as needed to fit. Write stops at the first error of the
// sequence and returns it.
func (t *Table) Write(w io.Writer, rows iter.Seq2[[]string, error]) error {
	out := bufio.NewWriterSize(w, 64<<10)
	t.widths = make([]int, len(t.Columns))
	if !t.NoHeaders {
		for i, c := range t.Columns {
			t.widths[i] = TextWidth(c.Head)
		}
	}
	var held []string // cells of rows held back until the widths are fixed; nil afterwards
	size, started := 0, false
	start := func() error {
		started = true
		t.fit()
		if !t.NoHeaders {
			t.printHead(out)
		}
		for len(held) > 0 {
			if err := t.printRow(out, held[:len(t.Columns)]); err != nil {
				return err
			}
			held = held[len(t.Columns):]
		}
		return nil
	}
	var failed error
	for row, err := range rows {
		if failed = err; err != nil {
			break
		}
		for i, text := range row {
			row[i] = cmp.Or(Cell(text), "-")
		}
		if started {
			if err := t.printRow(out, row); err != nil {
				return err
			}
			continue
		}
		for i, text := range row {
			t.widths[i] = max(t.widths[i], min(TextWidth(text), maxPadding))
			size += len(text) + 16
		}
		if held = append(held, row...); size > maxHeld || t.Screen.Width > 0 && len(held) >= maxScreen*len(row) {
			if err := cmp.Or(start(), out.Flush()); err != nil { // somebody may be waiting
				return err
			}
		}
	}
	if !started {
		start() // errors are returned by Flush
	}
	return cmp.Or(failed, out.Flush())
}

// fit narrows the widest columns until the table fits the screen, as far as the columns allow.
func (t *Table) fit() {
	if t.Screen.Width == 0 {
		return
	}
	t.cut = true
	excess := len(t.widths) - 1 - t.Screen.Width
	for _, width := range t.widths {
		excess += width
	}
	for ; excess > 0; excess-- {
		widest := -1
		for i, c := range t.Columns {
			if c.Min == 0 || t.widths[i] <= c.Min {
				continue
			}
			if widest < 0 || c.Spare || t.widths[i] > t.widths[widest] && !t.Columns[widest].Spare {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		t.widths[widest]--
	}
}

func (t *Table) printHead(out *bufio.Writer) {
	for i, c := range t.Columns {
		t.printCell(out, i, Shorten(c.Head, max(t.widths[i], 1)), Bold)
	}
	out.WriteByte('\n')
}

func (t *Table) printRow(out *bufio.Writer, row []string) error {
	for i, text := range row {
		c := &t.Columns[i]
		if t.cut && TextWidth(text) > t.widths[i] {
			if c.Cut != nil {
				text = c.Cut(text, t.widths[i])
			} else {
				text = Shorten(text, t.widths[i])
			}
		}
		colour := c.Colour
		if text == "-" {
			colour = Plain
		}
		t.printCell(out, i, text, colour)
	}
	return out.WriteByte('\n')
}

const blanks = "                                                                                                    "

func (t *Table) printCell(out *bufio.Writer, i int, text string, colour Colour) {
	pad := max(0, t.widths[i]-TextWidth(text))
	last := i == len(t.Columns)-1
	if t.Columns[i].Right {
		writePadding(out, pad)
		pad = 0
	}
	if t.Screen.Colours && colour != Plain {
		out.WriteString(string(colour))
		out.WriteString(text)
		out.WriteString(string(reset))
	} else {
		out.WriteString(text)
	}
	if !last {
		writePadding(out, pad+1)
	}
}

func writePadding(out *bufio.Writer, n int) {
	for ; n > len(blanks); n -= len(blanks) {
		out.WriteString(blanks)
	}
	out.WriteString(blanks[:n])
}

// TextWidth returns the number of columns that printable text takes on a terminal.
func TextWidth(text string) int {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return runewidth.StringWidth(text)
		}
	}
	return len(text)
}

// Shorten truncates text to at most most columns of a terminal.
func Shorten(text string, most int) string { return runewidth.Truncate(text, most, "…") }

// ShortenStart is like Shorten, but removes the beginning.
func ShortenStart(text string, most int) string {
	excess := TextWidth(text) - most
	if excess <= 0 {
		return text
	}
	return runewidth.TruncateLeft(text, excess+1, "…")
}

// TrimEnd truncates text to at most most bytes, without a mark. It is for ASCII text of which a prefix is
// enough.
func TrimEnd(text string, most int) string { return strings.Clone(text[:min(len(text), most)]) }
