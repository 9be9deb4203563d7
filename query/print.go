package query

import (
	"strconv"
	"strings"
)

// Characters that need a backslash, by context. Blanks separate words.
const (
	blanks         = " \t\n\r"
	wordSpecial    = blanks + `\=`
	valueSpecial   = blanks + `\*?`
	patternSpecial = blanks + `\*?`
)

// String returns the specification in the syntax that Parse accepts: the identifier, the
// constraints in their order, and the limit.
func (s Spec) String() string {
	var words []string
	if s.id != "" {
		words = append(words, escape(s.id, wordSpecial))
	}
	if s.stdin {
		words = append(words, "dump=stdin")
	}
	for _, c := range s.constraints {
		words = append(words, c.String())
	}
	if s.limit != 0 {
		words = append(words, "limit="+strconv.Itoa(s.limit))
	}
	return strings.Join(words, " ")
}

// String returns the constraint as a word of a specification.
func (c Constraint) String() string {
	switch c.Op {
	case OpNewer:
		return "mtime=" + c.Value
	case OpOlder:
		return "otime=" + c.Value
	case OpUndefined:
		if c.Path == "time" {
			return "time=undefined"
		}
		return printPath(c.Path) + "=undefined"
	case OpGlob:
		return printPath(c.Path) + "=" + c.Value
	}
	return printPath(c.Path) + "=" + printValue(c.Path, c.Value)
}

// printPath escapes a path, even if it is the same as a special word.
func printPath(path string) string {
	escaped := escape(path, wordSpecial)
	switch path {
	case "limit", "mtime", "time", "otime":
		return `\` + escaped
	}
	return escaped
}

func printValue(path, value string) string {
	escaped := escape(value, valueSpecial)
	if value == "undefined" || value == "stdin" && takesStdin(path) {
		return `\` + escaped
	}
	return escaped
}

func takesStdin(path string) bool {
	return path == "dump" || path == "dumps" || path == "name"
}

// escape adds a backslash before every character of s that is in special.
func escape(s, special string) string {
	if !strings.ContainsAny(s, special) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(special, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
