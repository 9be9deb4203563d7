package output

import (
	"bufio"
	"cmp"
	"io"
	"iter"
	"strings"
)

// tsvEscapes are the escapes of characters that cannot be in a value.
var tsvEscapes = strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

// WriteTSV prints rows as tab-separated values, the first line with the heads of the columns. A value is
// printed whole, with \\, \t, \n and \r for these characters and other unprintable ones escaped as by Cell.
// WriteTSV stops at the first error of the sequence and returns it.
func WriteTSV(w io.Writer, heads []string, noHeaders bool, rows iter.Seq2[[]string, error]) error {
	out := bufio.NewWriterSize(w, 64<<10)
	line := func(row []string) (err error) {
		for i, text := range row {
			if i > 0 {
				out.WriteByte('\t')
			}
			_, err = out.WriteString(tsvCell(text))
		}
		return cmp.Or(err, out.WriteByte('\n'))
	}
	if !noHeaders {
		line(heads) // errors are returned by Flush
	}
	for row, err := range rows {
		if err == nil {
			err = line(row)
		}
		if err != nil {
			return cmp.Or(err, out.Flush())
		}
	}
	return out.Flush()
}

func tsvCell(text string) string {
	if isASCII(text) && strings.IndexByte(text, '\\') < 0 {
		return text
	}
	return escape(tsvEscapes.Replace(text), len(text)*2)
}
