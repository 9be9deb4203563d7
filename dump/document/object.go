package document

import (
	"fmt"
	"iter"
	"math"
	"strings"
	"unicode/utf8"
)

// span is where a member of an object is in a text.
type span struct {
	text   string // the key
	lead   int    // the space before the key begins here
	key    int    // the key's first quote
	keyEnd int    // behind its last
	start  int    // the value
	end    int    // behind it
}

// spans returns the members of the object at open, and where its bracket closes.
// The text is valid.
func spans(text []byte, open int) (members []span, shut int) {
	lead := open + 1
	for {
		key := skipSpace(text, lead)
		if text[key] == '}' {
			return members, key
		}
		keyStop, _ := stringEnd(text, key)
		start, _ := keyEnd(text, key)
		end, _ := valueEnd(text, start)
		members = append(members, span{keyText(text[key+1 : keyStop-1]), lead, key, keyStop, start, end})
		if shut = skipSpace(text, end); text[shut] == '}' {
			return members, shut
		}
		lead = shut + 1
	}
}

// editedObject is an object of a document that is being edited. Its text is written once,
// after all edits.
type editedObject struct {
	members []*editedMember          // in the order of the text; the first and the last are never gone
	byKey   map[string]*editedMember // the last member with each key
	sizes   map[int]bool             // the lengths of all keys
	tail    string                   // the space before the closing bracket
}

// editedMember is a member of an object, in the form in which the text has it.
type editedMember struct {
	key     string // without quotes and escapes
	sep     string // the space before the comma, and the comma; not written for the first member
	lead    string // the space between the comma, or the bracket, and the key
	name    string // the key with its quotes
	colon   string // between key and value
	value   []byte
	object  *editedObject // replaces value once an edit has looked into it; nil otherwise
	earlier *editedMember // the one before with the same key, which does not count
	gone    bool
}

// openObject takes the text of an object, which is valid, apart.
func openObject(raw []byte) *editedObject {
	members, shut := spans(raw, 0)
	o := &editedObject{byKey: make(map[string]*editedMember, len(members)), sizes: map[int]bool{}}
	text, end := string(raw), 1
	for _, s := range members {
		o.append(&editedMember{
			key: s.text, sep: text[end:s.lead], lead: text[s.lead:s.key], name: text[s.key:s.keyEnd],
			colon: text[s.keyEnd:s.start], value: raw[s.start:s.end],
		})
		end = s.end
	}
	o.tail = text[end:shut]
	return o
}

func (o *editedObject) append(m *editedMember) {
	m.earlier = o.byKey[m.key]
	o.members = append(o.members, m)
	o.byKey[m.key] = m
	o.sizes[len(m.key)] = true
}

// remove removes m and those before it with the same key, each with one comma.
func (o *editedObject) remove(m *editedMember) {
	delete(o.byKey, m.key)
	lead := o.members[0].lead
	for m != nil {
		earlier := m.earlier
		*m = editedMember{gone: true}
		m = earlier
	}
	for len(o.members) > 0 && o.members[0].gone {
		o.members = o.members[1:]
	}
	if len(o.members) == 0 {
		o.tail = ""
		return
	}
	o.members[0].lead = lead // it takes the place of the first
	for o.members[len(o.members)-1].gone {
		o.members = o.members[:len(o.members)-1]
	}
}

// render appends the text of o to out. It stops at more than limit bytes.
func (o *editedObject) render(out []byte, limit int) []byte {
	out = append(out, '{')
	for i, m := range o.members {
		switch {
		case len(out) > limit:
			return out
		case m.gone:
			continue
		case i > 0:
			out = append(out, m.sep...)
		}
		out = append(append(append(out, m.lead...), m.name...), m.colon...)
		if m.object != nil {
			out = m.object.render(out, limit)
		} else {
			out = append(out, m.value...)
		}
	}
	return append(append(out, o.tail...), '}')
}

func (m *editedMember) kind() Kind {
	if m.object != nil {
		return KindObject
	}
	return Value{m.value}.Kind()
}

// get returns the value.
func (m *editedMember) get() Value {
	if m.object != nil {
		m.value, m.object = m.object.render(nil, math.MaxInt), nil
	}
	return Value{m.value}
}

// open returns the value as an object, nil if it is none.
func (m *editedMember) open() *editedObject {
	if m.kind() == KindObject && m.object == nil {
		m.object = openObject(m.value)
	}
	return m.object
}

// heads yields the members that path leads to or through, in the order in which Get
// tries them: the longest key first.
func (o *editedObject) heads(path string) iter.Seq[*editedMember] {
	return func(yield func(*editedMember) bool) {
		for n := len(path); n >= 0; n = strings.LastIndexByte(path[:n], '.') {
			if !o.sizes[n] {
				continue // without hashing: a long path may have many beginnings
			}
			if m := o.byKey[path[:n]]; m != nil && !yield(m) {
				return
			}
		}
	}
}

// find returns the member that Get finds at path, nil if there is none. Elements of
// arrays it does not find.
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

// apply makes an edit. It returns by how many bytes the text grows if the edit adds a
// member.
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

// removeAll removes all that is at path: there may be several ways to take the dots in it.
func (o *editedObject) removeAll(path string) {
	for m := range o.heads(path) {
		if len(m.key) == len(path) {
			o.remove(m)
		} else if inner := m.open(); inner != nil {
			inner.removeAll(path[len(m.key)+1:])
		}
	}
}

// insert adds a member at a path at which there is none. It returns by how many bytes the
// text grows.
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
		if through.kind() == KindNull { // null is nothing
			through.value = []byte("{}")
		}
		inner := through.open()
		if len(inner.members) == 0 {
			l = l.of(at, through)
		}
		at, rest = inner, rest[len(through.key)+1:]
	}
}

// passable returns the first member on the way to path that is an object or null, nil if
// there is no member on the way. If all of them are something else, it returns the first
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

// add appends a member with the path rest, made of objects where it has dots. l is the
// style of o if it is empty. It returns by how many bytes the text grows.
func (o *editedObject) add(l style, rest string, value []byte) (grown int, err error) {
	keys := strings.SplitN(rest, ".", maxDepth+1)
	if len(keys) > maxDepth {
		return 0, fmt.Errorf("%w: nested too deeply", ErrEdit)
	}
	for _, key := range keys {
		if key == "" || !utf8.ValidString(key) {
			return 0, fmt.Errorf("%w: %s is no name for a member", ErrEdit, name(key))
		}
	}
	if len(o.members) == 0 {
		o.tail = l.tail
	} else {
		l = l.next(o)
	}
	m := &editedMember{key: keys[0], sep: ",", lead: l.lead, name: string(quote(keys[0])), colon: l.colon, value: l.nest(keys[1:], value)}
	o.append(m)
	return len(m.sep) + len(m.lead) + len(m.name) + len(m.colon) + len(m.value) + len(o.tail), nil
}
