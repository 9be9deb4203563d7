package catalog

import (
	"bytes"
	"math"
	"time"

	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/query"
	"thothfs/store"
)

// InfoName is the name of the document in the directory of a dump.
const InfoName = "info.json"

// Dump is one dump of the corpus as described by its document. It is shared; do not modify it.
type Dump struct {
	ID      dump.ID
	ETag    string    // version of info.json
	Size    int64     // size of info.json
	ModTime time.Time // modification time of info.json
	// Doc is the document as stored. It is empty if the document is too large to be read, and nil
	// in a Change made by another process.
	Doc *document.Document
	// Damage describes what is wrong with the document, or is "".
	Damage string
	// Time is when the dump was made, or zero if unknown.
	Time time.Time
	// Checked is when the document was last checked against the store.
	Checked time.Time

	texts [len(Fields)]string
	row   int64 // row number in docs; 0 if not read from the catalogue
}

// NewDump returns the dump described by the document raw. A non-empty damage means that the
// document could not be read.
func NewDump(id dump.ID, raw []byte, attr store.Attr, damage string) *Dump {
	d := &Dump{ID: id, ETag: attr.ETag, Size: attr.Size, ModTime: attr.ModTime, Doc: document.Parse(raw), Damage: damage}
	if damage == "" {
		d.Damage = d.Doc.Damage()
	}
	for i := range Fields {
		if text, list, ok := texts(lookup(d.Doc, Fields[i].Name)); ok && list == nil {
			d.texts[i] = text
		}
	}
	d.Time, _ = d.Doc.Time()
	return d
}

// Text returns the value of a field, or "" if it is not set or is an array.
func (d *Dump) Text(f *Field) string { return d.texts[f.index()] }

// Value returns the value of a property that is called name in specifications. ok is false if it is
// not set or is null.
func (d *Dump) Value(name string) (v document.Value, ok bool) { return lookup(d.Doc, name) }

// Ref returns the version of the document that d describes.
func (d *Dump) Ref() store.Ref { return store.Ref{Key: InfoKey(d.ID), ETag: d.ETag} }

// Fields returns the fields that specifications are matched against. They are those of the
// document, except that "id" is always the hash.
func (d *Dump) Fields() query.Fields { return docFields{d.Doc, d.ID} }

// InfoKey returns the key of the document of a dump.
func InfoKey(id dump.ID) string { return id.String() + "/" + InfoName }

// docFields is a document combined with the hash of its dump.
type docFields struct {
	*document.Document
	id dump.ID
}

func (f docFields) Lookup(name string) (string, []string, bool) {
	if name == "id" {
		return f.id.String(), nil, true
	}
	return texts(lookup(f.Document, name))
}

// Time is written out because the wrapper that the compiler makes of a method of an embedded
// pointer ends in a jump. The race detector believes that it never returns, and every new goroutine
// costs it more from then on.
func (f docFields) Time() (time.Time, bool) { return f.Document.Time() }

// Row is a dump in a list.
type Row struct {
	ID   dump.ID
	Time int64 // seconds since 1970, 0 if unknown
}

// unknown is the value of Row.Time for an unknown time within this package; it sorts first.
const unknown = math.MinInt64

// Value is one value of a field.
type Value struct {
	Text   string
	Count  int   // number of dumps with this value
	Newest int64 // time of the newest of them, in the format of Row.Time
}

// Change describes a change of one dump.
type Change struct {
	// ID is the dump. The zero ID, with neither Old nor New, means that there are too many changes
	// to list them individually.
	ID dump.ID
	// Old is the dump before the change, or nil if it is new.
	Old *Dump
	// New is the dump after the change, or nil if it is gone.
	New *Dump
}

// Everything reports whether c stands for any number of changes.
func (c Change) Everything() bool { return c.Old == nil && c.New == nil }

// CompareIDs compares hashes in the order of lists.
func CompareIDs(a, b dump.ID) int { return bytes.Compare(a[:], b[:]) }

// Span returns the first and the last possible hash that begin with prefix. ok is false if there
// are none.
func Span(prefix string) (low, high dump.ID, ok bool) {
	if prefix == "" || len(prefix) > 2*len(low) {
		return low, high, false
	}
	const zeros, efs = "00000000000000000000000000000000", "ffffffffffffffffffffffffffffffff"
	low, err := dump.ParseID(prefix + zeros[len(prefix):])
	if err != nil {
		return low, high, false
	}
	high, err = dump.ParseID(prefix + efs[len(prefix):])
	return low, high, err == nil
}
