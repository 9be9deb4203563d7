package query

import (
	"fmt"
	"strconv"
	"strings"
	"time"
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

// IsConstraint reports whether an argument is a constraint or a specification, rather than a hash, a
// path or the name of a property.
func IsConstraint(arg string) bool { return newWord(arg, 0).op != "" }

// separate reports whether the words of an argument are a specification rather than one
// constraint or file name with blanks. Only the first word can be an identifier.
func separate(words []word) bool {
	if len(words) < 2 {
		return true
	}
	for _, w := range words[1:] {
		if w.op == "" {
			return false
		}
	}
	return true
}

// word is a word of a specification, before unescaping.
type word struct {
	raw string
	at  int // offset of raw in the specification

	path, op, value string // the parts of a constraint; op is "" for an identifier
}

func newWord(raw string, at int) word {
	w := word{raw: raw, at: at}
	w.path, w.op, w.value = cutOperator(raw)
	return w
}

// cutOperator splits a constraint at its operator, the first one that is not escaped. Text with
// neither an equals sign nor a comparison of a property has none.
func cutOperator(raw string) (path, op, value string) {
	i := indexPlain(raw, "=<>")
	if i < 0 {
		return "", "", ""
	}
	end := i + 1
	switch {
	case raw[i] != '=':
		if end < len(raw) && raw[end] == '=' {
			end++
		}
		isComparison := i > 0 && end < len(raw) && indexPlain(raw[:i], blanks) < 0
		if equals := indexPlain(raw, "="); !isComparison && equals >= 0 {
			i, end = equals, equals+1
		} else if !isComparison {
			return "", "", ""
		}
	case i > 0 && raw[i-1] == '!' && trailingBackslashes(raw[:i-1])%2 == 0:
		i--
	}
	return raw[:i], raw[i:end], raw[end:]
}

// nextAlternative returns the index of the first comma in raw that is followed by a constraint on
// path, or -1.
func nextAlternative(path, raw string) int {
	for at := 0; ; at++ {
		n := indexPlain(raw[at:], ",")
		if n < 0 {
			return -1
		}
		at += n
		if beginsConstraint(path, raw[at+1:]) {
			return at
		}
	}
}

// beginsConstraint reports whether raw begins with path, whose characters may be escaped, and an
// operator.
func beginsConstraint(path, raw string) bool {
	i := 0
	for j := 0; j < len(path); i, j = i+1, j+1 {
		switch {
		case i < len(raw)-1 && raw[i] == '\\':
			i++
		case i < len(raw) && strings.IndexByte(wordSpecial, raw[i]) >= 0:
			return false
		}
		if i >= len(raw) || raw[i] != path[j] {
			return false
		}
	}
	operator, value := raw[i:], ""
	for _, op := range [...]string{"!=", "=", "<=", ">=", "<", ">"} {
		var ok bool
		if value, ok = strings.CutPrefix(operator, op); ok {
			return strings.HasSuffix(op, "=") && op[0] != '<' && op[0] != '>' || value != ""
		}
	}
	return false
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
	at := w.at + len(w.path) + len(w.op)
	switch {
	case w.op == "":
		return p.identifier(w)
	case w.path == "":
		return p.fail(w.at, fmt.Sprintf("nothing stands before the %q", w.op), "write PROPERTY=VALUE, as in cmd=svc.startd")
	case indexPlain(w.path, "!<>,"+blanks) >= 0:
		return p.fail(w.at, fmt.Sprintf("%q is not the name of a property", w.path), "names have no blanks and none of ! < > , unless after a backslash")
	case w.op == "=" && strings.HasPrefix(w.value, "="):
		return p.fail(at-1, `the operator "==" does not exist`, `write PROPERTY=VALUE; in front of a value that begins with "=" write a backslash`)
	case w.path == "limit", w.path == "mtime", w.path == "otime", w.path == "time":
		return p.special(w, at)
	case w.op == "=" && w.value == "stdin" && takesStdin(w.path):
		p.spec.stdin = true
		return nil
	}
	c, err := p.alternatives(w)
	if err == nil {
		p.spec.add(c)
	}
	return err
}

// alternatives parses a word that may consist of several constraints on one property.
func (p *parser) alternatives(w word) (c Constraint, err error) {
	path := unescape(w.path)
	var all []Constraint
	for rest, at := w.raw, w.at; ; {
		before, op, value := cutOperator(rest)
		end := nextAlternative(path, value)
		text := value
		if end >= 0 {
			text = value[:end]
		}
		start := at + len(before) + len(op)
		c, err := p.constraint(path, op, text, start)
		if err != nil {
			return c, err
		}
		if all = append(all, c); end < 0 {
			break
		}
		rest, at = value[end+1:], start+end+1
	}
	c = all[0]
	if len(all) > 1 {
		c.Or = all[1:]
	}
	return c, nil
}

// constraint parses one constraint on a property. at is the offset of its value.
func (p *parser) constraint(path, op, value string, at int) (c Constraint, err error) {
	not := op == "!="
	switch {
	case op != "=" && !not:
		c = Constraint{Path: path, Op: OpRange}
		b, berr := parseBound(path, value, !strings.HasSuffix(op, "="))
		if err = berr; op[0] == '>' {
			c.Low = b
		} else {
			c.High = b
		}
	case value == "undefined", value == "defined":
		return Constraint{Path: path, Op: OpUndefined, Not: (value == "defined") != not}, nil
	case indexPlain(value, "*?") >= 0:
		c = globConstraint(path, value)
	case IsNumber(path) && value != "" && !strings.Contains(value, `\`):
		c, err = numberConstraint(path, value)
	default:
		c = Constraint{Path: path, Op: OpEqual, Value: unescape(value)}
	}
	if err != nil {
		return c, p.fail(at, err.Error(), numberHint)
	}
	c.Not = not
	return c, nil
}

// special parses a constraint on limit, mtime, otime or time.
func (p *parser) special(w word, at int) error {
	if w.path == "time" && (w.value == "undefined" || w.value == "defined") && (w.op == "=" || w.op == "!=") {
		c, err := p.constraint(w.path, w.op, w.value, at)
		p.spec.add(c)
		return err
	}
	switch {
	case nextAlternative(w.path, w.value) >= 0:
		return p.fail(at, w.path+" has no alternatives", "give one range, as in time=2w..1w")
	case w.path == "time" && w.op != "!=":
		return p.timeRange(w.op, w.value, at)
	case w.op != "=":
		return p.fail(w.at, fmt.Sprintf("%s takes no %q", w.path, w.op), "write limit=N, mtime=AGE (newer), otime=AGE (older) or time=FROM..TO")
	case w.path == "limit":
		return p.limit(w.value, at)
	case w.path == "otime":
		return p.time(OpOlder, w.value, at)
	}
	return p.time(OpNewer, w.value, at)
}

// timeRange parses a constraint on time.
func (p *parser) timeRange(op, value string, at int) error {
	switch op {
	case ">", ">=":
		return p.timeBound(OpNewer, value, op == ">", at)
	case "<", "<=":
		return p.timeBound(OpOlder, value, op == "<=", at)
	}
	from, to, isRange := strings.Cut(value, "..")
	if !isRange {
		return p.time(OpNewer, value, at) // as in the original
	}
	if from != "" {
		if err := p.timeBound(OpNewer, from, false, at); err != nil {
			return err
		}
	}
	if to != "" || from == "" {
		return p.timeBound(OpOlder, to, true, at+len(from)+len(".."))
	}
	return nil
}

// timeBound adds one end of a range of times. If after is set, the cutoff is behind the moment or the
// day that value names.
func (p *parser) timeBound(op Op, value string, after bool, at int) error {
	c, err := parseCutoff(op, unescape(value))
	if err != nil {
		return p.fail(at, err.Error(), ageHint)
	}
	if after && !c.At.IsZero() {
		length := time.Nanosecond
		if len(c.Value) == len(time.DateOnly) {
			length = day
		}
		c = moment(op, c.At.Add(length))
	}
	p.spec.add(c)
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
	return p.timeBound(op, value, false, at)
}

func (p *parser) fail(at int, problem, hint string) error {
	return &SyntaxError{Spec: p.src, Offset: at, Problem: problem, Hint: hint}
}
