package query

import (
	"strconv"
	"strings"
)

// Parse parses a specification. An empty one matches all dumps. The error is a *SyntaxError.
func Parse(s string) (Spec, error) {
	words, err := split(s)
	if err != nil {
		return Spec{}, err
	}
	p := parser{src: s}
	for _, w := range words {
		if err := p.word(w); err != nil {
			return Spec{}, err
		}
	}
	return p.spec, nil
}

// ParseArgs parses a specification given as command-line arguments. An argument is one
// constraint whose blanks are literal ("psargs=sh -c x"), unless every word after the first
// contains an equals sign; then it is itself a specification ("type=core cmd=svc*"). The error
// is a *SyntaxError about one argument.
func ParseArgs(args []string) (Spec, error) {
	var p parser
	for _, arg := range args {
		p.src = arg
		words, err := split(arg)
		if err != nil {
			return Spec{}, err
		}
		if !separate(words) {
			words = []word{newWord(arg, 0)}
		}
		for _, w := range words {
			if err := p.word(w); err != nil {
				return Spec{}, err
			}
		}
	}
	return p.spec, nil
}

// separate reports whether the words of an argument are a specification rather than one
// constraint or file name with blanks. Only the first word can be an identifier.
func separate(words []word) bool {
	if len(words) < 2 {
		return true
	}
	for _, w := range words[1:] {
		if w.equals < 0 {
			return false
		}
	}
	return true
}

// word is a word of a specification, before unescaping.
type word struct {
	raw    string
	at     int // offset of raw in the specification
	equals int // index of the first unescaped equals sign, or -1
}

func newWord(raw string, at int) word {
	return word{raw: raw, at: at, equals: indexPlain(raw, "=")}
}

// split splits s at its unescaped blanks.
func split(s string) ([]word, error) {
	var words []word
	for at := 0; at < len(s); {
		n := indexPlain(s[at:], blanks)
		if n < 0 {
			n = len(s) - at
		}
		if n > 0 {
			words = append(words, newWord(s[at:at+n], at))
		}
		at += n + 1
	}
	if trailingBackslashes(s)%2 == 1 {
		return nil, &SyntaxError{Spec: s, Offset: len(s) - 1, Problem: "nothing follows the backslash",
			Hint: `write \\ for a backslash`}
	}
	return words, nil
}

// indexPlain returns the index of the first unescaped character of set in s, or -1.
func indexPlain(s, set string) int {
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		} else if strings.IndexByte(set, s[i]) >= 0 {
			return i
		}
	}
	return -1
}

func trailingBackslashes(s string) int {
	return len(s) - len(strings.TrimRight(s, `\`))
}

// unescape removes the backslashes from escape sequences.
func unescape(raw string) string {
	if strings.IndexByte(raw, '\\') < 0 {
		return raw
	}
	b := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\\' && i+1 < len(raw) {
			i++
		}
		b = append(b, raw[i])
	}
	return string(b)
}

// parser builds a specification word by word.
type parser struct {
	src  string
	spec Spec
}

func (p *parser) word(w word) error {
	if w.equals < 0 {
		return p.identifier(w)
	}
	path, value := w.raw[:w.equals], w.raw[w.equals+1:]
	at := w.at + w.equals + 1
	switch {
	case path == "":
		return p.fail(w.at, `nothing stands before the "="`, "write PROPERTY=VALUE, as in cmd=svc.startd")
	case path == "limit":
		return p.limit(value, at)
	case path == "otime":
		return p.time(OpOlder, value, at)
	case path == "mtime", path == "time" && value != "undefined":
		return p.time(OpNewer, value, at)
	case value == "stdin" && takesStdin(path):
		p.spec.stdin = true
	case value == "undefined":
		p.spec.add(Constraint{Path: unescape(path), Op: OpUndefined})
	case indexPlain(value, "*?") >= 0:
		p.spec.add(globConstraint(unescape(path), value))
	default:
		p.spec.add(Constraint{Path: unescape(path), Op: OpEqual, Value: unescape(value)})
	}
	return nil
}

func (p *parser) identifier(w word) error {
	id := unescape(w.raw)
	if p.spec.id != "" && p.spec.id != id {
		return p.fail(w.at, "a second word without an equals sign",
			"give one hash or file, or constraints such as type=core")
	}
	p.spec.id = id
	return nil
}

func (p *parser) limit(value string, at int) error {
	n, err := strconv.ParseUint(unescape(value), 10, 31)
	if err != nil {
		return p.fail(at, "limit takes a whole number", "as in limit=20")
	}
	if n != 0 && (p.spec.limit == 0 || int(n) < p.spec.limit) {
		p.spec.limit = int(n) // as in the original, limit=0 means no limit
	}
	return nil
}

func (p *parser) time(op Op, value string, at int) error {
	c, err := parseCutoff(op, unescape(value))
	if err != nil {
		return p.fail(at, err.Error(), ageHint)
	}
	p.spec.add(c)
	return nil
}

func (p *parser) fail(at int, problem, hint string) error {
	return &SyntaxError{Spec: p.src, Offset: at, Problem: problem, Hint: hint}
}
