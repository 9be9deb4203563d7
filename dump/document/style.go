package document

import (
	"bytes"
	"slices"
	"strings"
)

// style describes the space around the members of an object.
type style struct {
	colon string // between key and value
	unit  string // indentation unit, if each member is on its own line
	lead  string // before a member
	pad   string // inside the brackets of a single-line object
	tail  string // before the closing bracket
}

// style returns the style of a document's outermost object, or Thoth's style if it is empty.
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

// indent returns the part of space after the last newline.
func indent(space string) string {
	if !multiline(space) {
		return ""
	}
	return space[strings.LastIndexByte(space, '\n')+1:]
}

// newline returns the last newline in space and what follows it.
func newline(space string) string {
	i := strings.LastIndexByte(space, '\n')
	if i > 0 && space[i-1] == '\r' {
		i--
	}
	return space[i:]
}

// inner returns the style of an object nested in one of style l.
func (l style) inner() style {
	if multiline(l.lead) {
		l.tail = newline(l.lead)
		l.lead = l.tail + l.unit
	} else {
		l.lead, l.tail = l.pad, l.pad
	}
	return l
}

// of returns the style of the object that is the value of m, a member of o, in a document of
// style l.
func (l style) of(o *editedObject, m *editedMember) style {
	l.colon = m.colon
	if l.lead = m.lead; !multiline(l.lead) && len(o.members) > 0 {
		l.lead = o.members[0].lead
	}
	l.pad = l.lead
	return l.inner()
}

// next returns the style of a new member of o, which already has members, in a document of style
// l.
func (l style) next(o *editedObject) style {
	last := o.members[len(o.members)-1]
	l.colon, l.lead, l.pad = last.colon, last.lead, o.members[0].lead
	if len(o.members) == 1 && l.lead == "" && strings.HasSuffix(l.colon, " ") {
		l.lead = " " // {"a": 1}, as Python writes it
	}
	return l
}

// member returns a new member for the first of keys. The remaining keys lead to value inside it.
func (l style) member(keys []string, value []byte) *editedMember {
	return &editedMember{
		key: keys[0], sep: ",", lead: l.lead, name: string(TextValue(keys[0])), colon: l.colon,
		value: l.nest(keys[1:], value),
	}
}

// nest returns the text of value inside one object for each of keys, the first outermost, in an
// object of style l.
func (l style) nest(keys []string, value []byte) []byte {
	if len(keys) == 0 {
		return value
	}
	var out bytes.Buffer
	var tails []string
	for _, key := range keys {
		l = l.inner()
		out.WriteString("{" + l.lead)
		out.Write(TextValue(key))
		out.WriteString(l.colon)
		tails = append(tails, l.tail+"}")
	}
	out.Write(value)
	for _, tail := range slices.Backward(tails) {
		out.WriteString(tail)
	}
	return out.Bytes()
}
