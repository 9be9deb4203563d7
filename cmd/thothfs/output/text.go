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

// maxCell is the maximum number of characters of a value to print.
const maxCell = 64 << 10

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
	if len(s) <= maxCell && isASCII(s) {
		return s
	}
	return escape(s, maxCell)
}

// escape returns s with unprintable characters escaped, truncated to at most most characters of s.
func escape(s string, most int) string {
	var b strings.Builder
	for i, n := 0, 0; i < len(s); n++ {
		if n == most {
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

// isASCII reports whether s consists of printable ASCII characters.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// ShortSize returns a number of bytes as 1.2G, in the units of specifications, and any other text as it is.
func ShortSize(bytes string) string {
	n, err := strconv.ParseUint(bytes, 10, 63)
	if err != nil || n < 1024 {
		return bytes
	}
	const units = "KMGTPE"
	size, unit := float64(n)/1024, 0
	for ; size >= 999.5 && unit < len(units)-1; unit++ {
		size /= 1024
	}
	if size < 9.95 {
		return fmt.Sprintf("%.1f%c", size, units[unit])
	}
	return fmt.Sprintf("%.0f%c", size, units[unit])
}
