package document

import (
	"bytes"
	"encoding/json"
	"iter"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind is the kind of a [Value].
type Kind byte

// The kinds of values. The zero Value is KindNone.
const (
	KindNone Kind = iota
	KindNull
	KindBool
	KindNumber
	KindString
	KindArray
	KindObject
)

// Value is a value in a document, exactly as written there. It is immutable and shares the
// document's memory.
type Value struct {
	raw []byte // Invariant: empty, or one JSON value without surrounding space
}

// Kind returns the kind of the value.
func (v Value) Kind() Kind {
	if len(v.raw) == 0 {
		return KindNone
	}
	switch v.raw[0] {
	case '{':
		return KindObject
	case '[':
		return KindArray
	case '"':
		return KindString
	case 't', 'f':
		return KindBool
	case 'n':
		return KindNull
	}
	return KindNumber
}

// JSON returns the value as written in the document. The caller must not change it.
func (v Value) JSON() []byte { return v.raw }

// Text returns the value as text: the characters of a string (including NUL and invalid UTF-8), a
// number as written, true, false or null, an object or array as compact JSON, and "" for the zero
// Value.
func (v Value) Text() string {
	switch v.Kind() {
	case KindString:
		return unquote(v.raw[1 : len(v.raw)-1])
	case KindArray, KindObject:
		return string(compact(v.raw))
	}
	return string(v.raw)
}

// Strings returns the elements of an array as text, and nil for any other value.
func (v Value) Strings() []string {
	if v.Kind() != KindArray {
		return nil
	}
	texts := []string{}
	for e := range v.Elements() {
		texts = append(texts, e.Text())
	}
	return texts
}

// Elements yields the elements of an array, and nothing for any other value.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != KindArray {
			return
		}
		for e := range items(v.raw) {
			if !yield(Value{v.raw[e.start:e.end]}) {
				return
			}
		}
	}
}

// Members yields the members of an object in document order, including repeated keys, and nothing
// for any other value.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.Kind() != KindObject {
			return
		}
		for m := range items(v.raw) {
			if !yield(keyText(v.raw[m.key+1:m.keyStop-1]), Value{v.raw[m.start:m.end]}) {
				return
			}
		}
	}
}

// keyText is like unquote but does not allocate for common keys.
func keyText(raw []byte) string {
	for _, known := range [...]string{"name", "dump", "pid", "cmd", "psargs", "platform", "node", "version",
		"time", "stack", "type", "ticket", "properties", "id"} {
		if string(raw) == known {
			return known
		}
	}
	return unquote(raw)
}

// unquote decodes the text between the quotes of a JSON string. A lone surrogate becomes U+FFFD.
// Bytes that are not UTF-8 are kept.
func unquote(raw []byte) string {
	i := bytes.IndexByte(raw, '\\')
	if i < 0 {
		return string(raw)
	}
	out := make([]byte, 0, len(raw))
	for ; i >= 0; i = bytes.IndexByte(raw, '\\') {
		r, n := unescapeRune(raw[i:])
		out = utf8.AppendRune(append(out, raw[:i]...), r)
		raw = raw[i+n:]
	}
	return string(append(out, raw...))
}

// unescapeRune returns the character for the escape at the start of raw, and its length.
func unescapeRune(raw []byte) (rune, int) {
	n := escapeLen(raw)
	switch {
	case n == 0: // cannot be in a valid string
		return '\\', 1
	case n == 2:
		if i := strings.IndexByte("bfnrt", raw[1]); i >= 0 {
			return rune("\b\f\n\r\t"[i]), 2
		}
		return rune(raw[1]), 2
	}
	r := hexRune(raw[2:6])
	if utf16.IsSurrogate(r) && escapeLen(raw[6:]) == 6 {
		if pair := utf16.DecodeRune(r, hexRune(raw[8:12])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return r, 6 // AppendRune turns a lone surrogate into U+FFFD
}

func hexRune(digits []byte) rune {
	n, _ := strconv.ParseUint(string(digits), 16, 32)
	return rune(n)
}

// compact removes white space outside strings from valid JSON.
func compact(raw []byte) []byte {
	var out bytes.Buffer
	_ = json.Compact(&out, raw)
	return out.Bytes()
}
