package document

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// editedObject is an object whose members Apply edits. Its text is written only once, after all
// edits.
type editedObject struct {
	members []*editedMember          // in the order of the text; the first and last are not gone
	byKey   map[string]*editedMember // last member with each key
	sizes   map[int]bool             // lengths of all keys
	tail    string                   // space before the closing bracket

	restored []*editedMember // members put back by Revert, in reverse order; they follow members
	was      *style          // for Revert: style of further members, recorded before any was removed
}

// editedMember is a member of an object, split into parts of its text.
type editedMember struct {
	key     string // without quotes and escapes
	sep     string // space before the comma, and the comma; unused in the first member
	lead    string // space between the comma or bracket and the key
	name    string // key with its quotes
	colon   string // between key and value
	value   []byte
	object  *editedObject // replaces value once opened
	earlier *editedMember // earlier member with the same key, which is ignored
	gone    bool
}

// openObject parses the text of a valid object.
func openObject(raw []byte) *editedObject {
	o := &editedObject{byKey: map[string]*editedMember{}, sizes: map[int]bool{}}
	text, at := string(raw), 1 // at is just after the bracket or a value
	for m := range items(raw) {
		sep := at // just after the bracket or the comma
		if len(o.members) > 0 {
			sep = skipSpace(raw, at) + 1
		}
		o.append(&editedMember{
			key: keyText(raw[m.key+1 : m.keyStop-1]), sep: text[at:sep], lead: text[sep:m.key],
			name: text[m.key:m.keyStop], colon: text[m.keyStop:m.start], value: raw[m.start:m.end],
		})
		at = m.end
	}
	o.tail = text[at : len(text)-1]
	return o
}

func (o *editedObject) append(m *editedMember) {
	m.earlier = o.byKey[m.key]
	o.members = append(o.members, m)
	o.byKey[m.key] = m
	o.sizes[len(m.key)] = true
}

// remove removes m and earlier members with its key, each with one comma.
func (o *editedObject) remove(m *editedMember) {
	delete(o.byKey, m.key)
	var lead string
	if len(o.members) > 0 {
		lead = o.members[0].lead
	}
	for m != nil {
		earlier := m.earlier
		*m = editedMember{gone: true}
		m = earlier
	}
	for len(o.members) > 0 && o.members[0].gone {
		o.members = o.members[1:]
	}
	if len(o.byKey) == 0 {
		o.tail = ""
	}
	if len(o.members) == 0 {
		return
	}
	o.members[0].lead = lead // it replaces the first
	for o.members[len(o.members)-1].gone {
		o.members = o.members[:len(o.members)-1]
	}
}

// render appends the text of o to out. It stops once out is longer than limit.
func (o *editedObject) render(out []byte, limit int) []byte {
	out = append(out, '{')
	for i, m := range o.members {
		if out = m.render(out, i == 0, m.lead, limit); len(out) > limit {
			return out
		}
	}
	first := len(o.members) == 0
	for _, m := range slices.Backward(o.restored) {
		lead := m.lead
		if first && !multiline(lead) && o.was != nil {
			lead = o.was.pad
		}
		if out = m.render(out, first, lead, limit); len(out) > limit {
			return out
		}
		first = first && m.gone
	}
	return append(append(out, o.tail...), '}')
}

// render appends the text of m to out, after a comma unless it is the first.
func (m *editedMember) render(out []byte, first bool, lead string, limit int) []byte {
	if m.gone {
		return out
	}
	if !first {
		out = append(out, m.sep...)
	}
	out = append(append(append(out, lead...), m.name...), m.colon...)
	if m.object != nil {
		return m.object.render(out, limit)
	}
	return append(out, m.value...)
}

func (m *editedMember) kind() Kind {
	if m.object != nil {
		return KindObject
	}
	return Value{m.value}.Kind()
}

// get returns the value, or the zero Value if m is nil.
func (m *editedMember) get() Value {
	switch {
	case m == nil:
		return Value{}
	case m.object != nil:
		return Value{m.object.render(nil, math.MaxInt)}
	}
	return Value{m.value}
}

// open returns the value as an object, or nil if it is not one.
func (m *editedMember) open() *editedObject {
	if m.kind() == KindObject && m.object == nil {
		m.object = openObject(m.value)
	}
	return m.object
}

// heads yields the members that path leads to or through, longest key first, in the order in
// which Get tries them.
func (o *editedObject) heads(path string) iter.Seq[*editedMember] {
	return func(yield func(*editedMember) bool) {
		for n := range prefixes(path) {
			if o.sizes[n] { // avoids hashing, since a long path may have many prefixes
				if m := o.byKey[path[:n]]; m != nil && !yield(m) {
					return
				}
			}
		}
	}
}

// find returns the member that Get finds at path, or nil. It does not find array elements.
func (o *editedObject) find(path string) *editedMember {
	for m := range o.heads(path) {
		if len(m.key) == len(path) {
			return m
		}
		if inner := m.open(); inner != nil {
			if at := inner.find(path[len(m.key)+1:]); at != nil {
				return at
			}
		}
	}
	return nil
}

// apply applies an edit. If the edit adds a member, grown is its length.
func (o *editedObject) apply(e Edit) (grown int, err error) {
	value, err := e.value()
	if err != nil {
		return 0, err
	}
	m := o.find(e.Path)
	present := m != nil && m.kind() != KindNull
	switch {
	case e.If == IfAbsent && present:
		return 0, ErrPresent
	case e.If == IfPresent && !present:
		return 0, ErrAbsent
	case m != nil && m.kind() == (Value{value}).Kind() && sameValue(m.get(), Value{value}):
		return 0, nil
	case e.Was != nil && present && m.get().Text() != *e.Was:
		return 0, ErrMismatch
	case value == nil:
		o.removeAll(e.Path)
	case m == nil:
		return o.insert(e.Path, value)
	default:
		m.value, m.object = value, nil
	}
	return 0, nil
}

// removeAll removes all members at path. There may be several, because keys may contain dots.
func (o *editedObject) removeAll(path string) {
	for m := range o.heads(path) {
		if len(m.key) == len(path) {
			o.remove(m)
		} else if inner := m.open(); inner != nil {
			inner.removeAll(path[len(m.key)+1:])
		}
	}
}

// insert adds a member at a path where there is none. It returns the length of the member.
func (o *editedObject) insert(path string, value []byte) (grown int, err error) {
	l, at, rest := o.style(), o, path
	for {
		through, err := at.passable(rest)
		if err != nil {
			return 0, fmt.Errorf("%w: %s is not an object", ErrEdit, name(path[:len(path)-len(rest)+len(through.key)]))
		}
		if through == nil {
			return at.add(l, rest, value)
		}
		if through.kind() == KindNull { // null counts as absent
			through.value = []byte("{}")
		}
		inner := through.open()
		if len(inner.members) == 0 {
			l = l.of(at, through)
		}
		at, rest = inner, rest[len(through.key)+1:]
	}
}

// passable returns the first member on the way to path that is an object or null. It returns nil
// if there is no member on the way. If all of them are other values, it returns the first of them
// and an error.
func (o *editedObject) passable(path string) (*editedMember, error) {
	var first *editedMember
	for m := range o.heads(path) {
		if k := m.kind(); k == KindObject || k == KindNull {
			return m, nil
		}
		if first == nil {
			first = m
		}
	}
	if first != nil {
		return first, ErrEdit
	}
	return nil, nil
}

// add appends a member at the path rest, with an object for each dot, and returns its length. l
// is the style to use if o is empty.
func (o *editedObject) add(l style, rest string, value []byte) (grown int, err error) {
	keys := strings.SplitN(rest, ".", maxDepth+1)
	if len(keys) > maxDepth {
		return 0, fmt.Errorf("%w: nested too deeply", ErrEdit)
	}
	for _, key := range keys {
		if key == "" || !utf8.ValidString(key) {
			return 0, fmt.Errorf("%w: %s is not a name for a member", ErrEdit, name(key))
		}
	}
	if len(o.members) == 0 {
		o.tail = l.tail
	} else {
		l = l.next(o)
	}
	m := l.member(keys, value)
	o.append(m)
	return len(m.sep) + len(m.lead) + len(m.name) + len(m.colon) + len(m.value) + len(o.tail), nil
}
