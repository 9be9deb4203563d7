package document

import "errors"

// This file scans JSON text (RFC 8259) without building anything. Callers keep slices of the
// text, which preserves bytes, order and the form of numbers. Depth is bounded, and there is no
// recursion.

// maxDepth is the maximum nesting of containers. Real documents have three levels.
const maxDepth = 128

var (
	errJSON  = errors.New("not JSON")
	errDepth = errors.New("nested too deeply")
	errShort = errors.New("cut short")
)

// skipSpace returns the index of the first byte at or after i that is not white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// valueEnd returns the end of the value at i, which must not start with space.
func valueEnd(b []byte, i int) (int, error) {
	var open [maxDepth]byte // the brackets around i
	depth := 0
	for {
		if i >= len(b) {
			return i, errShort
		}
		var err error
		switch c := b[i]; c {
		case '{', '[':
			if depth == maxDepth {
				return i, errDepth
			}
			open[depth] = c
			depth++
			if i = skipSpace(b, i+1); i >= len(b) || b[i] != c+2 { // '}' is '{'+2, ']' is '['+2
				if c == '{' {
					i, err = keyEnd(b, i)
				}
				if err != nil {
					return i, err
				}
				continue
			}
		case '"':
			i, err = stringEnd(b, i)
		default:
			i, err = scalarEnd(b, i)
		}
		if err != nil {
			return i, err
		}
		if i, depth, err = closeValues(b, i, open[:], depth); depth == 0 || err != nil {
			return i, err
		}
	}
}

// closeValues moves from the end of a value, or from the bracket that closes an empty container,
// to the next value. A returned depth of 0 means that there is none.
func closeValues(b []byte, i int, open []byte, depth int) (int, int, error) {
	for depth > 0 {
		if i = skipSpace(b, i); i >= len(b) {
			return i, depth, errShort
		}
		switch bracket := open[depth-1]; b[i] {
		case bracket + 2:
			depth--
			i++
		case ',':
			var err error
			if i = skipSpace(b, i+1); bracket == '{' {
				i, err = keyEnd(b, i)
			}
			return i, depth, err
		default:
			return i, depth, errJSON
		}
	}
	return i, 0, nil
}

// keyEnd returns the start of the value whose key is at i.
func keyEnd(b []byte, i int) (int, error) {
	if i >= len(b) {
		return i, errShort
	}
	if b[i] != '"' {
		return i, errJSON
	}
	i, err := stringEnd(b, i)
	if err != nil {
		return i, err
	}
	if i = skipSpace(b, i); i >= len(b) {
		return i, errShort
	}
	if b[i] != ':' {
		return i, errJSON
	}
	return skipSpace(b, i+1), nil
}

// stringEnd returns the end of the string whose opening quote is at i.
func stringEnd(b []byte, i int) (int, error) {
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1, nil
		case c == '\\':
			n := escapeLen(b[i:])
			if n == 0 {
				return i, errJSON
			}
			i += n - 1
		case c < ' ':
			return i, errJSON
		}
	}
	return i, errShort
}

// escapeLen returns the length of the escape at the start of b, or 0 if there is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if !isHex(c) {
				return 0
			}
		}
		return 6
	}
	return 0
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

// scalarEnd returns the end of the number, true, false or null at i.
func scalarEnd(b []byte, i int) (int, error) {
	for _, word := range []string{"true", "false", "null"} {
		if len(b)-i >= len(word) && string(b[i:i+len(word)]) == word {
			return i + len(word), nil
		}
	}
	if b[i] == '-' {
		i++
	}
	start := i
	if i = digitsEnd(b, i); i == start || b[start] == '0' && i > start+1 {
		return i, errJSON
	}
	if i < len(b) && b[i] == '.' {
		start = i + 1
		if i = digitsEnd(b, start); i == start {
			return i, errJSON
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		start = i
		if i = digitsEnd(b, i); i == start {
			return i, errJSON
		}
	}
	return i, nil
}

func digitsEnd(b []byte, i int) int {
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	return i
}
