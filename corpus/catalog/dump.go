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

// InfoName is the name of the document in a dump's directory.
const InfoName = "info.json"

// Dump is one dump of the corpus as its document describes it. It is shared; do not
// change it.
type Dump struct {
	ID      dump.ID
	ETag    string    // version of info.json
	Size    int64     // of info.json
	ModTime time.Time // of info.json
	// Doc is the document as stored; an empty one when it is too large to be read, and nil
	// in a Change that another process made.
	Doc *document.Document
	// Damage says what is wrong with the document; "" if nothing is.
	Damage string
	// Time is when the dump was made; zero when unknown.
	Time time.Time
	// Checked is when the store was last asked for this document.
	Checked time.Time

	texts [len(Fields)]string
	row   int64 // of docs; 0 if not from the catalogue
}

// NewDump describes a dump by its document. With damage the document could not be read.
func NewDump(id dump.ID, raw []byte, attr store.Attr, damage string) *Dump {
	d := &Dump{ID: id, ETag: attr.ETag, Size: attr.Size, ModTime: attr.ModTime, Doc: document.Parse(raw), Damage: damage}
	if damage == "" {
		d.Damage = d.Doc.Damage()
	}
	for i := range Fields {
		if text, list, ok := d.Doc.Lookup(Fields[i].Path); ok && list == nil {
			d.texts[i] = text
		}
	}
	d.Time, _ = d.Doc.Time()
	return d
}

// Text returns the value of a field, or "" if it is not set or is an array.
func (d *Dump) Text(f *Field) string { return d.texts[f.index()] }

// Ref is the version of the document that d describes.
func (d *Dump) Ref() store.Ref { return store.Ref{Key: InfoKey(d.ID), ETag: d.ETag} }

// Fields returns what specifications are matched against: the document, in which "id" is the
// hash in any case.
func (d *Dump) Fields() query.Fields { return docFields{d.Doc, d.ID} }

// InfoKey returns the key of the document of a dump.
func InfoKey(id dump.ID) string { return id.String() + "/" + InfoName }

// docFields is a document and the hash of its dump.
type docFields struct {
	*document.Document
	id dump.ID
}

func (f docFields) Lookup(path string) (string, []string, bool) {
	if path == "id" {
		return f.id.String(), nil, true
	}
	return f.Document.Lookup(path)
}

// Row is a dump in a list.
type Row struct {
	ID   dump.ID
	Time int64 // seconds since 1970, 0 when unknown
}

// unknown is Row.Time within this package when the time is not known: it sorts first.
const unknown = math.MinInt64

// Value is one value that a field has.
type Value struct {
	Text   string
	Count  int   // of dumps that have it
	Newest int64 // time of the newest of them, as Row.Time
}

// Change is what became of one dump.
type Change struct {
	// ID is the dump. The zero ID, with neither Old nor New, means that more changed than
	// is listed one by one.
	ID dump.ID
	// Old is what was known before, nil when the dump is new.
	Old *Dump
	// New is what is known now, nil when the dump is gone.
	New *Dump
}

// Everything reports whether c stands for any number of changes.
func (c Change) Everything() bool { return c.Old == nil && c.New == nil }

// CompareIDs orders hashes as lists do.
func CompareIDs(a, b dump.ID) int { return bytes.Compare(a[:], b[:]) }

// Span returns the first and the last hash that begin with prefix; ok is false if none can.
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
