package output

import (
	"cmp"
	"strconv"
	"strings"

	"golang.org/x/term"
)

// Colour is an escape sequence of a terminal. Plain is none.
type Colour string

// The colours in use.
const (
	Plain  Colour = ""
	Bold   Colour = "\x1b[1m"
	Red    Colour = "\x1b[31m"
	Green  Colour = "\x1b[32m"
	Yellow Colour = "\x1b[33m"
	reset  Colour = "\x1b[0m"
)

// Screen is the terminal that output goes to. The zero Screen is a file or a pipe: nothing is cut.
type Screen struct {
	Width   int // in characters
	Colours bool
	UTF8    bool // can show all of Unicode
}

// ScreenOf returns the terminal to which stdout goes, as described by environment variables.
func ScreenOf(stdout any, getenv func(string) string) Screen {
	f, ok := Terminal(stdout)
	if !ok {
		return Screen{UTF8: isUTF8(getenv)}
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		width, _ = strconv.Atoi(getenv("COLUMNS"))
	}
	if width <= 0 {
		width = 80
	}
	return Screen{Width: width, Colours: getenv("NO_COLOR") == "" && !isDumb(getenv), UTF8: isUTF8(getenv)}
}

// isDumb reports whether the terminal understands no escape sequences.
func isDumb(getenv func(string) string) bool { return getenv("TERM") == "" || getenv("TERM") == "dumb" }

// isUTF8 reports whether the character set of the locale is UTF-8.
func isUTF8(getenv func(string) string) bool {
	switch charset := charsetOf(cmp.Or(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG"))); charset {
	case "utf-8", "utf8":
		return true
	}
	return false
}

// charsetOf returns the character set of a locale such as de_DE.UTF-8@euro, in lower case.
func charsetOf(locale string) string {
	_, charset, _ := strings.Cut(locale, ".")
	charset, _, _ = strings.Cut(charset, "@")
	return strings.ToLower(charset)
}
