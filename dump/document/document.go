// Package document reads and edits info.json, the document that describes a dump.
//
// [Parse] reads a document, a damaged one too; [Document.Apply] edits one and keeps
// every byte that the edits do not concern; [Marshal] writes that of a new dump.
// [Changes] and [Document.Revert] record edits and undo them.
//
// The package is pure: it opens no file and keeps no state. A document is hostile
// input: sizes and depth are bounded, and no document takes time by the square of
// its length.
package document

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// maxMembers is how many members of a document are kept at hand. One that has more
// is scanned anew for each question.
const maxMembers = 512

// Document is the info.json of a dump, as found. Whatever the bytes are there is a
// Document of them: what can be read of a damaged one is shown, and the rest is
// empty. It is immutable and may be used by several goroutines at once.
type Document struct {
	raw    []byte
	view   Value    // Invariant: one valid JSON object; raw itself unless that is damaged
	top    []member // of view, a key once; nil when there are more than maxMembers
	damage string
	mended bool // view is not what is stored
	lossy  bool // nor does it hold all of that

	mu      sync.Mutex                 // guards indexes
	indexes map[*byte]map[string]Value // of large objects that were asked for: by where they begin, the members by key
}

type member struct {
	key   string
	value Value
}

// Parse reads a document. It keeps raw, which the caller no longer changes.
func Parse(raw []byte) *Document {
	d := &Document{raw: raw}
	var damage []string
	start := skipSpace(raw, 0)
	end, err := valueEnd(raw, start)
	if err == nil && raw[start] == '{' && skipSpace(raw, end) == len(raw) {
		d.view = Value{raw[start:end]}
	} else {
		var view []byte
		view, damage, d.lossy = mend(raw)
		d.view, d.mended = Value{view}, true
	}
	if !utf8.Valid(raw) {
		damage = append(damage, "not UTF-8")
		d.lossy = d.lossy || d.mended // mending may have replaced such bytes
	}
	d.top = collect(d.view)
	if v, ok := d.Get("time"); ok && v.Kind() != KindNull {
		if _, ok := d.Time(); !ok {
			damage = append(damage, "time is not a number of seconds")
		}
	}
	d.damage = strings.Join(damage, "; ")
	return d
}

// Raw returns the document byte for byte as stored. The caller does not change it.
func (d *Document) Raw() []byte { return d.raw }

// Text returns Raw with a newline at its end, for tools that read several documents
// one after the other. An empty document stays empty.
func (d *Document) Text() []byte {
	if len(d.raw) == 0 || d.raw[len(d.raw)-1] == '\n' {
		return d.raw
	}
	return append(bytes.Clone(d.raw), '\n')
}

// Damage says in words what is wrong with the document, or "".
func (d *Document) Damage() string { return d.damage }

// IsJSON tells whether the document is one JSON object, as it should be.
func (d *Document) IsJSON() bool { return !d.mended }

// Value returns the whole document as an object: as stored, or of a damaged one what
// can be read. Two documents in one file are merged: a later member replaces an
// earlier one, and the members of "properties" are joined.
func (d *Document) Value() Value { return d.view }

// Get returns what is at path: "cmd", "properties.triage.engineer", "stack.0". A key
// that itself holds a dot is found too; the longest key counts first. Of a key that
// is there twice the last one counts.
func (d *Document) Get(path string) (Value, bool) {
	if d.top == nil {
		return d.find(d.view, path)
	}
	return d.findMember(d.top, path)
}

// Lookup makes a Document what a specification looks at (query.Fields): the text of
// what is at path, or the texts of an array's elements. null counts as nothing.
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

// String returns the text form of what is at path; "" when nothing, or null, is there.
func (d *Document) String(path string) string {
	if v, ok := d.Get(path); ok && v.Kind() != KindNull {
		return v.Text()
	}
	return ""
}

// Stack returns the frames, innermost first.
func (d *Document) Stack() []string {
	v, _ := d.Get("stack")
	if v.Kind() == KindString {
		return strings.Split(strings.TrimRight(v.Text(), "\n"), "\n")
	}
	return v.Strings()
}

// Time returns the time of the dump, UTC, as exactly as it is written. It is a number
// of seconds, which may stand in a string. Years outside 1 to 9999 are no times.
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

// Walk calls fn for every leaf in the order of the document until fn returns false.
// A leaf is whatever is not an object with members; arrays are leaves. An empty
// "properties" is none: there are no custom properties.
func (d *Document) Walk(fn func(path string, v Value) bool) {
	members := d.top
	if members == nil {
		members = all(d.view)
	}
	walk(members, "", fn)
}

func walk(members []member, prefix string, fn func(string, Value) bool) bool {
	for _, m := range members {
		path := prefix + m.key
		inner := all(m.value)
		if len(inner) > 0 {
			if !walk(inner, path+".", fn) {
				return false
			}
		} else if path == "properties" && m.value.Kind() == KindObject {
			continue
		} else if !fn(path, m.value) {
			return false
		}
	}
	return true
}

// collect returns the members of a document, or nil if they are too many to keep.
func collect(v Value) []member {
	members := make([]member, 0, 16)
	for key, value := range v.Members() {
		if len(members) == maxMembers {
			return nil
		}
		members = append(members, member{key, value})
	}
	return unique(members)
}

func all(v Value) []member {
	var members []member
	for key, value := range v.Members() {
		members = append(members, member{key, value})
	}
	return unique(members)
}

// unique leaves a key that is there twice at its first place with its last value, as
// JavaScript does.
func unique(members []member) []member {
	if len(members) < 32 && !repeats(members) {
		return members
	}
	place := make(map[string]int, len(members))
	out := members[:0]
	for _, m := range members {
		if i, ok := place[m.key]; ok {
			out[i].value = m.value
			continue
		}
		place[m.key] = len(out)
		out = append(out, m)
	}
	return out
}

func repeats(members []member) bool {
	for i, m := range members {
		for _, earlier := range members[:i] {
			if m.key == earlier.key {
				return true
			}
		}
	}
	return false
}

// find returns what is at path below v, a value of the document.
func (d *Document) find(v Value, path string) (Value, bool) {
	switch v.Kind() {
	case KindObject:
		return d.findMember(d.heads(v, path), path)
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

// indexedFrom is the size of an object, in bytes, from which on its members are looked up
// in an index: who asks for one of them often asks for all.
const indexedFrom = 4 << 10

// heads returns the members of v that path may lead to, or through.
func (d *Document) heads(v Value, path string) []member {
	var members []member
	if len(v.raw) >= indexedFrom {
		index := d.index(v)
		for i := 0; i <= len(path); i++ {
			if i < len(path) && path[i] != '.' {
				continue
			}
			if value, ok := index[path[:i]]; ok {
				members = append(members, member{path[:i], value})
			}
		}
		return members
	}
	for key, value := range v.Members() {
		if isHead(path, key) {
			members = append(members, member{key, value})
		}
	}
	return unique(members)
}

// index returns the members of a large object by key.
func (d *Document) index(v Value) map[string]Value {
	d.mu.Lock()
	defer d.mu.Unlock()
	index, ok := d.indexes[&v.raw[0]]
	if !ok {
		index = membersByKey(v)
		if d.indexes == nil {
			d.indexes = map[*byte]map[string]Value{}
		}
		d.indexes[&v.raw[0]] = index
	}
	return index
}

func isHead(path, key string) bool {
	return strings.HasPrefix(path, key) && (len(path) == len(key) || path[len(key)] == '.')
}

// findMember tries the keys that path begins with, the longest first. Keys are unique.
func (d *Document) findMember(members []member, path string) (Value, bool) {
	for limit := math.MaxInt; ; {
		var best *member
		for i := range members {
			m := &members[i]
			if len(m.key) < limit && (best == nil || len(m.key) > len(best.key)) && isHead(path, m.key) {
				best = m
			}
		}
		if best == nil {
			return Value{}, false
		}
		if len(best.key) == len(path) {
			return best.value, true
		}
		if v, ok := d.find(best.value, path[len(best.key)+1:]); ok {
			return v, true
		}
		limit = len(best.key)
	}
}

// parseSeconds reads a JSON number of seconds since 1970, without rounding it unless
// it has an exponent.
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
