package dump

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// style is how the members of an object are set.
type style struct {
	colon string // between key and value
	unit  string // of indentation, where there is a member a line
	lead  string // before a member
	pad   string // within the brackets of an object on one line
	tail  string // before the closing bracket
}

// documentStyle returns the style of a document's outermost object. An empty one is
// laid out as Thoth does.
func documentStyle(text []byte) style {
	members, shut := spans(text, 0)
	if len(members) == 0 {
		return style{colon: ": ", unit: "\t", lead: "\n\t", tail: "\n"}
	}
	first, last := members[0], members[len(members)-1]
	l := style{colon: string(text[first.keyEnd:first.start]), lead: string(text[first.lead:first.key]), tail: string(text[last.end:shut])}
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

// of returns the style of the object that is the value of m, within one of style l
// that has members.
func (l style) of(text []byte, members []span, m span) style {
	l.colon = string(text[m.keyEnd:m.start])
	if l.lead = string(text[m.lead:m.key]); !multiline(l.lead) {
		l.lead = string(text[members[0].lead:members[0].key])
	}
	l.pad = l.lead
	return l.inner()
}

// add appends a member with the path rest, made of objects where it has dots, to the
// object at open, whose style is l if it is empty.
func (l style) add(text []byte, open int, rest string, value []byte) ([]byte, error) {
	keys := strings.Split(rest, ".")
	if len(keys) > maxDepth {
		return nil, fmt.Errorf("%w: nested too deeply", ErrEdit)
	}
	for _, key := range keys {
		if key == "" || !utf8.ValidString(key) {
			return nil, fmt.Errorf("%w: %s is no name for a member", ErrEdit, name(key))
		}
	}
	members, shut := spans(text, open)
	if len(members) == 0 {
		return splice(text, open+1, shut, []byte(l.lead), l.member(keys, value), []byte(l.tail)), nil
	}
	last := members[len(members)-1]
	l.colon = string(text[last.keyEnd:last.start])
	l.lead = string(text[last.lead:last.key])
	l.pad = string(text[members[0].lead:members[0].key])
	if len(members) == 1 && l.lead == "" && strings.HasSuffix(l.colon, " ") {
		l.lead = " " // {"a": 1}, as Python writes it
	}
	return splice(text, last.end, last.end, []byte{','}, []byte(l.lead), l.member(keys, value)), nil
}

// member writes a member of an object of style l.
func (l style) member(keys []string, value []byte) []byte {
	var head, tail bytes.Buffer
	var tails []string
	for i, key := range keys {
		head.Write(quote(key))
		head.WriteString(l.colon)
		if i == len(keys)-1 {
			break
		}
		in := l.inner()
		head.WriteString("{" + in.lead)
		tails = append(tails, in.tail+"}")
		l = in
	}
	head.Write(value)
	for i := len(tails) - 1; i >= 0; i-- {
		tail.WriteString(tails[i])
	}
	return append(head.Bytes(), tail.Bytes()...)
}
