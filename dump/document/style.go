package document

import (
	"bytes"
	"slices"
	"strings"
)

// style is how the members of an object are set.
type style struct {
	colon string // between key and value
	unit  string // of indentation, where there is a member a line
	lead  string // before a member
	pad   string // within the brackets of an object on one line
	tail  string // before the closing bracket
}

// style returns the style of a document's outermost object. An empty one is laid out
// as Thoth does.
func (o *editedObject) style() style {
	if len(o.members) == 0 {
		return style{colon: ": ", unit: "\t", lead: "\n\t", tail: "\n"}
	}
	first := o.members[0]
	l := style{colon: first.colon, lead: first.lead, tail: o.tail}
	if multiline(l.lead) {
		l.unit = strings.TrimPrefix(indent(l.lead), indent(l.tail))
	} else {
		l.pad = l.lead
	}
	return l
}

func multiline(space string) bool { return strings.Contains(space, "\n") }

// indent is what comes after the last line's end in white space.
func indent(space string) string {
	if !multiline(space) {
		return ""
	}
	return space[strings.LastIndexByte(space, '\n')+1:]
}

// newline is the last line's end in white space, with what follows.
func newline(space string) string {
	i := strings.LastIndexByte(space, '\n')
	if i > 0 && space[i-1] == '\r' {
		i--
	}
	return space[i:]
}

// inner is the style of an object within one of style l.
func (l style) inner() style {
	if multiline(l.lead) {
		l.tail = newline(l.lead)
		l.lead = l.tail + l.unit
	} else {
		l.lead, l.tail = l.pad, l.pad
	}
	return l
}

// of returns the style of the object that is the value of m, a member of o, within a
// document of style l.
func (l style) of(o *editedObject, m *editedMember) style {
	l.colon = m.colon
	if l.lead = m.lead; !multiline(l.lead) {
		l.lead = o.members[0].lead
	}
	l.pad = l.lead
	return l.inner()
}

// next returns the style of a member that is added to o, which has some, in a document of
// style l.
func (l style) next(o *editedObject) style {
	last := o.members[len(o.members)-1]
	l.colon, l.lead, l.pad = last.colon, last.lead, o.members[0].lead
	if len(o.members) == 1 && l.lead == "" && strings.HasSuffix(l.colon, " ") {
		l.lead = " " // {"a": 1}, as Python writes it
	}
	return l
}

// nest returns value as the value of the last of keys, each in an object that is the
// value of the one before, in an object of style l.
func (l style) nest(keys []string, value []byte) []byte {
	if len(keys) == 0 {
		return value
	}
	var out bytes.Buffer
	var tails []string
	for _, key := range keys {
		l = l.inner()
		out.WriteString("{" + l.lead)
		out.Write(quote(key))
		out.WriteString(l.colon)
		tails = append(tails, l.tail+"}")
	}
	out.Write(value)
	for _, tail := range slices.Backward(tails) {
		out.WriteString(tail)
	}
	return out.Bytes()
}
