// Package output formats what the program prints: dumps as a table, as JSON or as counts,
// text that is safe on a terminal, progress bars, and the log.
package output

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrReported is an error whose message the user has already seen.
var ErrReported = errors.New("already reported")

const (
	TimeLayout = "2006-01-02T15:04:05" // in UTC

	maxCell = 64 << 10 // maximum number of characters of a value to print
)

// Printable returns a message without terminal control characters, which may have come from a file
// name or a store.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || (r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f)) {
			return r
		}
		return '�'
	}, s)
}

// Cell returns a value as one line for a terminal: unprintable characters are escaped as in Go, and
// a very long value is truncated.
func Cell(s string) string {
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

// Shorten truncates text to at most most characters.
func Shorten(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}
