package document

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// diffRounds is the maximum number of comparisons made by Diff. If several keys with dots lead to
// the same path, an edit of one affects the others, so the comparison is repeated.
const diffRounds = 4

// Diff returns the edits that turn the ticket and the properties of old into those of new. Other
// members are ignored. Objects with paths of up to 256 bytes are compared member by member, so
// that the edits, when applied to a later version of old, leave alone what new does not change.
// Other values are replaced as a whole.
//
// A JavaScript tool may have rewritten old. Values as JSON.stringify writes them (1.50 as 1.5,
// 2e999 as null, U+FFFD for bytes that are not UTF-8) are not treated as changes and keep their
// original form. The same is true of {"a.b":1} in place of {"a":{"b":1}}, which is the same at
// every path.
//
// The error wraps ErrEdit if new is damaged, if its properties are not an object, or if edits
// cannot produce it because it contains an empty name. It wraps ErrTooLarge in the same cases as
// for Apply.
func Diff(old, new *Document) ([]Edit, error) {
	if err := new.checkSource("it is no longer JSON"); err != nil {
		return nil, err
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
				return nil, fmt.Errorf("%w: %s is not a name for a property", ErrEdit, name(e.Path))
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

// Merge returns the edits that add the ticket and the properties of update to those of old.
// Objects are merged; other values are replaced. Its errors are those of Diff.
func Merge(old, update *Document) ([]Edit, error) {
	if err := update.checkSource("what is to be merged is not JSON"); err != nil {
		return nil, err
	}
	edits := diffObjects(nil, propertiesPath, propertiesOf(old), propertiesOf(update), true)
	if ticket := ticketOf(update); ticket != nil {
		edits = append(edits, Edit{Path: ticketPath, Value: ticket})
	}
	return edits, nil
}

// checkSource returns an error unless edits can be made from d.
func (d *Document) checkSource(notJSON string) error {
	if d.repaired {
		return fmt.Errorf("%w: %s: %s", ErrEdit, notJSON, d.Damage())
	}
	if propertiesOf(d).Kind() != KindObject {
		return fmt.Errorf("%w: properties is not an object", ErrEdit)
	}
	return nil
}

// ReadOnlyChanges returns the names of the top-level members that differ between two documents
// and that users may not edit. Diff leaves them out.
func ReadOnlyChanges(old, new *Document) []string {
	before, after := membersOf(old.view), membersOf(new.view)
	var fields []string
	for _, m := range slices.Concat(before.members, after.members) {
		if m.key != ticketPath && m.key != "properties" && !isRewritten(before.get(m.key), after.get(m.key)) {
			fields = append(fields, m.key)
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

// diffOnce compares members by key.
func diffOnce(old, new *Document) []Edit {
	edits := diffObjects(nil, propertiesPath, propertiesOf(old), propertiesOf(new), false)
	if !sameTicket(old, new) {
		edits = append(edits, Edit{Path: ticketPath, Value: ticketOf(new)})
	}
	return edits
}

// diffObjects appends the edits that turn old into new or, with merge, those that add all members
// of new to old. Removals come first, because a removed name may conflict with an added one.
func diffObjects(edits []Edit, prefix string, old, new Value, merge bool) []Edit {
	before, after := membersOf(old), membersOf(new)
	for _, m := range before.members {
		if !merge && after.index(m.key) < 0 {
			edits = append(edits, Unset(prefix+m.key))
		}
	}
	for _, m := range after.members {
		path, was := prefix+m.key, before.get(m.key)
		if was.Kind() == KindObject && m.value.Kind() == KindObject && len(path) <= maxPrefix {
			edits = diffObjects(edits, path+".", was, m.value, merge)
		} else if merge || !isRewritten(was, m.value) {
			edits = append(edits, Edit{Path: path, Value: m.value.raw})
		}
	}
	return edits
}

// propertiesOf returns the properties object, or an empty object if there is none.
func propertiesOf(d *Document) Value {
	v := membersOf(d.view).get("properties")
	if k := v.Kind(); k == KindNone || k == KindNull {
		return Value{[]byte("{}")}
	}
	return v
}

// ticketOf returns the ticket as it is stored, or nil if there is none.
func ticketOf(d *Document) []byte {
	v := membersOf(d.view).get(ticketPath)
	if v.Kind() == KindNone {
		return nil
	}
	return ticketValue(v)
}

func sameTicket(old, new *Document) bool {
	return isRewritten(Value{ticketOf(old)}, Value{ticketOf(new)})
}

// equalEditable reports whether two documents have the same values at every editable path.
func equalEditable(old, new *Document) bool {
	before, after := editableLeaves(old), editableLeaves(new)
	if len(before) != len(after) || !sameTicket(old, new) {
		return false
	}
	return slices.EqualFunc(before, after, func(a, b member) bool { return a.key == b.key && isRewritten(a.value, b.value) })
}

// editableLeaves returns the leaves below properties, sorted by path.
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

// isRewritten reports whether b is a, possibly rewritten by a JavaScript tool. Both may be
// absent.
func isRewritten(a, b Value) bool {
	switch a.Kind() {
	case KindNumber:
		return b.Text() == a.Text() && b.Kind() == KindNumber || string(b.raw) == javaScriptNumber(a.Text())
	case KindArray:
		return b.Kind() == KindArray && slices.EqualFunc(slices.Collect(a.Elements()), slices.Collect(b.Elements()), isRewritten)
	case KindObject:
		return b.Kind() == KindObject && isRewrittenObject(membersOf(a), membersOf(b))
	case KindString:
		return b.Kind() == KindString && isRewrittenText(a.Text(), b.Text())
	}
	return a.Kind() == b.Kind() && a.Text() == b.Text()
}

func isRewrittenObject(a, b *memberList) bool {
	for _, m := range a.members {
		if !isRewritten(m.value, b.get(m.key)) {
			return false
		}
	}
	return len(a.members) == len(b.members)
}

// isRewrittenText reports whether b is a with any number of U+FFFD in place of bytes that are not
// UTF-8.
func isRewrittenText(a, b string) bool {
	if a == b || utf8.ValidString(a) {
		return a == b
	}
	return collapse(strings.ToValidUTF8(a, "\uFFFD")) == collapse(b)
}

// collapse replaces each run of U+FFFD with a single one.
func collapse(s string) string {
	const twice = "\uFFFD\uFFFD"
	for strings.Contains(s, twice) {
		s = strings.ReplaceAll(s, twice, "\uFFFD")
	}
	return s
}

// javaScriptNumber returns JSON.stringify(JSON.parse(number)) according to ECMA-262
// (Number::toString), which encoding/json follows.
func javaScriptNumber(number string) string {
	f, err := json.Number(number).Float64()
	switch {
	case err != nil || math.IsInf(f, 0):
		return "null"
	case f == 0:
		return "0" // for -0 too
	}
	text, err := json.Marshal(f)
	if err != nil {
		return ""
	}
	return string(text)
}
