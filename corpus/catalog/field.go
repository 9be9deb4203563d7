package catalog

import (
	"cmp"
	"strings"
)

// Field is a document field that has a column in the catalogue.
type Field struct {
	Name   string // as written in specifications, and in exports
	Column string // name of the column; "" if it is Name
	Path   string // path in a document
	View   string // directory at the root of the mount, with an entry for each value; "" if there is none
	Sparse bool   // few dumps have the field, so the index contains only those
	Number bool   // the values are integers
}

// Fields lists all fields. To add one, add a line: catalogues with different fields are rebuilt.
var Fields = [...]Field{
	{Name: "type", Path: "type", View: "by-type"},
	{Name: "cmd", Path: "cmd", View: "by-cmd"},
	{Name: "node", Path: "node", View: "by-node"},
	{Name: "platform", Path: "platform", View: "by-platform"},
	{Name: "ticket", Path: "ticket", View: "by-ticket"},
	{Name: "signature", Path: "properties.signature", View: "by-signature", Sparse: true}, // signature of the crash: dumps that share it share the bug
	{Name: "signal", Path: "signal.name", View: "by-signal"},
	{Name: "exe", Path: "exe", View: "by-exe"},
	{Name: "size", Column: "bytes", Path: "size", Number: true},
	{Name: "uid", Path: "uid", Number: true},
}

// The fields that code refers to by name.
var (
	Type      = FieldAt("type")
	Cmd       = FieldAt("cmd")
	Node      = FieldAt("node")
	Platform  = FieldAt("platform")
	Ticket    = FieldAt("ticket")
	Signature = FieldAt("signature")
)

// FieldAt returns the field that is called name in specifications, or is at this path in a document,
// or nil.
func FieldAt(name string) *Field {
	for i := range Fields {
		if Fields[i].Name == name || Fields[i].Path == name {
			return &Fields[i]
		}
	}
	return nil
}

// index returns the index of f in Fields.
func (f *Field) index() int {
	for i := range Fields {
		if f == &Fields[i] {
			return i
		}
	}
	panic("catalog: a field that is not in Fields")
}

// fieldColumns returns the columns of all fields for SQL, each with a prefix and a suffix.
func fieldColumns(prefix, suffix string) string {
	names := make([]string, len(Fields))
	for i, f := range Fields {
		names[i] = prefix + f.column() + suffix
	}
	return strings.Join(names, ", ")
}

func (f *Field) column() string { return cmp.Or(f.Column, f.Name) }
