package query

import (
	"strconv"
	"strings"
)

// Characters that need a backslash, by context. Blanks separate words.
const (
	blanks         = " \t\n\r"
	wordSpecial    = blanks + `\=!<>,`
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
	}
	path := printPath(c.Path, c.Op == OpUndefined)
	word := path + c.print(path)
	for i := range c.Or {
		word += "," + path + c.Or[i].print(path)
	}
	return word
}

// print returns the operator and the value of a constraint whose path is printed as path.
func (c *Constraint) print(path string) string {
	op := "="
	if c.Not {
		op = "!="
	}
	switch c.Op {
	case OpUndefined:
		if c.Not {
			return "=defined"
		}
		return "=undefined"
	case OpGlob:
		if strings.HasPrefix(c.Value, "=") {
			op += `\`
		}
		return op + escapeCommas(path, c.Value)
	case OpRange:
		return escapeCommas(path, c.printRange())
	}
	return op + escapeCommas(path, printValue(c.Path, c.Value))
}

// printPath escapes a path, even if it is the same as a special word. A path whose value is
// undefined is not special if it is "time".
func printPath(path string, undefined bool) string {
	escaped := escape(path, wordSpecial)
	switch path {
	case "time":
		if undefined {
			return escaped
		}
		fallthrough
	case "limit", "mtime", "otime":
		return `\` + escaped
	}
	return escaped
}

func printValue(path, value string) string {
	escaped := escapeValue(value)
	_, isNumber := parseNumber(value)
	special := value == "undefined" || value == "defined" || value == "stdin" && takesStdin(path) ||
		IsNumber(path) && value != "" && !isNumber && !strings.Contains(escaped, `\`)
	if special {
		return `\` + escaped
	}
	return escaped
}

// escapeValue escapes a value. A value that begins with an equals sign would be taken for a part of
// the operator.
func escapeValue(value string) string {
	escaped := escape(value, valueSpecial)
	if strings.HasPrefix(value, "=") {
		return `\` + escaped
	}
	return escaped
}

// escapeCommas escapes the commas of a printed value that would begin an alternative of path, as
// printed.
func escapeCommas(path, text string) string {
	path = unescape(path)
	var b strings.Builder
	for {
		n := nextAlternative(path, text)
		if n < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:n])
		b.WriteString(`\,`)
		text = text[n+1:]
	}
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
