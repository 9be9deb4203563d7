package document

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Fields holds the members of a new document. Empty ones are omitted.
type Fields struct {
	Name       string    // directory of the dump: "/USER/stor/thoth/HASH"
	Dump       string    // the dump itself: Name, a slash and the base name
	PID        string    // core dumps only
	Cmd        string    // core dumps only
	Psargs     string    // core dumps only
	Platform   string    // release of the system that crashed
	Node       string    // name of that system
	Time       time.Time // written to the millisecond
	Stack      []string  // frames, innermost first; an empty non-nil slice is written as []
	Type       string    // "core" or "crash"
	Format     string    // Info.Format
	Truncated  bool      // written only if true
	Facts      []Member  // further members, in this order
	Ticket     string
	Properties map[string]string // keyed by path, in which dots mean nesting; written in order of names, even if empty
}

// Marshal returns the document of a new dump in Thoth's layout: tabs, one member per line,
// Thoth's order, and version "1". The result is valid JSON and UTF-8 whatever the fields contain;
// bytes that are not UTF-8 become U+FFFD.
func Marshal(f Fields) []byte {
	var members []member
	add := func(key, value string) {
		if value != "" {
			members = append(members, member{key, Value{[]byte(value)}})
		}
	}
	text := func(key, value string) {
		if value != "" {
			add(key, string(quote(value)))
		}
	}
	text("name", f.Name)
	text("dump", f.Dump)
	if f.Type != "crash" {
		text("pid", f.PID)
		text("cmd", f.Cmd)
		text("psargs", f.Psargs)
	}
	text("platform", f.Platform)
	text("node", f.Node)
	text("version", "1")
	add("time", formatSeconds(f.Time))
	add("stack", formatList(f.Stack))
	text("type", f.Type)
	text("format", f.Format)
	if f.Truncated {
		add("truncated", "true")
	}
	for _, m := range f.Facts {
		add(m.Name, string(m.Value))
	}
	text("ticket", f.Ticket)
	add("properties", formatProperties(f.Properties))
	return append(formatObject(members, ""), '\n')
}

// Member is a member of an object.
type Member struct {
	Name  string
	Value []byte // JSON text; nil for none
}

// Get returns the value of the member.
func (m Member) Get() Value { return Value{m.Value} }

// Text returns a member with a string, or without a value if text is empty. Bytes that are not
// UTF-8 become U+FFFD.
func Text(name, text string) Member {
	if text == "" {
		return Member{Name: name}
	}
	return Member{name, quote(text)}
}

// Number returns a member with a number, or without a value if n is nil.
func Number[T int | int64](name string, n *T) Member {
	if n == nil {
		return Member{Name: name}
	}
	return Member{name, strconv.AppendInt(nil, int64(*n), 10)}
}

// Object returns a member with an object, or without a value if none of its members has one.
func Object(name string, members ...Member) Member {
	var all []string
	for _, m := range members {
		if m.Value != nil {
			all = append(all, string(quote(m.Name))+": "+string(m.Value))
		}
	}
	if all == nil {
		return Member{Name: name}
	}
	return Member{name, []byte("{ " + strings.Join(all, ", ") + " }")}
}

// Seconds returns a time as the JSON number of the member "time".
func Seconds(t time.Time) []byte { return []byte(formatSeconds(t)) }

// formatSeconds returns the seconds since 1970, with milliseconds if not zero.
func formatSeconds(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	ms := t.UnixMilli()
	sign := ""
	if ms < 0 {
		sign, ms = "-", -ms
	}
	s := sign + strconv.FormatInt(ms/1000, 10)
	if ms%1000 != 0 {
		s += strings.TrimRight(fmt.Sprintf(".%03d", ms%1000), "0")
	}
	return s
}

func formatList(list []string) string {
	switch {
	case list == nil:
		return ""
	case len(list) == 0:
		return "[]"
	}
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = string(quote(s))
	}
	return "[ " + strings.Join(quoted, ", ") + " ]"
}

// formatProperties returns the properties as an object. "source.node" becomes member node of
// object source.
func formatProperties(properties map[string]string) string {
	root := map[string]any{}
	for _, path := range slices.Sorted(maps.Keys(properties)) {
		at := root
		parts := strings.Split(path, ".")
		for _, part := range parts[:len(parts)-1] {
			inner, ok := at[part].(map[string]any)
			if !ok {
				inner = map[string]any{}
				at[part] = inner
			}
			at = inner
		}
		at[parts[len(parts)-1]] = properties[path]
	}
	return string(formatTree(root, "\t"))
}

// formatTree writes strings and objects in the order of their keys.
func formatTree(object map[string]any, indent string) []byte {
	var members []member
	for _, key := range slices.Sorted(maps.Keys(object)) {
		switch v := object[key].(type) {
		case string:
			members = append(members, member{key, Value{quote(v)}})
		case map[string]any:
			members = append(members, member{key, Value{formatTree(v, indent+"\t")}})
		}
	}
	return formatObject(members, indent)
}

// formatObject writes an object as Thoth does, one member per line.
func formatObject(members []member, indent string) []byte {
	if len(members) == 0 {
		return []byte("{}")
	}
	out := []byte("{")
	for i, m := range members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, "\n\t"+indent...), quote(m.key)...), ": "...)
		out = append(out, m.value.raw...)
	}
	return append(out, "\n"+indent+"}"...)
}

// quote returns s as a JSON string, with U+FFFD for bytes that are not UTF-8. Besides what JSON
// requires, it escapes terminal control characters and JavaScript newlines.
func quote(s string) []byte { return quoted(s, false) }

// quoted implements quote, or TextValue if keepInvalid is set.
func quoted(s string, keepInvalid bool) []byte {
	out := append(make([]byte, 0, len(s)+2), '"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case keepInvalid && r == utf8.RuneError && size == 1:
			out = append(out, s[i])
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
			out = appendEscape(out, r)
		default:
			out = utf8.AppendRune(out, r)
		}
		i += size
	}
	return append(out, '"')
}

// appendEscape appends the escape of a character below U+10000.
func appendEscape(out []byte, r rune) []byte {
	if i := strings.IndexRune("\n\t\r", r); i >= 0 {
		return append(out, '\\', "ntr"[i])
	}
	return fmt.Appendf(out, `\u%04x`, r)
}
