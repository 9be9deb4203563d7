package query

import (
	"strings"
	"unicode/utf8"
)

// pattern is a glob, split at its stars. A star matches any text, so only the first and the
// last segment have a fixed position. The others are searched for from left to right, and the
// first position found is as good as any. So matching takes at most time proportional to the
// product of the lengths of text and pattern, and never backtracks over a star.
type pattern []segment

// segment holds the literal pieces between the question marks of a part without stars: "a?b" is
// split into "a" and "b", and "??" into three empty pieces.
type segment []string

// globConstraint returns an OpGlob constraint for a pattern with escapes.
func globConstraint(path, raw string) Constraint {
	p := compile(raw)
	return Constraint{Path: path, Op: OpGlob, Value: p.String(), Prefix: p[0][0], glob: p}
}

// compile parses a pattern with escapes. Consecutive stars count as one.
func compile(raw string) pattern {
	p := pattern{}
	var seg segment
	var lit []byte
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '?':
			seg, lit = append(seg, string(lit)), lit[:0]
		case c == '*':
			p = append(p, append(seg, string(lit)))
			seg, lit = nil, lit[:0]
			for i+1 < len(raw) && raw[i+1] == '*' {
				i++
			}
		case c == '\\' && i+1 < len(raw):
			i++
			lit = append(lit, raw[i])
		default:
			lit = append(lit, c)
		}
	}
	return append(p, append(seg, string(lit)))
}

// String returns the pattern in the syntax that compile accepts.
func (p pattern) String() string {
	segments := make([]string, len(p))
	for i, seg := range p {
		pieces := make([]string, len(seg))
		for j, lit := range seg {
			pieces[j] = escape(lit, patternSpecial)
		}
		segments[i] = strings.Join(pieces, "?")
	}
	return strings.Join(segments, "*")
}

// match reports whether the pattern matches all of s.
func (p pattern) match(s string) bool {
	n := p[0].prefix(s)
	if n < 0 {
		return false
	}
	if len(p) == 1 {
		return n == len(s)
	}
	s = s[n:]
	for _, seg := range p[1 : len(p)-1] {
		if n = seg.index(s); n < 0 {
			return false
		}
		s = s[n:]
	}
	return p[len(p)-1].suffix(s)
}

// prefix returns the length of the segment's match at the beginning of s, or -1.
func (g segment) prefix(s string) int {
	n := 0
	for i, lit := range g {
		if i > 0 {
			_, size := utf8.DecodeRuneInString(s[n:])
			if size == 0 {
				return -1
			}
			n += size
		}
		if !strings.HasPrefix(s[n:], lit) {
			return -1
		}
		n += len(lit)
	}
	return n
}

// suffix reports whether the segment matches the end of s.
func (g segment) suffix(s string) bool {
	for i := len(g) - 1; i >= 0; i-- {
		var ok bool
		if s, ok = strings.CutSuffix(s, g[i]); !ok {
			return false
		}
		if i > 0 {
			_, size := utf8.DecodeLastRuneInString(s)
			if size == 0 {
				return false
			}
			s = s[:len(s)-size]
		}
	}
	return true
}

// index returns the end of the first match of the segment in s, or -1.
func (g segment) index(s string) int {
	if len(g) == 1 {
		if n := strings.Index(s, g[0]); n >= 0 {
			return n + len(g[0])
		}
		return -1
	}
	for at := 0; ; {
		if n := g.prefix(s[at:]); n >= 0 {
			return at + n
		}
		_, size := utf8.DecodeRuneInString(s[at:])
		if size == 0 {
			return -1
		}
		at += size
	}
}
