// Package document reads and edits info.json, the document that describes a dump.
//
// [Parse] reads a document, even a damaged one. [Document.Apply] edits it and keeps every byte
// that the edits do not affect. [Changes] and [Document.Revert] record edits and undo them.
// [Marshal] writes the document of a new dump.
//
// The package is pure: it opens no file and keeps no state. A document is hostile input, so sizes
// and depth are bounded.
package document

import (
	"bytes"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Document is the info.json of a dump, as found. Any sequence of bytes is a Document: if it is
// damaged, the readable parts are present and the rest is absent. It is immutable and safe for
// concurrent use.
type Document struct {
	raw      []byte
	view     Value       // Invariant: one valid JSON object; raw itself unless raw is damaged
	top      *memberList // members of view
	damage   string
	repaired bool // view differs from the stored document
	lossy    bool // view lacks something that is in the stored document

	mu      sync.Mutex            // guards objects
	objects map[*byte]*memberList // large objects that Get has parsed, keyed by their first byte
}

const (
	// keptFrom is the minimum size in bytes of an object whose parsed members Get keeps,
	// since callers that read one member often read all of them.
	keptFrom = 4 << 10

	// maxPrefix is the maximum length of the path of an object whose members Walk and Diff
	// visit. Without this limit, a long key around many members would produce paths of
	// quadratic total length. No attribute and no file has a longer name.
	maxPrefix = 256
)

// Parse parses a document. It keeps raw, which the caller must not change afterwards.
func Parse(raw []byte) *Document {
	d := &Document{raw: raw}
	var damage []string
	start := skipSpace(raw, 0)
	end, err := valueEnd(raw, start)
	if err == nil && raw[start] == '{' && skipSpace(raw, end) == len(raw) {
		d.view = Value{raw[start:end]}
	} else {
		var view []byte
		view, damage, d.lossy = repair(raw)
		d.view, d.repaired = Value{view}, true
	}
	if !utf8.Valid(raw) {
		damage = append(damage, "not UTF-8")
		d.lossy = d.lossy || d.repaired // the repair may have replaced such bytes
	}
	d.top = membersOf(d.view)
	if v, ok := d.Get("time"); ok && v.Kind() != KindNull {
		if _, ok := d.Time(); !ok {
			damage = append(damage, "time is not a number of seconds")
		}
	}
	d.damage = strings.Join(damage, "; ")
	return d
}

// Raw returns the document byte for byte as stored. The caller must not change it.
func (d *Document) Raw() []byte { return d.raw }

// Text returns Raw with a newline at the end, for tools that read several documents in sequence.
// An empty document stays empty.
func (d *Document) Text() []byte {
	if len(d.raw) == 0 || d.raw[len(d.raw)-1] == '\n' {
		return d.raw
	}
	return append(bytes.Clone(d.raw), '\n')
}

// Damage describes what is wrong with the document. It returns "" if the document is intact.
func (d *Document) Damage() string { return d.damage }

// IsJSON reports whether the document is one JSON object, as it should be.
func (d *Document) IsJSON() bool { return !d.repaired }

// Value returns the whole document as an object, either as stored or, if damaged, what can be
// read of it. Two documents in one file are merged: a later member replaces an earlier one, and
// the members of "properties" are joined.
func (d *Document) Value() Value { return d.view }

// Get returns the value at path, such as "cmd", "properties.triage.engineer" or "stack.0". Keys
// may themselves contain dots; the longest matching key is tried first. If an object contains a
// key twice, the last one counts.
func (d *Document) Get(path string) (Value, bool) { return d.find(d.view, path) }

// Lookup implements query.Fields. It returns the text of the value at path, or the texts of an
// array's elements. A null counts as absent.
func (d *Document) Lookup(path string) (text string, list []string, ok bool) {
	v, ok := d.Get(path)
	if !ok || v.Kind() == KindNull {
		return "", nil, false
	}
	if v.Kind() == KindArray {
		return "", v.Strings(), true
	}
	return v.Text(), nil, true
}

// String returns the text of the value at path, or "" if it is absent or null.
func (d *Document) String(path string) string {
	if v, ok := d.Get(path); ok && v.Kind() != KindNull {
		return v.Text()
	}
	return ""
}

// Stack returns the stack frames, innermost first.
func (d *Document) Stack() []string {
	v, _ := d.Get("stack")
	if v.Kind() == KindString {
		return strings.Split(strings.TrimRight(v.Text(), "\n"), "\n")
	}
	return v.Strings()
}

// Time returns the time of the dump in UTC, with the precision of the document. The document
// contains a number of seconds, or a string with one. Years outside 1 to 9999 are not accepted.
func (d *Document) Time() (time.Time, bool) {
	v, _ := d.Get("time")
	switch v.Kind() {
	case KindNumber:
		return parseSeconds(string(v.raw))
	case KindString:
		return parseSeconds(strings.TrimSpace(v.Text()))
	}
	return time.Time{}, false
}

// Walk calls fn for every leaf in document order until fn returns false. A leaf is any value
// except an object that has members and a path of up to 256 bytes. An empty "properties" is left
// out.
func (d *Document) Walk(fn func(path string, v Value) bool) { walk(d.view, "", fn) }

func walk(v Value, prefix string, fn func(string, Value) bool) bool {
	for _, m := range membersOf(v).members {
		path := prefix + m.key
		switch {
		case m.value.Kind() != KindObject || len(path) > maxPrefix:
			if !fn(path, m.value) {
				return false
			}
		case !isEmpty(m.value):
			if !walk(m.value, path+".", fn) {
				return false
			}
		case path != "properties" && !fn(path, m.value):
			return false
		}
	}
	return true
}

// memberList holds the members of an object. A repeated key appears at its first position with
// its last value, as in JavaScript.
type memberList struct {
	members []member
	places  map[string]int // index of each key in members; nil if there are few members
	lengths map[int]bool   // lengths of all keys, if places is not nil
}

type member struct {
	key   string
	value Value
}

// membersOf parses an object. Any other value has no members.
func membersOf(v Value) *memberList {
	o := &memberList{members: make([]member, 0, min(len(v.raw)/8, 16))}
	for key, value := range v.Members() {
		o.set(key, value)
	}
	return o
}

// set adds a member, or replaces the value of a key that is already present.
func (o *memberList) set(key string, value Value) {
	const few = 32
	if i := o.index(key); i >= 0 {
		o.members[i].value = value
		return
	}
	o.members = append(o.members, member{key, value})
	if o.places == nil && len(o.members) == few {
		o.places, o.lengths = map[string]int{}, map[int]bool{}
		for i, m := range o.members {
			o.places[m.key], o.lengths[len(m.key)] = i, true
		}
	} else if o.places != nil {
		o.places[key], o.lengths[len(key)] = len(o.members)-1, true
	}
}

// index returns the index of a key in members, or -1.
func (o *memberList) index(key string) int {
	if o.places == nil {
		return slices.IndexFunc(o.members, func(m member) bool { return m.key == key })
	}
	if o.lengths[len(key)] { // avoids hashing, since a long path has many prefixes
		if i, ok := o.places[key]; ok {
			return i
		}
	}
	return -1
}

// get returns the value of a key, or the zero Value if there is none.
func (o *memberList) get(key string) Value {
	if i := o.index(key); i >= 0 {
		return o.members[i].value
	}
	return Value{}
}

// members returns the members of v, an object within the document, that may lead to path. If all
// of them are parsed already, or worth it, it returns all.
func (d *Document) members(v Value, path string) memberList {
	first := &v.raw[0]
	if first == &d.view.raw[0] {
		return *d.top
	}
	if len(v.raw) < keptFrom {
		o := memberList{}
		for key, value := range v.Members() {
			if strings.HasPrefix(path, key) {
				o.set(key, value)
			}
		}
		return o
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.objects[first]
	if o == nil {
		o = membersOf(v)
		if d.objects == nil {
			d.objects = map[*byte]*memberList{}
		}
		d.objects[first] = o
	}
	return *o
}

// find returns the value at path below v, a value within the document.
func (d *Document) find(v Value, path string) (Value, bool) {
	switch v.Kind() {
	case KindObject:
		o := d.members(v, path)
		for n := range prefixes(path) {
			at := o.get(path[:n])
			if n == len(path) && at.Kind() != KindNone {
				return at, true
			}
			if at.Kind() != KindNone {
				if inner, ok := d.find(at, path[n+1:]); ok {
					return inner, true
				}
			}
		}
	case KindArray:
		index, rest, more := strings.Cut(path, ".")
		n, err := strconv.Atoi(index)
		if err != nil || n < 0 || strconv.Itoa(n) != index {
			return Value{}, false
		}
		for e := range v.Elements() {
			if n--; n < 0 {
				if more {
					return d.find(e, rest)
				}
				return e, true
			}
		}
	}
	return Value{}, false
}

// prefixes yields the lengths of the prefixes of path that may be a key, longest first: path
// itself, and the part before each of its dots.
func prefixes(path string) iter.Seq[int] {
	return func(yield func(int) bool) {
		for n := len(path); n >= 0 && yield(n); n = strings.LastIndexByte(path[:n], '.') {
		}
	}
}

// parseSeconds parses a JSON number of seconds since 1970. The result is exact unless the number
// has an exponent.
func parseSeconds(s string) (time.Time, bool) {
	if end, err := valueEnd([]byte(s), 0); err != nil || end != len(s) || (Value{[]byte(s)}).Kind() != KindNumber {
		return time.Time{}, false
	}
	if strings.ContainsAny(s, "eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.Abs(f) > 1e12 {
			return time.Time{}, false
		}
		s = strconv.FormatFloat(f, 'f', -1, 64)
	}
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds > 1e12 {
		return time.Time{}, false
	}
	nanos, _ := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if strings.HasPrefix(s, "-") {
		seconds, nanos = -seconds, -nanos
	}
	t := time.Unix(seconds, nanos).UTC()
	return t, t.Year() >= 1 && t.Year() <= 9999
}
