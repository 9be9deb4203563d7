package history

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"thothfs/dump"
)

const (
	recordVersion = 1
	maxLine       = 64 << 10 // maximum size of a record in bytes; the changes of a larger one are stored separately
	maxLarge      = 96 << 20 // maximum size in bytes of changes stored separately
	maxChanges    = 1 << 17  // maximum number of changes in one edit
	maxKeys       = 256      // maximum number of elements in Change.At
)

// The JSON format of a record.
type (
	recordJSON struct {
		V       int         `json:"v"`
		ID      string      `json:"id"`
		Try     int         `json:"try,omitempty"`
		Void    bool        `json:"void,omitempty"`
		By      string      `json:"by,omitempty"`
		With    string      `json:"with,omitempty"`
		How     string      `json:"how,omitempty"`
		Dump    *dump.ID    `json:"dump,omitempty"`
		Changes changesJSON `json:"changes,omitempty"`
		More    int         `json:"more,omitempty"`
		Ref     string      `json:"ref,omitempty"` // SHA-256 of the changes, if they are stored separately
	}
	changesJSON []changeJSON
	changeJSON  struct {
		At   keysJSON   `json:"at"`
		Made int        `json:"made,omitempty"`
		Old  *valueJSON `json:"old"`
		New  *valueJSON `json:"new"`
	}
	keysJSON  []bytesJSON
	valueJSON struct {
		Text bytesJSON `json:"text"`
		Size int       `json:"size,omitempty"` // size of the value, if Text is only its beginning
		Sum  []byte    `json:"sum,omitempty"`
	}
	// bytesJSON is a JSON string, or {"base64":"…"} if it is not UTF-8.
	bytesJSON []byte
)

var errRecord = errors.New("not a record of an edit")

// MarshalJSON implements json.Marshaler. It preserves every byte.
func (b bytesJSON) MarshalJSON() ([]byte, error) {
	if utf8.Valid(b) {
		return marshal(string(b))
	}
	return json.Marshal(map[string][]byte{"base64": b})
}

// UnmarshalJSON implements json.Unmarshaler. The result is not nil.
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

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// UnmarshalJSON implements json.Unmarshaler. It fails if there are more than maxChanges elements.
func (c *changesJSON) UnmarshalJSON(text []byte) (err error) {
	*c, err = decodeArray[changeJSON](text, maxChanges)
	return err
}

// UnmarshalJSON implements json.Unmarshaler. It fails if there are more than maxKeys elements.
func (k *keysJSON) UnmarshalJSON(text []byte) (err error) {
	*k, err = decodeArray[bytesJSON](text, maxKeys)
	return err
}

// decodeArray decodes an array of at most limit elements. Unlike json.Unmarshal it stops at the
// first excess element, since a decoded element may need a hundred times as much memory as its
// text.
func decodeArray[T any](text []byte, limit int) (all []T, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, errors.Join(err, errRecord)
	}
	for d.More() {
		var v T
		if len(all) == limit {
			return nil, errRecord
		}
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// marshal is like json.Marshal but does not escape HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// encode returns the record as a line. If the changes do not fit into the line, it also returns the
// object with the changes, to be stored under e.largeKey().
func (e *Edit) encode() (line, large []byte, err error) {
	if len(e.Changes) > maxChanges {
		return nil, nil, fmt.Errorf("%d changes in one edit", len(e.Changes))
	}
	r := recordJSON{V: recordVersion, ID: e.ID, Try: e.try, Void: e.void, By: e.By, With: e.With, How: e.How}
	for _, c := range e.Changes {
		r.Changes = append(r.Changes, c.json())
	}
	if e.Dump != (dump.ID{}) {
		r.Dump = &e.Dump
	}
	if line, err = marshal(r); err != nil || len(line) < maxLine {
		return append(line, '\n'), nil, err
	}
	if large, err = marshal(r.Changes); err != nil {
		return nil, nil, err
	}
	if len(large) > maxLarge {
		return nil, nil, fmt.Errorf("%d bytes of changes in one edit", len(large))
	}
	r.Ref = hex.EncodeToString(sha256Sum(large))
	gists, size := changesJSON(nil), 0
	for _, c := range e.Changes {
		if size += len(c.Path()) + 4*maxGist; size > maxLine/2 {
			break
		}
		gist := c.Gist()
		gists = append(gists, gist.json())
	}
	r.More, r.Changes = len(r.Changes)-len(gists), gists
	line, err = marshal(r)
	return append(line, '\n'), large, err
}

func (c *Change) json() changeJSON {
	j := changeJSON{Made: c.made, Old: c.Old.json(), New: c.New.json()}
	for _, key := range c.At {
		j.At = append(j.At, bytesJSON(key))
	}
	return j
}

func (v *Value) json() *valueJSON {
	if !v.Is {
		return nil
	}
	j := &valueJSON{Text: v.Text}
	if !v.IsWhole() {
		j.Size, j.Sum = v.Size, v.sum
	}
	return j
}

func (j *valueJSON) value() Value {
	if j == nil {
		return Value{}
	}
	v := Whole(nonNil(j.Text))
	if j.Size != 0 || j.Sum != nil {
		v.Size, v.sum = j.Size, j.Sum
	}
	return v
}

// decodeRecord decodes a record from an untrusted source. It returns errRecord if the record is
// malformed or in another format.
func decodeRecord(line []byte) (*Edit, error) {
	var r recordJSON
	if len(line) > 2*maxLine || json.Unmarshal(line, &r) != nil {
		return nil, errRecord
	}
	at, ok := ParseEditID(r.ID)
	if r.V != recordVersion || !ok || r.Try < 0 || r.More < 0 || max(len(r.By), len(r.With), len(r.How)) > maxOrigin {
		return nil, errRecord
	}
	e := &Edit{ID: r.ID, Time: at, By: r.By, With: r.With, How: r.How, More: r.More, try: r.Try, void: r.Void, ref: r.Ref, size: len(line)}
	if r.Dump != nil {
		e.Dump = *r.Dump
	}
	var err error
	e.Changes, err = e.decodeChanges(r.Changes)
	return e, err
}

// decodeChanges decodes changes. It returns errRecord if they concern anything but the ticket and
// the properties of a document or, if e is an edit of an analyzer, an analyzer.
func (e *Edit) decodeChanges(all changesJSON) (changes []Change, err error) {
	document := e.Dump != dump.ID{}
	for _, j := range all {
		c := Change{made: j.Made, Old: j.Old.value(), New: j.New.value()}
		for _, key := range j.At {
			c.At = append(c.At, string(key))
		}
		analyzer := !document && len(c.At) == 2 && c.At[0] == AnalyzersDir
		if !analyzer && !document || c.Old.Size < len(c.Old.Text) || c.New.Size < len(c.New.Text) {
			return nil, errRecord
		}
		if d := c.Document(); document && d.Check() != nil {
			return nil, errRecord
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// decodeLarge decodes the changes of e that are stored separately.
func (e *Edit) decodeLarge(text []byte) ([]Change, error) {
	var all changesJSON
	if hex.EncodeToString(sha256Sum(text)) != e.ref || json.Unmarshal(text, &all) != nil {
		return nil, errRecord
	}
	return e.decodeChanges(all)
}

// largeKey returns the key of the changes that are stored separately.
func (e *Edit) largeKey() string { return fmt.Sprintf("%s/%s-%d", largeDir, e.ID, e.try) }
