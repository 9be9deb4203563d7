package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// MaxSize is the maximum size of a document in bytes. Larger ones are not read, and no edit
// creates one.
const MaxSize = 16 << 20

// Edit sets or removes the value at one path of a document.
type Edit struct {
	Path  string // as in Document.Get
	Value []byte // JSON text; nil removes the value. For "ticket", null removes too, and other values become strings
	If    If     // condition on the current value
	// Was, if not nil, is the text of the only value that the edit may replace or remove. If
	// the current value is neither that nor Value, the error is ErrMismatch.
	Was *string
}

// If is a condition of an [Edit]. The zero value always holds.
type If byte

// The conditions of an edit. A null counts as absent, as it does in specifications.
const (
	Always    If = iota
	IfAbsent     // else ErrPresent
	IfPresent    // else ErrAbsent
)

// Set returns an Edit that sets the value at path to text, interpreted as by [PropertyValue]. A
// ticket is always a string.
func Set(path, text string) Edit {
	if path == ticketPath {
		return Edit{Path: path, Value: TextValue(text)}
	}
	return Edit{Path: path, Value: PropertyValue(text)}
}

// Unset returns an Edit that removes the value at path.
func Unset(path string) Edit { return Edit{Path: path} }

// Errors of edits. There is also [*DamagedError].
var (
	// ErrEdit means that an edit is impossible in this document: its path leads through a
	// value that is not an object, a key is empty, or the value is not JSON in UTF-8.
	ErrEdit = errors.New("cannot be edited like that")
	// ErrTooLarge means that an edit would make the document larger than MaxSize.
	ErrTooLarge = errors.New("the document would be too large")
	// ErrPresent, ErrAbsent and ErrMismatch mean that a condition does not hold.
	ErrPresent  = errors.New("is already set")
	ErrAbsent   = errors.New("is not set")
	ErrMismatch = errors.New("has another value")
)

// DamagedError reports that the document is damaged and an edit would lose part of it.
type DamagedError struct{ Damage string }

func (e *DamagedError) Error() string {
	return "the document is damaged beyond safe repair and was left as it is: " + e.Damage
}

const (
	ticketPath     = "ticket"
	propertiesPath = "properties."
)

// Writable reports whether users may edit the value at path. They may edit "ticket" and
// everything below "properties".
func Writable(path string) bool {
	return path == ticketPath || strings.HasPrefix(path, propertiesPath) && len(path) > len(propertiesPath)
}

// PropertyValue returns the JSON text for text, as Thoth's set does. Text that is a JSON object,
// array, number or boolean stands for itself; any other text, including null, becomes a string.
// So does a number that JavaScript, and thus the original, would not preserve, such as 2e999 or
// 12345678901234567890.
func PropertyValue(text string) []byte {
	trimmed := bytes.Trim([]byte(text), " \t\r\n")
	if len(trimmed) == 0 || !isValue(trimmed) {
		return TextValue(text)
	}
	switch (Value{trimmed}).Kind() {
	case KindString, KindNull:
		return TextValue(text)
	case KindNumber:
		if !javaScriptKeeps(string(trimmed)) {
			return TextValue(text)
		}
	}
	return trimmed
}

// TextValue returns text as a JSON string. If text is not UTF-8, neither is the result, and Apply
// rejects it rather than silently replacing bytes.
func TextValue(text string) []byte { return quoted(text, true) }

// isValue reports whether b is one JSON value without surrounding space.
func isValue(b []byte) bool {
	end, err := valueEnd(b, 0)
	return err == nil && end == len(b)
}

// javaScriptKeeps reports whether a JSON number is finite as a float64 and, if written as an
// integer, exact.
func javaScriptKeeps(number string) bool {
	f, err := json.Number(number).Float64()
	if err != nil || math.IsInf(f, 0) {
		return false
	}
	if strings.ContainsAny(number, ".eE") {
		return true
	}
	return math.Abs(f) < 1<<53 || fmt.Sprintf("%.0f", f) == number
}

// Apply returns the document after applying edits in order. All bytes that they do not affect
// stay the same: unknown members, the order of keys, the form of numbers, indentation, the end of
// the file. A new member is added at the end of its object, in the style of the document; missing
// objects on its path are created. Removing the last member leaves an empty object. If an object
// contains a key twice, setting changes the last one, and removing removes both.
//
// If the edits change nothing, raw is the document as stored and changed is false. A damaged
// document is repaired if that preserves everything in it; otherwise the error is a
// [*DamagedError]. Other errors wrap ErrEdit, ErrPresent, ErrAbsent, ErrMismatch or ErrTooLarge.
func (d *Document) Apply(edits ...Edit) (raw []byte, changed bool, err error) {
	text, err := d.edit(edits)
	if err != nil {
		return d.raw, false, err
	}
	return d.replace(text)
}

// edit returns the text of the document's object after edits. It parses and writes the text once,
// whatever the number of edits.
func (d *Document) edit(edits []Edit) ([]byte, error) {
	top := openObject(d.view.raw)
	grown := 0 // bytes added since the last size check
	for _, e := range edits {
		n, err := top.apply(e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name(e.Path), err)
		}
		if grown += n; grown > MaxSize { // limits memory use
			if _, err := d.render(top); err != nil {
				return nil, err
			}
			grown = 0
		}
	}
	return d.render(top)
}

// render returns the text of top, the edited object of the document.
func (d *Document) render(top *editedObject) ([]byte, error) {
	limit := len(d.view.raw) + MaxSize // an unchanged document may have any size
	text := top.render(nil, limit)
	if len(text) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return text, nil
}

// replace returns the document with its object replaced by text.
func (d *Document) replace(text []byte) (raw []byte, changed bool, err error) {
	switch {
	case bytes.Equal(text, d.view.raw):
		return d.raw, false, nil
	case d.lossy:
		return d.raw, false, &DamagedError{d.Damage()}
	case !isValue(text):
		return d.raw, false, fmt.Errorf("%w: nested too deeply", ErrEdit)
	}
	start, end := skipSpace(d.raw, 0), len(bytes.TrimRight(d.raw, " \t\r\n"))
	if d.repaired {
		start = 0 // the text before the object may be part of the damage
	}
	raw = bytes.Join([][]byte{d.raw[:start], text, d.raw[end:]}, nil)
	if len(raw) > MaxSize {
		return d.raw, false, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(raw))
	}
	return raw, true, nil
}

// value returns the value to store, or nil to remove the current one.
func (e Edit) value() ([]byte, error) {
	if e.Value == nil {
		return nil, nil
	}
	if !isValue(e.Value) || !utf8.Valid(e.Value) {
		return nil, fmt.Errorf("%w: the value is not JSON in UTF-8", ErrEdit)
	}
	if e.Path == ticketPath {
		return ticketValue(Value{e.Value}), nil
	}
	return e.Value, nil
}

func ticketValue(v Value) []byte {
	switch v.Kind() {
	case KindString:
		return v.raw
	case KindNull:
		return nil
	}
	return TextValue(v.Text())
}

// sameValue reports whether two values are equal except for space and, in strings, escapes.
func sameValue(a, b Value) bool {
	return a.Kind() == b.Kind() && a.Text() == b.Text()
}
