package corpus

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"thothfs/dump"
	"thothfs/dump/document"
	"time"
	"unicode/utf8"
)

// The history of a corpus lies beside its change log:
//
//	.thothfs/history/edits/TIME-RANDOM          one record a line, of edits made at the same time
//	.thothfs/history/segments/TIME-TIME-SUM     many of them, compacted (see historycompact.go)
//	.thothfs/history/large/EDIT-TRY             the changes of a record that are too large for a line
//
// A record says what an edit replaced. It is stored while the document is, and an edit
// is not acknowledged before both are, so that every edit that was acknowledged can be
// undone. A record of an edit that never came about does no harm: an edit is undone
// only where its value is still there.
const (
	historyDir     = ".thothfs/history/edits"
	segmentsDir    = ".thothfs/history/segments"
	historyLarge   = ".thothfs/history/large"
	historyVersion = 1

	maxLine    = 64 << 10 // bytes of a record; what has more is stored apart
	maxRecords = 256      // in one object
	maxHistory = 2 << 20  // bytes of an object
	maxLarge   = 96 << 20
	maxNew     = 1 << 10 // bytes of a value after an edit that are recorded
	maxGist    = 256     // bytes of a long value that are shown
	maxSaid    = 256     // bytes of who and how
)

// HistoryEdit is one edit of the history.
type HistoryEdit struct {
	ID   string    // names the edit
	Time time.Time // when it began, by the store's clock as far as its maker knew it
	By   string    // user@host
	With string    // the program and its version
	How  string    // the verb, or the call to a mount
	// Dump is the dump that was edited; the zero ID: analyzers were.
	Dump    dump.ID
	Changes []HistoryChange
	// More is how many changes there are beside Changes.
	More int

	try  int
	void bool // it never came about
	ref  string
}

// HistoryChange is what an edit did to one value, or one analyzer.
type HistoryChange struct {
	At       []string // keys of the document, or AnalyzersDir and a name
	Old, New HistoryValue

	made int
}

// HistoryValue is a value before or after an edit: JSON text, or an analyzer.
type HistoryValue struct {
	Is   bool   // there was one
	Size int    // in bytes
	Text []byte // the value, or its beginning when Size is more

	sum []byte // of the value, when Text is not all of it
}

// Path returns the path of the value as document.Document.Get has it, or "analyzers/NAME".
func (c *HistoryChange) Path() string {
	if c.At[0] == AnalyzersDir {
		return strings.Join(c.At, "/")
	}
	return strings.Join(c.At, ".")
}

// document is the change as document.Document.Revert takes it. A value that is not whole is
// left out.
func (c *HistoryChange) document() document.Change {
	d := document.Change{At: c.At, Made: c.made, NewSum: c.New.sum}
	if c.Old.whole() {
		d.Old = c.Old.Text
	}
	if c.New.whole() {
		d.New = c.New.Text
	}
	return d
}

func (v *HistoryValue) whole() bool { return len(v.Text) == v.Size }

type howKey struct{}

// WithHow has the edits made under the context recorded as made in that way:
// "mount: unlink properties/x".
func WithHow(ctx context.Context, how string) context.Context {
	return context.WithValue(ctx, howKey{}, how)
}

// newEdit begins the record of an edit.
func (c *Corpus) newEdit(ctx context.Context, id dump.ID) *HistoryEdit {
	how, ok := ctx.Value(howKey{}).(string)
	if !ok {
		how = c.o.How
	}
	now := c.history.next(c.storeNow())
	return &HistoryEdit{ID: newEditID(now), Time: now, By: said(c.o.By), With: said(c.o.With), How: said(how), Dump: id}
}

// newEditID is the name of an edit: the time in milliseconds and a random number, in
// hexadecimal digits.
func newEditID(at time.Time) string {
	return fmt.Sprintf("%011x-%08x", max(0, at.UnixMilli()), rand.Uint32())
}

// ParseEditID returns the time in the name of an edit; false: it is no such name.
func ParseEditID(id string) (time.Time, bool) {
	if len(id) != 20 || id[11] != '-' || strings.Trim(id, "0123456789abcdef-") != "" {
		return time.Time{}, false
	}
	ms, err := strconv.ParseInt(id[:11], 16, 64)
	_, err2 := strconv.ParseUint(id[12:], 16, 32)
	return time.UnixMilli(ms).UTC(), err == nil && err2 == nil
}

// documentChanges is what became of a document.
func documentChanges(old *document.Document, raw []byte) (all []HistoryChange) {
	for _, c := range document.Changes(old, document.Parse(raw)) {
		all = append(all, HistoryChange{At: c.At, made: c.Made, Old: wholeValue(c.Old), New: cutValue(c.New, maxNew, document.Sum)})
	}
	return all
}

func wholeValue(text []byte) HistoryValue {
	return HistoryValue{Is: text != nil, Size: len(text), Text: text}
}

// cutValue leaves of a value of more than limit bytes the beginning and a checksum.
func cutValue(text []byte, limit int, sum func([]byte) []byte) HistoryValue {
	v := wholeValue(text)
	if len(text) > limit {
		v.Text, v.sum = text[:maxGist], sum(text)
	}
	return v
}

func plainSum(text []byte) []byte {
	sum := sha256.Sum256(text)
	return sum[:]
}

// The form of a record.
type (
	recordJSON struct {
		V       int          `json:"v"`
		ID      string       `json:"id"`
		Try     int          `json:"try,omitempty"`
		Void    bool         `json:"void,omitempty"`
		By      string       `json:"by,omitempty"`
		With    string       `json:"with,omitempty"`
		How     string       `json:"how,omitempty"`
		Dump    *dump.ID     `json:"dump,omitempty"`
		Changes []changeJSON `json:"changes,omitempty"`
		More    int          `json:"more,omitempty"`
		Ref     string       `json:"ref,omitempty"` // SHA-256 of the changes, stored apart
	}
	changeJSON struct {
		At   []bytesJSON `json:"at"`
		Made int         `json:"made,omitempty"`
		Old  *valueJSON  `json:"old"`
		New  *valueJSON  `json:"new"`
	}
	valueJSON struct {
		Text bytesJSON `json:"text"`
		Size int       `json:"size,omitempty"` // of a value of which text is the beginning
		Sum  []byte    `json:"sum,omitempty"`
	}
	// bytesJSON is a string in JSON, or {"base64":"…"} where it is not UTF-8.
	bytesJSON []byte
)

// MarshalJSON and UnmarshalJSON keep every byte.
func (b bytesJSON) MarshalJSON() ([]byte, error) {
	if utf8.Valid(b) {
		return marshal(string(b))
	}
	return json.Marshal(map[string][]byte{"base64": b})
}

// UnmarshalJSON takes what MarshalJSON makes.
func (b *bytesJSON) UnmarshalJSON(text []byte) error {
	if text[0] == '{' {
		var encoded struct{ Base64 []byte }
		err := json.Unmarshal(text, &encoded)
		*b = nonNil(encoded.Base64)
		return err
	}
	var s string
	err := json.Unmarshal(text, &s)
	*b = []byte(s)
	return err
}

// marshal is json.Marshal without escapes for the sake of HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// encode returns the record as a line, and the changes that are too large for it, which
// are to be stored under e.largeKey().
func (e *HistoryEdit) encode() (line, large []byte, err error) {
	r := recordJSON{V: historyVersion, ID: e.ID, Try: e.try, Void: e.void, By: e.By, With: e.With, How: e.How, Changes: changesJSON(e.Changes)}
	if e.Dump != (dump.ID{}) {
		r.Dump = &e.Dump
	}
	if line, err = marshal(r); err != nil || len(line) < maxLine {
		return append(line, '\n'), nil, err
	}
	if large, err = marshal(r.Changes); err != nil {
		return nil, nil, err
	}
	r.Ref = hex.EncodeToString(plainSum(large))
	gist, size := []changeJSON(nil), 0
	for _, c := range e.Changes {
		c.Old, c.New = c.Old.gist(), c.New.gist()
		if size += len(c.Path()) + 4*maxGist; size > maxLine/2 {
			break
		}
		gist = append(gist, changeJSON{bytesOf(c.At), c.made, c.Old.json(), c.New.json()})
	}
	r.More, r.Changes = len(r.Changes)-len(gist), gist
	line, err = marshal(r)
	return append(line, '\n'), large, err
}

// gist is the beginning of a value, for display.
func (v HistoryValue) gist() HistoryValue {
	if len(v.Text) > maxGist {
		v.Text = v.Text[:maxGist]
	}
	return v
}

func changesJSON(changes []HistoryChange) (all []changeJSON) {
	for _, c := range changes {
		all = append(all, changeJSON{bytesOf(c.At), c.made, c.Old.json(), c.New.json()})
	}
	return all
}

func (v *HistoryValue) json() *valueJSON {
	if !v.Is {
		return nil
	}
	j := &valueJSON{Text: v.Text}
	if !v.whole() {
		j.Size, j.Sum = v.Size, v.sum
	}
	return j
}

func bytesOf(keys []string) (all []bytesJSON) {
	for _, k := range keys {
		all = append(all, bytesJSON(k))
	}
	return all
}

var errRecord = errors.New("no record of an edit")

// decodeRecord reads a line of the history, which somebody else may have written. One of
// a version that is not ours is errRecord like one that makes no sense.
func decodeRecord(line []byte) (*HistoryEdit, error) {
	var r recordJSON
	if len(line) > 2*maxLine {
		return nil, errRecord
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, errRecord
	}
	at, ok := ParseEditID(r.ID)
	if r.V != historyVersion || !ok || r.Try < 0 || r.More < 0 || len(r.By) > maxSaid || len(r.With) > maxSaid || len(r.How) > maxSaid {
		return nil, errRecord
	}
	e := &HistoryEdit{ID: r.ID, Time: at, By: r.By, With: r.With, How: r.How, More: r.More, try: r.Try, void: r.Void, ref: r.Ref}
	if r.Dump != nil {
		e.Dump = *r.Dump
	}
	var err error
	e.Changes, err = decodeChanges(r.Changes, e.Dump != dump.ID{})
	return e, err
}

// decodeChanges makes sure that changes are of a document's ticket and properties, or of
// analyzers.
func decodeChanges(all []changeJSON, document bool) (changes []HistoryChange, err error) {
	for _, j := range all {
		c := HistoryChange{made: j.Made, Old: valueOf(j.Old), New: valueOf(j.New)}
		for _, key := range j.At {
			c.At = append(c.At, string(key))
		}
		analyzer := !document && len(c.At) == 2 && c.At[0] == AnalyzersDir
		editable := document && len(c.At) > 0 && (c.At[0] == "properties" || len(c.At) == 1 && c.At[0] == "ticket")
		if !analyzer && !editable || c.Old.Size < len(c.Old.Text) || c.New.Size < len(c.New.Text) {
			return nil, errRecord
		}
		if d := c.document(); editable && d.Check() != nil {
			return nil, errRecord
		}
		changes = append(changes, c)
	}
	return changes, nil
}

func valueOf(j *valueJSON) HistoryValue {
	if j == nil {
		return HistoryValue{}
	}
	v := wholeValue(nonNil(j.Text))
	if j.Size != 0 || j.Sum != nil {
		v.Size, v.sum = j.Size, j.Sum
	}
	return v
}

// largeKey is where the changes are that are too large for the record.
func (e *HistoryEdit) largeKey() string { return fmt.Sprintf("%s/%s-%d", historyLarge, e.ID, e.try) }

// said cuts what somebody says of himself.
func said(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > maxSaid {
		s = strings.ToValidUTF8(s[:maxSaid], "")
	}
	return s
}

// laterEdit orders edits, the latest first, and of one edit the latest try.
func laterEdit(a, b *HistoryEdit) int {
	return cmp.Or(strings.Compare(b.ID, a.ID), cmp.Compare(b.try, a.try))
}
