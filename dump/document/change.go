package document

import (
	"bytes"
	"crypto/sha256"
	"slices"
)

// Change is what an edit did to one value of a document's ticket or properties.
type Change struct {
	At   []string // the keys that lead to the value: "ticket", or "properties" and those below
	Made int      // At[:Made] is the outermost object that the edit made for it; 0: none
	Old  []byte   // the JSON text before, byte for byte; nil: there was nothing
	New  []byte   // the JSON text after; nil: there is nothing
	// NewSum is Sum of New, for a Change that was recorded without it.
	NewSum []byte
}

// Changes returns what is different in the ticket and the properties of new, value by
// value. Objects that both have are descended into, and so is an object that only new
// has: its values came one by one. What is only spaced otherwise is no change.
func Changes(old, new *Document) []Change {
	before, after := membersByKey(old.view), membersByKey(new.view)
	var all []Change
	for _, key := range []string{ticketPath, "properties"} {
		all = addChanges(all, []string{key}, 0, before[key], after[key])
	}
	return all
}

func addChanges(all []Change, at []string, made int, old, new Value) []Change {
	if bytes.Equal(old.raw, new.raw) {
		return all
	}
	if at[0] == ticketPath || new.Kind() != KindObject || old.Kind() != KindObject && (old.Kind() != KindNone || isEmpty(new)) {
		return append(all, Change{At: at, Made: made, Old: old.raw, New: new.raw})
	}
	if old.Kind() == KindNone && made == 0 {
		made = len(at)
	}
	before, after := membersByKey(old), membersByKey(new)
	down := func(key string) []string { return append(slices.Clone(at), key) }
	for key := range old.Members() {
		if v, ok := before[key]; ok {
			all = addChanges(all, down(key), 0, v, after[key])
			delete(before, key) // a key that is there twice counts once
			delete(after, key)
		}
	}
	for key := range new.Members() {
		if v, ok := after[key]; ok {
			all = addChanges(all, down(key), made, Value{}, v)
			delete(after, key)
		}
	}
	return all
}

func isEmpty(v Value) bool {
	for range v.Members() {
		return false
	}
	return true
}

// Sum returns a checksum of what a JSON value says, however it is spaced and escaped.
func Sum(text []byte) []byte {
	v, h := Value{text}, sha256.New()
	h.Write([]byte{byte(v.Kind())})
	h.Write([]byte(v.Text()))
	return h.Sum(nil)
}

// left reports whether v is what the edit left behind.
func (c *Change) left(v Value) bool {
	if c.NewSum != nil {
		return bytes.Equal(Sum(v.raw), c.NewSum)
	}
	return same(c.New, v)
}

// same reports whether v is what raw says, or what a tool in JavaScript makes of it.
func same(raw []byte, v Value) bool {
	was := Value{raw}
	return (was.Kind() == KindNone) == (v.Kind() == KindNone) && isRewritten(was, v)
}
