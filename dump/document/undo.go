package document

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// Change is what an edit did to the ticket or to one value of the properties.
type Change struct {
	At   []string // the keys that lead to the value: "ticket", or "properties" and those below
	Made int      // At[:Made] leads to the outermost object that the edit made for the value; 0: none
	Old  []byte   // JSON text before the edit, byte for byte; nil: none
	New  []byte   // JSON text after the edit; nil: none
	// NewSum is the Sum of New, for a Change that was recorded without New.
	NewSum []byte
}

// Changes returns the differences in ticket and properties, value by value. It descends into
// objects that both documents have, and into an object that only new has: its values came
// one by one. Space is no difference.
func Changes(old, new *Document) []Change {
	before, after := objectOf(old.view), objectOf(new.view)
	var all []Change
	for _, key := range []string{ticketPath, "properties"} {
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
	before, after := objectOf(old), objectOf(new)
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

// Sum returns a checksum of a JSON value that does not depend on its space and escapes.
func Sum(text []byte) []byte {
	v, h := Value{text}, sha256.New()
	h.Write([]byte{byte(v.Kind())})
	h.Write([]byte(v.Text()))
	return h.Sum(nil)
}

// left reports whether v is the value that the edit left.
func (c *Change) left(v Value) bool {
	if c.NewSum != nil {
		return bytes.Equal(Sum(v.raw), c.NewSum)
	}
	return same(c.New, v)
}

// same reports whether v is raw, possibly rewritten by a tool in JavaScript.
func same(raw []byte, v Value) bool {
	return isRewritten(Value{raw}, v)
}

// Outcome is the result of reverting one Change.
type Outcome byte

// The outcomes.
const (
	Differs  Outcome = iota // the value is neither what the edit left nor what it replaced, and stays
	Reverted                // the value is again what the edit replaced
	Already                 // the value was so before
)

// revertRounds bounds how often changes are tried that did not fit the first time: clocks
// that differ make the order wrong.
const revertRounds = 16

// Revert undoes changes, the latest of which comes first. A value that is not what its
// change left stays as it is. Values come back byte for byte, at the end of their objects,
// and objects that an edit made are removed when they are empty. raw, changed and err are
// those of Apply; err may also be that of Change.Check.
func (d *Document) Revert(changes []Change) (raw []byte, changed bool, outcomes []Outcome, err error) {
	for _, c := range changes {
		if err := c.Check(); err != nil {
			return d.raw, false, nil, err
		}
	}
	top := openBranch(d.view.raw)
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
			} else if same(c.Old, top.at(c.At)) {
				outcomes[i] = Already
			}
		}
	}
	findAlready(changes, outcomes)
	text := top.render(style{colon: ": ", unit: "\t", lead: "\n\t", tail: "\n"})
	raw, changed, err = d.replace(text)
	return raw, changed, outcomes, err
}

// Check returns ErrEdit for a Change of anything but ticket and properties, and for values
// that are not JSON.
func (c *Change) Check() error {
	properties := len(c.At) > 0 && c.At[0] == "properties"
	switch {
	case !properties && (len(c.At) != 1 || c.At[0] != ticketPath):
		return fmt.Errorf("%w: a change of %s", ErrEdit, name(strings.Join(c.At, ".")))
	case len(c.At) > maxDepth || c.Made < 0 || c.Made > len(c.At):
		return fmt.Errorf("%w: nested too deeply", ErrEdit)
	case c.Old != nil && !isValue(c.Old) || c.New != nil && !isValue(c.New):
		return fmt.Errorf("%w: a value that is not JSON", ErrEdit)
	}
	return nil
}

// branch is an object whose members Revert changes one by one. Its text is written once, at
// the end, so that many changes take no longer than one.
type branch struct {
	text    []byte // before the changes
	spans   []span
	members []*part // those of spans
	added   []*part // in the order of the changes
	byKey   map[string]*part
	live    int // keys that are not gone
	changed bool
}

// part is a member.
type part struct {
	key     string
	value   []byte  // from the text, or set
	branch  *branch // replaces value once it was opened
	earlier *part   // an earlier member with the same key, which does not count
	gone    bool
}

func openBranch(raw []byte) *branch {
	o := &branch{text: raw, byKey: map[string]*part{}}
	o.spans, _ = spans(raw, 0)
	for _, s := range o.spans {
		p := &part{key: s.text, value: raw[s.start:s.end], earlier: o.byKey[s.text]}
		o.members = append(o.members, p)
		o.byKey[s.text] = p
	}
	o.live = len(o.byKey)
	return o
}

// get returns the current value of a member.
func (p *part) get() Value {
	switch {
	case p == nil || p.gone:
		return Value{}
	case p.branch != nil:
		return Value{p.branch.render(style{colon: ":"})}
	}
	return Value{p.value}
}

// open returns the member's value as an object, nil if it is none.
func (p *part) open() *branch {
	if p == nil || p.gone || p.branch == nil && (Value{p.value}).Kind() != KindObject {
		return nil
	}
	if p.branch == nil {
		p.branch = openBranch(p.value)
	}
	return p.branch
}

// path returns the objects that lead to at, beginning with o, as far as they exist.
func (o *branch) path(at []string) []*branch {
	objects := []*branch{o}
	for _, key := range at[:len(at)-1] {
		if o = o.byKey[key].open(); o == nil {
			break
		}
		objects = append(objects, o)
	}
	return objects
}

// at returns the value at the keys.
func (o *branch) at(keys []string) Value {
	objects := o.path(keys)
	if len(objects) < len(keys) {
		return Value{}
	}
	return objects[len(keys)-1].byKey[keys[len(keys)-1]].get()
}

// revert puts back the value before c. It returns false if the current value is not the one
// that c left.
func (o *branch) revert(c *Change) bool {
	if !c.left(o.at(c.At)) {
		return false
	}
	if c.Old != nil {
		return o.put(c.At, c.Old)
	}
	objects := o.path(c.At)
	if len(objects) < len(c.At) {
		return false
	}
	for i, last := len(objects)-1, len(c.At)-1; i >= 0; i-- {
		if i == last || c.Made > 0 && i >= c.Made-1 && objects[i+1].live == 0 {
			objects[i].remove(c.At[i])
			continue
		}
		break
	}
	for _, above := range objects {
		above.changed = true
	}
	return true
}

// put sets a value and makes the objects on the way to it. It returns false if another value
// is in the way.
func (o *branch) put(at []string, value []byte) bool {
	objects := o.path(at)
	for len(objects) < len(at) {
		last, key := objects[len(objects)-1], at[len(objects)-1]
		if last.byKey[key].get().Kind() != KindNone {
			return false
		}
		last.set(key, []byte("{}"))
		objects = append(objects, last.byKey[key].open())
	}
	objects[len(at)-1].set(at[len(at)-1], value)
	for _, above := range objects {
		above.changed = true
	}
	return true
}

func (o *branch) set(key string, value []byte) {
	p := o.byKey[key]
	if p == nil || p.gone {
		p = &part{key: key}
		o.added = append(o.added, p)
		o.byKey[key] = p
		o.live++
	}
	p.value, p.branch = value, nil
}

func (o *branch) remove(key string) {
	if p := o.byKey[key]; p != nil && !p.gone {
		o.live--
		for ; p != nil; p = p.earlier {
			p.gone = true
		}
	}
}

// findAlready marks changes that were undone before together with earlier ones: they lead
// from the current value from one to the next.
func findAlready(changes []Change, outcomes []Outcome) {
	latest := map[string]*Change{} // that was undone before
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

// render returns the text of the object. l is the style of an object that was empty.
func (o *branch) render(l style) []byte {
	if !o.changed {
		return o.text
	}
	if n := len(o.spans); n > 0 {
		l = openObject(o.text).style()
		if last := o.spans[n-1]; n > 1 || l.lead != "" || !strings.HasSuffix(l.colon, " ") {
			l.lead = string(o.text[last.lead:last.key])
		} else {
			l.lead = " " // {"a": 1}, as Python writes it
		}
	}
	out := bytes.NewBuffer(append(make([]byte, 0, len(o.text)), '{'))
	written := 0
	member := func(lead, key []byte, colon []byte, p *part) {
		if written++; written > 1 {
			out.WriteByte(',')
		} else if len(o.spans) > 0 {
			lead = o.text[o.spans[0].lead:o.spans[0].key]
		}
		for _, piece := range [][]byte{lead, key, colon} {
			out.Write(piece)
		}
		if p.branch != nil {
			out.Write(p.branch.render(l.inner()))
		} else {
			out.Write(p.value)
		}
	}
	for i, p := range o.members {
		if s := o.spans[i]; !p.gone {
			member(o.text[s.lead:s.key], o.text[s.key:s.keyEnd], o.text[s.keyEnd:s.start], p)
		}
	}
	for _, p := range slices.Backward(o.added) { // the latest change was reverted first
		if !p.gone {
			member([]byte(l.lead), TextValue(p.key), []byte(l.colon), p)
		}
	}
	if written > 0 {
		out.WriteString(l.tail)
	}
	out.WriteByte('}')
	return out.Bytes()
}
