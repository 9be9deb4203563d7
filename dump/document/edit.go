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

// MaxSize is how many bytes a document may have: what is larger is not read, and
// no edit makes it.
const MaxSize = 16 << 20

// Edit sets or removes what is at one path of a document.
type Edit struct {
	Path  string // as Document.Get has it
	Value []byte // JSON text; nil removes. At "ticket" null removes, and all else becomes a string
	If    If     // a condition on what is there
	// Was, if not nil, is the text of the value that the edit may replace or remove. If
	// another one is there, and not yet Value, the edit is ErrMismatch.
	Was *string
}

// If is a condition of an [Edit]. The zero value is none.
type If byte

// The conditions. A null counts as absent, as it does in specifications.
const (
	Always    If = iota
	IfAbsent     // else ErrPresent
	IfPresent    // else ErrAbsent
)

// Set sets what is at path to what text means: see [PropertyValue]. A ticket is
// always a string.
func Set(path, text string) Edit {
	if path == ticketPath {
		return Edit{Path: path, Value: TextValue(text)}
	}
	return Edit{Path: path, Value: PropertyValue(text)}
}

// Unset removes what is at path.
func Unset(path string) Edit { return Edit{Path: path} }

// Why a document cannot be edited, beside [*DamagedError].
var (
	// ErrEdit is an edit that makes no sense for this document: a path through
	// something that is no object, an empty key, a value that is not JSON in UTF-8.
	ErrEdit = errors.New("cannot be edited like that")
	// ErrTooLarge is an edit after which the document has more than MaxSize bytes.
	ErrTooLarge = errors.New("the document would be too large")
	// ErrPresent, ErrAbsent and ErrMismatch are conditions that do not hold.
	ErrPresent  = errors.New("is already set")
	ErrAbsent   = errors.New("is not set")
	ErrMismatch = errors.New("has another value")
)

// DamagedError is a document of which something would be lost if it was edited.
type DamagedError struct{ Damage string }

func (e *DamagedError) Error() string {
	return "the document is damaged beyond safe repair and stays as it is: " + e.Damage
}

const (
	ticketPath     = "ticket"
	propertiesPath = "properties."
)

// Writable tells whether what is at path is for people to edit: "ticket", and what is
// below "properties".
func Writable(path string) bool {
	return path == ticketPath || strings.HasPrefix(path, propertiesPath) && len(path) > len(propertiesPath)
}

// PropertyValue returns the JSON text that stands for text, as in Thoth's set: what
// parses as an object, array, number or boolean is that, and everything else, null
// among it, is a string. A number is a string nevertheless when JavaScript, and so
// the original, would not keep its value: 2e999, 12345678901234567890.
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

// TextValue returns text as a JSON string. It is valid JSON for any text, but where
// text is not UTF-8 it is not either, and Apply refuses it: nothing is replaced
// silently.
func TextValue(text string) []byte {
	if utf8.ValidString(text) {
		return quote(text)
	}
	out := []byte{'"'}
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && n == 1 {
			out = append(out, text[0])
		} else {
			quoted := quote(text[:n])
			out = append(out, quoted[1:len(quoted)-1]...)
		}
		text = text[n:]
	}
	return append(out, '"')
}

// isValue tells whether b is one JSON value without space around it.
func isValue(b []byte) bool {
	end, err := valueEnd(b, 0)
	return err == nil && end == len(b)
}

// javaScriptKeeps tells whether a JSON number is finite as a float64 and, if it is
// written as an integer, exact.
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

// Apply returns the document after edits, one after the other. What they do not
// touch stays byte for byte: unknown members, the order of keys, the way numbers are
// written, indentation, the end. A new member is the last of its object and laid out
// as the document is; objects on the way to it are made. Removing the last member
// leaves an empty object. Of a key that is there twice the last is set, and all are
// removed.
//
// When everything is so already, raw is the document as stored and changed is false.
// A damaged document is mended, if all that is in it is kept; otherwise it is a
// [*DamagedError]. Other errors are ErrEdit, ErrPresent, ErrAbsent, ErrMismatch and ErrTooLarge,
// with words.
func (d *Document) Apply(edits ...Edit) (raw []byte, changed bool, err error) {
	text, err := d.edit(edits)
	if err != nil {
		return d.raw, false, err
	}
	return d.replace(text)
}

// edit returns the text of the document's object after edits. It parses and writes the
// text once, whatever the number of edits.
func (d *Document) edit(edits []Edit) ([]byte, error) {
	limit := len(d.view.raw) + MaxSize // an unchanged document may be any size
	top := openObject(d.view.raw)
	grown := 0 // bytes since the size was checked
	for _, e := range edits {
		n, err := top.apply(e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name(e.Path), err)
		}
		if grown += n; grown > MaxSize { // bounds the memory
			if len(top.render(nil, limit)) > limit {
				break
			}
			grown = 0
		}
	}
	text := top.render(nil, limit)
	if len(text) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return text, nil
}

// replace returns the document with text in the place of its object.
func (d *Document) replace(text []byte) (raw []byte, changed bool, err error) {
	switch {
	case bytes.Equal(text, d.view.raw):
		return d.raw, false, nil
	case d.lossy:
		return d.raw, false, &DamagedError{d.Damage()}
	case !isValue(text):
		return d.raw, false, fmt.Errorf("%w: nested too deeply", ErrEdit)
	}
	if raw = d.around(text); len(raw) > MaxSize {
		return d.raw, false, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(raw))
	}
	return raw, true, nil
}

// around puts what is around the document's object around another.
func (d *Document) around(text []byte) []byte {
	start, end := skipSpace(d.raw, 0), len(bytes.TrimRight(d.raw, " \t\r\n"))
	if d.mended {
		start = 0 // what came before may be part of the damage
	}
	return bytes.Join([][]byte{d.raw[:start], text, d.raw[end:]}, nil)
}

// value is what is to be stored, nil to remove what is there.
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

// sameValue tells whether two values are the same but for the space in them and, of
// strings, the way they are escaped.
func sameValue(a, b Value) bool {
	return a.Kind() == b.Kind() && a.Text() == b.Text()
}
