package document

import (
	"errors"
	"iter"
)

// This file scans JSON text (RFC 8259) without building anything. Callers keep slices of the
// text, which preserves bytes, order and the form of numbers. Depth is bounded.

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
func valueEnd(b []byte, i int) (int, error) { return nestedEnd(b, i, maxDepth) }

// nestedEnd is valueEnd for a value that contains at most depth levels of containers.
func nestedEnd(b []byte, i, depth int) (_ int, err error) {
	if i >= len(b) {
		return i, errShort
	}
	open := b[i]
	switch {
	case open == '"':
		return stringEnd(b, i)
	case open != '{' && open != '[':
		return scalarEnd(b, i)
	case depth == 0:
		return i, errDepth
	}
	end := open + 2 // '}' is '{'+2, ']' is '['+2
	if i = skipSpace(b, i+1); i < len(b) && b[i] == end {
		return i + 1, nil
	}
	for ; ; i = skipSpace(b, i+1) {
		if open == '{' {
			if i, err = keyEnd(b, i); err != nil {
				return i, err
			}
		}
		if i, err = nestedEnd(b, i, depth-1); err != nil {
			return i, err
		}
		switch i = skipSpace(b, i); {
		case i >= len(b):
			return i, errShort
		case b[i] == end:
			return i + 1, nil
		case b[i] != ',':
			return i, errJSON
		}
	}
}

// item is the location of a member of an object. For an element of an array, there is no key.
type item struct{ key, keyStop, start, end int }

// items yields the members or elements of a valid object or array. If depth is exceeded, it ends
// early.
func items(b []byte) iter.Seq[item] {
	return func(yield func(item) bool) {
		for i := skipSpace(b, 1); b[i] != b[0]+2; {
			at := item{key: i, keyStop: i, start: i}
			if b[0] == '{' {
				at.keyStop, _ = stringEnd(b, i)
				at.start, _ = keyEnd(b, i)
			}
			var err error
			if at.end, err = valueEnd(b, at.start); err != nil || !yield(at) {
				return
			}
			if i = skipSpace(b, at.end); b[i] == ',' {
				i = skipSpace(b, i+1)
			}
		}
	}
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
