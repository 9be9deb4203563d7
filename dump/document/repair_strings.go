package document

import (
	"bytes"
	"errors"
)

// This file mends strings: those whose quotes, backslashes or control characters the
// original wrote as they were.

// text reads the string at pos, of the member key or within it, in a container that
// end closes.
func (m *mender) text(key string, end byte) []byte {
	start := m.pos
	stop, closed := looseEnd(m.in, start)
	if closed && m.continues(stop, end) {
		m.pos = stop
		if _, err := stringEnd(m.in[:stop], start); err == nil {
			return m.in[start:stop]
		}
		m.note("%s holds unescaped characters", name(key))
		return escapeLoose(m.in[start+1 : stop-1])
	}
	if stop := m.bareEnd(start, end); stop > 0 {
		m.note("%s holds unescaped quotes", name(key))
		m.pos = stop
		// The value was written without escapes: what is there is what it is.
		return quote(string(m.in[start+1 : stop-1]))
	}
	if !closed {
		m.lose("cut short")
		m.pos = len(m.in)
		return nil
	}
	m.pos = stop
	if m.space(); m.peek() == ',' { // what is wrong comes after it
		if _, err := stringEnd(m.in[:stop], start); err == nil {
			return m.in[start:stop]
		}
	}
	m.lose("%s is not JSON", name(key))
	return nil
}

// bareEnd returns the end of the string at start that holds quotes, or 0: the last
// quote of the line or else the first in it that something follows which can. The
// original never wrote a line's end into a string.
func (m *mender) bareEnd(start int, end byte) int {
	if m.budget < 0 {
		m.lose("too damaged to mend")
		return 0
	}
	if stop := m.lineEnd(start, end); stop > 0 {
		return stop
	}
	for stop := start + 1; stop < len(m.in) && m.in[stop] != '\n'; stop++ {
		m.budget--
		if m.in[stop] == '"' && m.continues(stop+1, end) {
			return stop + 1
		}
	}
	return 0
}

// continues says whether what stands at i can follow a value in a container that end
// closes.
func (m *mender) continues(i int, end byte) bool {
	next := skipSpace(m.in, i)
	if next == len(m.in) {
		return true // the rest is missing
	}
	if m.in[next] == end {
		return true
	}
	if m.in[next] != ',' {
		return end == '}' && m.keyOnNextLine(i)
	}
	next = skipSpace(m.in, next+1)
	switch {
	case next == len(m.in), m.in[next] == end, m.in[next] == ',':
		return true
	case end == ']':
		_, err := scalarEnd(m.in, next)
		return err == nil || bytes.IndexByte([]byte(`"[{`), m.in[next]) >= 0
	}
	_, err := keyEnd(m.in, next)
	return err == nil || errors.Is(err, errShort)
}

// lineEnd returns the end of the string at start if it is the last thing on its line,
// as in the documents of the original, which have a member on each; else 0.
func (m *mender) lineEnd(start int, end byte) int {
	if end != '}' {
		return 0
	}
	n := bytes.IndexByte(m.in[start:], '\n')
	if n < 0 {
		m.budget -= len(m.in) - start
		return 0
	}
	m.budget -= n
	line := bytes.TrimRight(m.in[start:start+n], " \t\r")
	line = bytes.TrimSuffix(line, []byte(","))
	stop := start + len(line)
	if len(line) < 2 || line[len(line)-1] != '"' || !m.continues(stop, end) {
		return 0
	}
	return stop
}

// looseEnd returns the end of the string at i, whatever is in it.
func looseEnd(b []byte, i int) (end int, closed bool) {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1, true
		case '\\':
			i++
		}
	}
	return len(b), false
}

// escapeLoose makes a JSON string of the inside of one, leaving the escapes in it.
func escapeLoose(inside []byte) []byte {
	out := []byte{'"'}
	for i := 0; i < len(inside); i++ {
		switch c := inside[i]; {
		case c == '\\':
			n := escapeLen(inside[i:])
			if n == 0 {
				out = append(out, `\\`...)
				continue
			}
			out = append(out, inside[i:i+n]...)
			i += n - 1
		case c < ' ':
			out = appendEscape(out, rune(c))
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}
