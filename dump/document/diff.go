package document

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// diffRounds is how often Diff compares again: where several ways to take the dots of
// a path lead to something, an edit of one touches the others.
const diffRounds = 4

// Diff returns the edits that make the ticket and the properties of old those of new,
// with the shortest paths: objects are descended into, arrays and scalars replaced
// whole. Applied to a later version of old they leave alone what new does not change.
// Nothing else in new counts.
//
// Whoever made new may have rewritten old with a tool in JavaScript: values that are
// old's as JSON.stringify writes them (1.50 as 1.5, 2e999 as null, text that is not
// UTF-8 with U+FFFD in it) are no change, and keep their form. Nor is it a change to
// write {"a":{"b":1}} as {"a.b":1}: it is the same at every path.
//
// A new that is damaged, has properties that are no object, or cannot be made by
// edits (a name that is empty) is ErrEdit, with words. ErrTooLarge is as in Apply.
func Diff(old, new *Document) ([]Edit, error) {
	if new.mended {
		return nil, fmt.Errorf("%w: it is no longer JSON: %s", ErrEdit, new.Damage())
	}
	if v := propertiesOf(new); v.Kind() != KindObject {
		return nil, fmt.Errorf("%w: properties is not an object", ErrEdit)
	}
	var edits []Edit
	now := old
	for range diffRounds {
		if equalEditable(now, new) {
			return edits, nil
		}
		more := diffOnce(now, new)
		for _, e := range more {
			if !Writable(e.Path) {
				return nil, fmt.Errorf("%w: %s is no name for a property", ErrEdit, name(e.Path))
			}
		}
		text, err := now.edit(more)
		if err != nil {
			return nil, err
		}
		edits, now = append(edits, more...), Parse(text)
	}
	return nil, fmt.Errorf("%w: names with dots in them say different things of one path", ErrEdit)
}

// Merge returns the edits that add the ticket and the properties of update to those
// of old: objects are descended into, all else is replaced. Errors are those of Diff.
func Merge(old, update *Document) ([]Edit, error) {
	if update.mended {
		return nil, fmt.Errorf("%w: what is to be merged is not JSON: %s", ErrEdit, update.Damage())
	}
	v := propertiesOf(update)
	if v.Kind() != KindObject {
		return nil, fmt.Errorf("%w: properties is not an object", ErrEdit)
	}
	edits := addObjects(nil, propertiesPath, propertiesOf(old), v)
	if ticket := ticketOf(update); ticket != nil {
		edits = append(edits, Edit{Path: ticketPath, Value: ticket})
	}
	return edits, nil
}

// ReadOnlyChanges names the fields at the top that differ between two documents and
// are not for people to edit. Diff leaves them out.
func ReadOnlyChanges(old, new *Document) []string {
	before, after := membersByKey(old.view), membersByKey(new.view)
	var fields []string
	for key, v := range after {
		if was, ok := before[key]; !ok || !isRewritten(was, v) {
			fields = append(fields, key)
		}
	}
	for key := range before {
		if _, ok := after[key]; !ok {
			fields = append(fields, key)
		}
	}
	editable := func(key string) bool { return key == ticketPath || key == "properties" }
	fields = slices.DeleteFunc(fields, editable)
	slices.Sort(fields)
	return fields
}

// diffOnce compares members by their keys.
func diffOnce(old, new *Document) []Edit {
	before, after := propertiesOf(old), propertiesOf(new)
	var edits []Edit
	if before.Kind() == KindObject {
		edits = diffObjects(edits, propertiesPath, before, after)
	} else { // null, or what Apply will refuse to go through
		edits = diffObjects(edits, propertiesPath, Value{[]byte("{}")}, after)
	}
	if !sameTicket(old, new) {
		edits = append(edits, Edit{Path: ticketPath, Value: ticketOf(new)})
	}
	return edits
}

// diffObjects appends what makes one object another: removals first, for a name that
// goes may be in the way of one that comes.
func diffObjects(edits []Edit, prefix string, old, new Value) []Edit {
	before, after := membersByKey(old), membersByKey(new)
	for _, m := range all(old) {
		if _, ok := after[m.key]; !ok {
			edits = append(edits, Unset(prefix+m.key))
		}
	}
	for _, m := range all(new) {
		if was := before[m.key]; was.Kind() == KindObject && m.value.Kind() == KindObject {
			edits = diffObjects(edits, prefix+m.key+".", was, m.value)
		} else if was.Kind() == KindNone || !isRewritten(was, m.value) {
			edits = append(edits, Edit{Path: prefix + m.key, Value: m.value.raw})
		}
	}
	return edits
}

// addObjects is diffObjects without the removals, and with all that new has.
func addObjects(edits []Edit, prefix string, old, new Value) []Edit {
	before := membersByKey(old)
	for _, m := range all(new) {
		if was := before[m.key]; was.Kind() == KindObject && m.value.Kind() == KindObject {
			edits = addObjects(edits, prefix+m.key+".", was, m.value)
		} else {
			edits = append(edits, Edit{Path: prefix + m.key, Value: m.value.raw})
		}
	}
	return edits
}

func membersByKey(v Value) map[string]Value {
	byKey := make(map[string]Value)
	for key, value := range v.Members() {
		byKey[key] = value // the last one counts
	}
	return byKey
}

// propertiesOf is the object of properties; an empty one when there is none.
func propertiesOf(d *Document) Value {
	v := membersByKey(d.view)["properties"]
	if k := v.Kind(); k == KindNone || k == KindNull {
		return Value{[]byte("{}")}
	}
	return v
}

// ticketOf is the ticket as it is to be stored, nil when there is none.
func ticketOf(d *Document) []byte {
	v, ok := membersByKey(d.view)[ticketPath]
	if !ok {
		return nil
	}
	return ticketValue(v)
}

func sameTicket(old, new *Document) bool {
	a, b := ticketOf(old), ticketOf(new)
	return (a == nil) == (b == nil) && isRewritten(Value{a}, Value{b})
}

// equalEditable tells whether two documents have the same at every editable path.
func equalEditable(old, new *Document) bool {
	before, after := editableLeaves(old), editableLeaves(new)
	if len(before) != len(after) || !sameTicket(old, new) {
		return false
	}
	return slices.EqualFunc(before, after, func(a, b member) bool { return a.key == b.key && isRewritten(a.value, b.value) })
}

// editableLeaves are the paths below properties and what is there, in order of the
// paths.
func editableLeaves(d *Document) []member {
	var leaves []member
	d.Walk(func(path string, v Value) bool {
		if strings.HasPrefix(path, propertiesPath) {
			leaves = append(leaves, member{path, v})
		}
		return true
	})
	slices.SortStableFunc(leaves, func(a, b member) int { return strings.Compare(a.key, b.key) })
	return leaves
}

// isRewritten tells whether b is a, or what a tool in JavaScript makes of it that
// reads and writes it.
func isRewritten(a, b Value) bool {
	switch a.Kind() {
	case KindNumber:
		return b.Text() == a.Text() && b.Kind() == KindNumber || string(b.raw) == javaScriptNumber(a.Text())
	case KindArray:
		return b.Kind() == KindArray && slices.EqualFunc(slices.Collect(a.Elements()), slices.Collect(b.Elements()), isRewritten)
	case KindObject:
		return b.Kind() == KindObject && isRewrittenObject(membersByKey(a), membersByKey(b))
	case KindString:
		return b.Kind() == KindString && isRewrittenText(a.Text(), b.Text())
	}
	return a.Kind() == b.Kind() && a.Text() == b.Text()
}

func isRewrittenObject(a, b map[string]Value) bool {
	for key, v := range a {
		if w, ok := b[key]; !ok || !isRewritten(v, w) {
			return false
		}
	}
	return len(a) == len(b)
}

// isRewrittenText allows for U+FFFD, any number of it, in the place of what is not
// UTF-8.
func isRewrittenText(a, b string) bool {
	if a == b || utf8.ValidString(a) {
		return a == b
	}
	return collapse(strings.ToValidUTF8(a, "\uFFFD")) == collapse(b)
}

// collapse makes one U+FFFD of several in a row.
func collapse(s string) string {
	const twice = "\uFFFD\uFFFD"
	for strings.Contains(s, twice) {
		s = strings.ReplaceAll(s, twice, "\uFFFD")
	}
	return s
}

// javaScriptNumber is what JSON.stringify(JSON.parse(number)) gives (ECMA-262,
// Number::toString), which encoding/json follows.
func javaScriptNumber(number string) string {
	f, err := json.Number(number).Float64()
	switch {
	case err != nil || math.IsInf(f, 0):
		return "null"
	case f == 0:
		return "0" // of -0 too
	}
	text, err := json.Marshal(f)
	if err != nil {
		return ""
	}
	return string(text)
}
