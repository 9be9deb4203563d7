package document

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// Change describes what an edit did to the ticket, to one value of the properties, or to a fact of
// the dump.
type Change struct {
	At   []string // keys that lead to the value: "ticket", a fact, or "properties" and keys below it
	Made int      // At[:Made] leads to the outermost object created by the edit for the value; 0 means none
	Old  []byte   // JSON text before the edit, byte for byte; nil means none
	New  []byte   // JSON text after the edit; nil means none
	// NewSum is the Sum of New, for a Change recorded without New.
	NewSum []byte
}

// recorded are the members of a document that Changes compares: what people edit, and the facts of
// a dump that may be added or corrected after it was uploaded.
var recorded = []string{ticketPath, "properties", "pid", "psargs", "platform", "node", "time", "type", "truncated",
	"exe", "buildid", "signal", "uid", "gid", "ppid", "threads", "size", "rlimit", "boot", "os", "container", "unit", "uploaded",
	"panic", "kernel"}

// Changes returns the differences in ticket, properties and facts of the dump, value by value. It descends into
// objects that both documents contain, and into objects that only new contains, so that their
// values are listed one by one. Differences in space are ignored.
func Changes(old, new *Document) []Change {
	before, after := membersOf(old.view), membersOf(new.view)
	var all []Change
	for _, key := range recorded {
		all = addChanges(all, []string{key}, 0, before.get(key), after.get(key))
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
	before, after := membersOf(old), membersOf(new)
	down := func(key string) []string { return append(slices.Clone(at), key) }
	for _, m := range before.members {
		all = addChanges(all, down(m.key), 0, m.value, after.get(m.key))
	}
	for _, m := range after.members {
		if before.index(m.key) < 0 {
			all = addChanges(all, down(m.key), made, Value{}, m.value)
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

// Sum returns a checksum of a JSON value that does not depend on space and escapes.
func Sum(text []byte) []byte {
	v, h := Value{text}, sha256.New()
	h.Write([]byte{byte(v.Kind())})
	h.Write([]byte(v.Text()))
	return h.Sum(nil)
}

// left reports whether v is the value that resulted from the edit.
func (c *Change) left(v Value) bool {
	if c.NewSum != nil {
		return bytes.Equal(Sum(v.raw), c.NewSum)
	}
	return isRewritten(Value{c.New}, v)
}

// Outcome is the result of reverting one Change.
type Outcome byte

// The outcomes.
const (
	Differs  Outcome = iota // the value is neither the result of the edit nor what it replaced, and is left alone
	Reverted                // the value is again what the edit replaced
	Already                 // the value already was what the edit replaced
)

// revertRounds is the maximum number of times that changes are retried that did not apply at
// first, since differing clocks can make the order wrong.
const revertRounds = 16

// Revert undoes changes, which are ordered latest first. A value that is not the result of its
// change is left alone. Values are restored byte for byte, at the end of their objects, and
// objects that an edit created are removed when they become empty. raw, changed and err are as
// for Apply; err may also be that of Change.Check.
func (d *Document) Revert(changes []Change) (raw []byte, changed bool, outcomes []Outcome, err error) {
	for _, c := range changes {
		if err := c.Check(); err != nil {
			return d.raw, false, nil, err
		}
	}
	top := openObject(d.view.raw)
	outcomes = make([]Outcome, len(changes))
	for round, more := 0, true; more && round < revertRounds; round++ {
		more = false
		for i := range changes {
			c := &changes[i]
			if outcomes[i] == Reverted {
				continue
			}
			if top.revert(c) {
				outcomes[i], more = Reverted, true
			} else if isRewritten(Value{c.Old}, top.at(c.At)) {
				outcomes[i] = Already
			}
		}
	}
	findAlready(changes, outcomes)
	text, err := d.render(top)
	if err != nil {
		return d.raw, false, nil, err
	}
	raw, changed, err = d.replace(text)
	return raw, changed, outcomes, err
}

// Check returns an error that wraps ErrEdit if c concerns anything that Changes does not compare,
// or has values that are not JSON.
func (c *Change) Check() error {
	switch {
	case len(c.At) == 0 || !slices.Contains(recorded, c.At[0]) || c.At[0] == ticketPath && len(c.At) > 1:
		return fmt.Errorf("%w: a change of %s", ErrEdit, name(strings.Join(c.At, ".")))
	case len(c.At) > maxDepth || c.Made < 0 || c.Made > len(c.At):
		return fmt.Errorf("%w: nested too deeply", ErrEdit)
	case c.Old != nil && !isValue(c.Old) || c.New != nil && !isValue(c.New):
		return fmt.Errorf("%w: a value that is not JSON", ErrEdit)
	}
	return nil
}

// at returns the value that keys lead to.
func (o *editedObject) at(keys []string) Value {
	m := o.byKey[keys[0]]
	if m == nil || len(keys) == 1 {
		return m.get()
	}
	if inner := m.open(); inner != nil {
		return inner.at(keys[1:])
	}
	return Value{}
}

// revert restores the value before c. It returns false if the current value is not the result of
// c, or if another value is in the way.
func (o *editedObject) revert(c *Change) bool {
	switch {
	case !c.left(o.at(c.At)):
		return false
	case c.Old != nil:
		return o.put(o.style(), c.At, c.Old)
	}
	return o.take(c.At, cmp.Or(c.Made, len(c.At)))
}

// put sets the value that keys lead to and creates the objects on the way to it. l is the style
// to use if o is empty.
func (o *editedObject) put(l style, keys []string, value []byte) bool {
	m := o.byKey[keys[0]]
	if m == nil {
		o.restore(l, keys, value)
		return true
	}
	if len(keys) == 1 {
		m.value, m.object = value, nil
		return true
	}
	inner := m.open()
	return inner != nil && inner.put(l.of(o, m), keys[1:], value)
}

// restore adds a member that was removed. The latest removal is undone first, so the member goes
// before those that were restored earlier.
func (o *editedObject) restore(l style, keys []string, value []byte) {
	if o.remember(); o.was != nil {
		l = *o.was
	}
	o.tail = l.tail
	m := l.member(keys, value)
	o.restored = append(o.restored, m)
	o.byKey[m.key], o.sizes[len(m.key)] = m, true
}

// take removes the value that keys lead to, and the objects starting at keys[:made] that become
// empty.
func (o *editedObject) take(keys []string, made int) bool {
	m := o.byKey[keys[0]]
	if m == nil {
		return false
	}
	if len(keys) > 1 {
		inner := m.open()
		if inner == nil || !inner.take(keys[1:], made-1) {
			return false
		}
		if len(inner.byKey) > 0 || made > 1 {
			return true
		}
	}
	o.remember()
	o.remove(m)
	return true
}

// remember records the style of the members, since all of them may be removed.
func (o *editedObject) remember() {
	if o.was == nil && len(o.members) > 0 {
		l := o.style().next(o)
		o.was = &l
	}
}

// findAlready marks changes as Already that were undone together with an earlier change of the
// same value.
func findAlready(changes []Change, outcomes []Outcome) {
	latest := map[string]*Change{} // latest undone change, keyed by path
	for i := len(changes) - 1; i >= 0; i-- {
		c, path := &changes[i], strings.Join(changes[i].At, "\x00")
		if last := latest[path]; outcomes[i] == Differs && last != nil && last.left(Value{c.Old}) {
			outcomes[i] = Already
		}
		if outcomes[i] == Already {
			latest[path] = c
		}
	}
}
