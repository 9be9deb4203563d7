package catalog

import "strings"

// Field is a field of documents that has a column in the catalogue.
type Field struct {
	Name   string // of the column, here and in exports
	Path   string // in a document, as specifications spell it
	View   string // directory at the root of the mount with an entry for each value
	Sparse bool   // few dumps have it: the index leaves the others out
}

// Fields is all there are. To add one, add a line: catalogues of other fields are rebuilt.
var Fields = [...]Field{
	{Name: "type", Path: "type", View: "by-type"},
	{Name: "cmd", Path: "cmd", View: "by-cmd"},
	{Name: "node", Path: "node", View: "by-node"},
	{Name: "platform", Path: "platform", View: "by-platform"},
	{Name: "ticket", Path: "ticket", View: "by-ticket"},
	{Name: "signature", Path: "properties.signature", View: "by-signature", Sparse: true}, // of the crash: dumps that share it share the bug
}

// The fields that code asks for by name.
var (
	Type      = fieldAt("type")
	Cmd       = fieldAt("cmd")
	Node      = fieldAt("node")
	Platform  = fieldAt("platform")
	Ticket    = fieldAt("ticket")
	Signature = fieldAt("properties.signature")
)

// fieldAt returns the field at a path of a document, or nil.
func fieldAt(path string) *Field {
	for i := range Fields {
		if Fields[i].Path == path {
			return &Fields[i]
		}
	}
	return nil
}

// index returns the place of f in Fields.
func (f *Field) index() int {
	for i := range Fields {
		if f == &Fields[i] {
			return i
		}
	}
	panic("catalog: a field that is not in Fields")
}

// fieldColumns is the columns of all fields, each with a prefix and a suffix, for SQL.
func fieldColumns(prefix, suffix string) string {
	names := make([]string, len(Fields))
	for i, f := range Fields {
		names[i] = prefix + f.Name + suffix
	}
	return strings.Join(names, ", ")
}
