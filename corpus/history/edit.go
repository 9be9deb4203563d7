package history

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"thothfs/dump"
	"thothfs/dump/document"
)

// AnalyzersDir is the directory of a corpus that contains the analyzers, and the first element of
// Change.At for an analyzer.
const AnalyzersDir = "analyzers"

const (
	maxNew    = 1 << 10 // maximum number of bytes recorded of the value after an edit
	maxGist   = 256     // number of bytes kept of a long value for display
	maxOrigin = 256     // maximum length of each of By, With and How in bytes
)

// Edit is one edit of a dump's document or of an analyzer.
type Edit struct {
	ID   string    // unique
	Time time.Time // when the edit began, by the editor's estimate of the store's clock
	By   string    // user@host
	With string    // program and version
	How  string    // verb of the command, or call to a mount
	// Dump is the edited dump. It is the zero ID for an edit of an analyzer.
	Dump    dump.ID
	Changes []Change
	More    int // number of changes left out of Changes

	try  int    // number of the attempt, starting at 1
	void bool   // the edit was not made
	ref  string // SHA-256 in hexadecimal of the changes stored separately; "" if there are none
	size int    // size of the record in bytes
}

// NewEdit returns an edit without changes. It shortens by, with and how to fit into a record.
func NewEdit(at time.Time, by, with, how string, id dump.ID) *Edit {
	return &Edit{ID: newEditID(at), Time: at, By: shorten(by), With: shorten(with), How: shorten(how), Dump: id}
}

// newEditID returns a unique ID that sorts by time. It consists of the time in milliseconds and a
// random number, both in hexadecimal.
func newEditID(at time.Time) string {
	return fmt.Sprintf("%011x-%08x", max(0, at.UnixMilli()), rand.Uint32())
}

// ParseEditID returns the time in an edit ID. It returns false if id is not an edit ID.
func ParseEditID(id string) (time.Time, bool) {
	if len(id) != 20 || id[11] != '-' || strings.Trim(id, "0123456789abcdef-") != "" {
		return time.Time{}, false
	}
	ms, err := strconv.ParseInt(id[:11], 16, 64)
	_, err2 := strconv.ParseUint(id[12:], 16, 32)
	return time.UnixMilli(ms).UTC(), err == nil && err2 == nil
}

func shorten(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > maxOrigin {
		s = strings.ToValidUTF8(s[:maxOrigin], "")
	}
	return s
}

// UndoHow is the start of Edit.How of an edit that undoes others.
const UndoHow = "undo"

// IsUndo reports whether e undid others.
func (e *Edit) IsUndo() bool { return e.How == UndoHow || strings.HasPrefix(e.How, UndoHow+" ") }

// latestFirst orders edits, and attempts of the same edit, latest first.
func latestFirst(a, b *Edit) int {
	return cmp.Or(strings.Compare(b.ID, a.ID), cmp.Compare(b.try, a.try))
}

// Change is a change of one value of a document or of one analyzer.
type Change struct {
	At       []string // keys in the document, or AnalyzersDir and the name of an analyzer
	Old, New Value

	made int // At[:made] is the outermost object that the edit created; 0 if none
}

// DocumentChanges returns the changes from one version of a document to another.
func DocumentChanges(old, now *document.Document) (changes []Change) {
	for _, c := range document.Changes(old, now) {
		changes = append(changes, Change{At: c.At, made: c.Made, Old: Whole(c.Old), New: cut(c.New, document.Sum)})
	}
	return changes
}

// AnalyzerChange returns the change of the analyzer name from old to text; nil means that there is
// no analyzer. If the old analyzer is too large to be kept, old must be nil and size must be its
// size in bytes.
func AnalyzerChange(name string, old []byte, size int64, text []byte) Change {
	c := Change{At: []string{AnalyzersDir, name}, Old: Whole(old), New: cut(text, sha256Sum)}
	if old == nil && size > 0 {
		c.Old = Value{Is: true, Size: int(size)}
	}
	return c
}

// Path returns the path of the value in the format of document.Document.Get, or "analyzers/NAME".
func (c *Change) Path() string {
	if c.At[0] == AnalyzersDir {
		return strings.Join(c.At, "/")
	}
	return strings.Join(c.At, ".")
}

// Document returns the change for document.Document.Revert, without the values that are not whole.
func (c *Change) Document() document.Change {
	d := document.Change{At: c.At, Made: c.made, NewSum: c.New.sum}
	if c.Old.IsWhole() {
		d.Old = c.Old.Text
	}
	if c.New.IsWhole() {
		d.New = c.New.Text
	}
	return d
}

// Gist returns a copy of c with long values shortened for display.
func (c Change) Gist() Change {
	c.Old, c.New = c.Old.gist(), c.New.gist()
	return c
}

// Value is a value before or after an edit: JSON text, or an analyzer.
type Value struct {
	Is   bool   // whether there was a value
	Size int    // in bytes
	Text []byte // the value, or its beginning if Text has fewer than Size bytes

	sum []byte // checksum of the value if Text is not all of it
}

// Whole returns a Value that consists of text. It is absent if text is nil.
func Whole(text []byte) Value {
	return Value{Is: text != nil, Size: len(text), Text: text}
}

// cut returns a Value for text. If text is long, the Value keeps only its beginning and a checksum.
func cut(text []byte, sum func([]byte) []byte) Value {
	v := Whole(text)
	if len(text) > maxNew {
		v.Text, v.sum = text[:maxGist], sum(text)
	}
	return v
}

// IsWhole reports whether Text is the whole value.
func (v *Value) IsWhole() bool { return len(v.Text) == v.Size }

func (v Value) gist() Value {
	if len(v.Text) > maxGist {
		v.Text = append([]byte(nil), v.Text[:maxGist]...)
	}
	return v
}

// Equal reports whether two analyzers are equal. Either of them may be known only by its checksum.
func (v Value) Equal(w Value) bool {
	sum := func(v Value) string {
		if !v.IsWhole() {
			return string(v.sum)
		}
		return string(sha256Sum(v.Text))
	}
	return v.Is == w.Is && v.Size == w.Size && sum(v) == sum(w)
}

func sha256Sum(text []byte) []byte {
	sum := sha256.Sum256(text)
	return sum[:]
}
