package catalog

import "strings"

// Field is a document field that has a column in the catalogue.
type Field struct {
	Name   string // column name, here and in exports
	Path   string // path in a document, as written in specifications
	View   string // directory at the root of the mount, with an entry for each value
	Sparse bool   // few dumps have the field, so the index contains only those
}

// Fields lists all fields. To add one, add a line: catalogues with different fields are rebuilt.
var Fields = [...]Field{
	{Name: "type", Path: "type", View: "by-type"},
	{Name: "cmd", Path: "cmd", View: "by-cmd"},
	{Name: "node", Path: "node", View: "by-node"},
	{Name: "platform", Path: "platform", View: "by-platform"},
	{Name: "ticket", Path: "ticket", View: "by-ticket"},
	{Name: "signature", Path: "properties.signature", View: "by-signature", Sparse: true}, // signature of the crash: dumps that share it share the bug
}

// The fields that code refers to by name.
var (
	Type      = fieldAt("type")
	Cmd       = fieldAt("cmd")
	Node      = fieldAt("node")
	Platform  = fieldAt("platform")
	Ticket    = fieldAt("ticket")
	Signature = fieldAt("properties.signature")
)

// fieldAt returns the field at a path in a document, or nil.
func fieldAt(path string) *Field {
	for i := range Fields {
		if Fields[i].Path == path {
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
		names[i] = prefix + f.Name + suffix
	}
	return strings.Join(names, ", ")
}
