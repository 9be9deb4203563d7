package document

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	maxMend   = 16 << 20 // bytes of a damaged document that is looked into
	maxJoined = 16       // documents in one file that are looked at
	maxWords  = 8        // kinds of damage that are put into words
)

// mend makes an object of what can be read of a damaged document, and says what is
// wrong with it; lossy tells that there is more in it than that. It takes time in proportion to the document, and what it returns is
// valid JSON whatever raw is.
func mend(raw []byte) (view []byte, damage []string, lossy bool) {
	if len(raw) > maxMend {
		return []byte("{}"), []string{"damaged, and too large to mend"}, true
	}
	m := &mender{in: raw, budget: 4 * len(raw), place: map[string]int{}}
	if bytes.HasPrefix(raw, []byte("\ufeff")) {
		m.pos = 3
		m.note("begins with a byte order mark")
	}
	m.space()
	switch {
	case len(bytes.Trim(raw[m.pos:], "\x00")) == 0:
		m.lose("empty")
	case m.peek() != '{':
		m.lose("not a JSON object")
	default:
		m.documents()
	}
	view = render(m.found)
	if end, err := valueEnd(view, 0); err != nil || end != len(view) { // out of reach, but the invariant is worth it
		return []byte("{}"), append(m.damage, "unreadable"), true
	}
	return view, m.damage, m.lossy
}

// mender reads forgivingly. Values that are sound are copied byte for byte but for
// the space in them.
type mender struct {
	in     []byte
	pos    int
	budget int // bytes that may still be searched for the ends of broken strings
	file   int // which of the documents in the file is being read
	found  []mended
	place  map[string]int // of each key in found
	damage []string
	lossy  bool
}

// mended is a member of the outermost object.
type mended struct {
	key   string
	value []byte // valid JSON
	file  int    // the document it is from
}

func (m *mender) note(format string, args ...any) {
	words := fmt.Sprintf(format, args...)
	for _, have := range m.damage {
		if have == words {
			return
		}
	}
	if len(m.damage) < maxWords {
		m.damage = append(m.damage, words)
	}
}

// lose notes damage by which something does not get into the view.
func (m *mender) lose(format string, args ...any) {
	m.note(format, args...)
	m.lossy = true
}

// documents reads all objects of the file and joins them.
func (m *mender) documents() {
	for ; m.peek() == '{' && m.file < maxJoined; m.file++ {
		m.members(0, m.join)
		m.space()
	}
	if m.file > 1 {
		m.note("%d documents in one file", m.file)
	}
	if m.pos < len(m.in) {
		m.lose("text after the end")
	}
}

// join adds a member. A later one replaces an earlier, but the "properties" of a
// later document are added to those before.
func (m *mender) join(key string, value []byte) {
	i, ok := m.place[key]
	switch {
	case ok:
		if old := m.found[i]; key == "properties" && old.file != m.file && old.value[0] == '{' && value[0] == '{' {
			value = joinObjects(old.value, value)
		} else if !bytes.Equal(compact(old.value), compact(value)) {
			m.lossy = true // readers take the later one, but the earlier is there
		}
		m.found[i] = mended{key, value, m.file}
	case len(m.found) == maxMembers:
		m.lose("too many members to mend")
	default:
		m.place[key] = len(m.found)
		m.found = append(m.found, mended{key, value, m.file})
	}
}

func joinObjects(a, b []byte) []byte {
	if len(a) == 2 {
		return b
	}
	if len(b) == 2 {
		return a
	}
	return append(append(bytes.Clone(a[:len(a)-1]), ','), b[1:]...)
}

// members reads the object at pos and hands out its members; the value is the
// callee's. It ends behind the object.
func (m *mender) members(depth int, member func(key string, value []byte)) {
	separated := true
	for m.pos++; ; {
		m.space()
		switch c := m.peek(); {
		case m.pos >= len(m.in):
			m.lose("cut short")
			return
		case c == '}':
			m.pos++
			return
		case c == ',':
			m.pos++
			if m.space(); separated || m.peek() == '}' {
				m.note("a comma too many")
			}
			separated = true
		case !m.atKey():
			m.garbage()
		default:
			if !separated {
				m.note("a comma is missing")
			}
			end, _ := stringEnd(m.in, m.pos)
			key := keyText(m.in[m.pos+1 : end-1])
			m.lossy = m.lossy || strings.ContainsRune(key, utf8.RuneError) // it is written anew
			m.pos, _ = keyEnd(m.in, m.pos)
			if value := m.value(key, '}', depth+1); value != nil {
				member(key, value)
			}
			separated = false
		}
	}
}

// elements reads the array at pos and returns it mended.
func (m *mender) elements(key string, depth int) []byte {
	out := []byte{'['}
	for m.pos++; ; {
		m.space()
		switch c := m.peek(); {
		case m.pos >= len(m.in):
			m.lose("cut short")
			return append(out, ']')
		case c == ']':
			m.pos++
			return append(out, ']')
		case c == '}' || c == ':':
			m.lose("%s has no end", name(key))
			return append(out, ']')
		case c == ',':
			m.pos++
			if m.space(); m.peek() == ']' || m.peek() == ',' {
				m.note("a comma too many")
			}
		default:
			if value := m.value(key, ']', depth+1); value != nil {
				if len(out) > 1 {
					out = append(out, ',')
				}
				out = append(out, value...)
			}
		}
	}
}

// value reads the value at pos, of the member key or within it, in a container that
// end closes. It returns nil where nothing can be made of it, and always moves on
// unless it is at a comma or at end.
func (m *mender) value(key string, end byte, depth int) []byte {
	switch c := m.peek(); {
	case m.pos >= len(m.in):
		m.lose("cut short")
		return nil
	case c == ',' || c == end:
		m.lose("%s has no value", name(key))
		return nil
	case c == '"':
		return m.text(key, end)
	case c != '{' && c != '[':
		return m.scalar(key, end)
	case depth >= maxDepth:
		m.lose("nested too deeply")
		m.skipContainer()
		return nil
	case c == '[':
		return m.elements(key, depth)
	}
	out := []byte{'{'}
	m.members(depth, func(k string, value []byte) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, quote(k)...), ':'), value...)
	})
	return append(out, '}')
}

// scalar reads a number, true, false or null.
func (m *mender) scalar(key string, end byte) []byte {
	start := m.pos
	stop, err := scalarEnd(m.in, start)
	after := skipSpace(m.in, stop)
	if err == nil && (after < len(m.in) && (m.in[after] == ',' || m.in[after] == end) || m.keyOnNextLine(stop)) {
		m.pos = stop
		return m.in[start:stop]
	}
	m.pos++
	for m.pos < len(m.in) && m.in[m.pos] != ',' && m.in[m.pos] != end && m.in[m.pos] != '\n' {
		m.pos++
	}
	if m.pos == len(m.in) {
		m.lose("cut short") // a number may go on
		return nil
	}
	m.lose("%s is not JSON", name(key))
	return nil
}

// skipContainer goes behind the object or array at pos without looking inside.
func (m *mender) skipContainer() {
	for depth := 0; m.pos < len(m.in); m.pos++ {
		switch m.in[m.pos] {
		case '"':
			m.pos, _ = looseEnd(m.in, m.pos)
			m.pos--
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				m.pos++
				return
			}
		}
	}
}

// garbage goes to where something may be read again.
func (m *mender) garbage() {
	m.lose("unreadable text")
	m.pos++
	for m.pos < len(m.in) && m.in[m.pos] != ',' && m.in[m.pos] != '}' && m.in[m.pos] != '\n' {
		m.pos++
	}
}

// atKey says whether a key and its colon are at pos.
func (m *mender) atKey() bool {
	_, err := keyEnd(m.in, m.pos)
	return err == nil
}

// keyOnNextLine says whether nothing but space, a line's end among it, is between i
// and a key: a comma was forgotten.
func (m *mender) keyOnNextLine(i int) bool {
	next := skipSpace(m.in, i)
	if bytes.IndexByte(m.in[i:next], '\n') < 0 {
		return false
	}
	_, err := keyEnd(m.in, next)
	return err == nil
}

func (m *mender) space() { m.pos = skipSpace(m.in, m.pos) }

// peek returns the byte at pos, or 0 at the end.
func (m *mender) peek() byte {
	if m.pos < len(m.in) {
		return m.in[m.pos]
	}
	return 0
}

// render writes members as Thoth does, each on a line.
func render(members []mended) []byte {
	if len(members) == 0 {
		return []byte("{}")
	}
	out := []byte("{\n")
	for i, m := range members {
		if i > 0 {
			out = append(out, ",\n"...)
		}
		out = append(append(append(out, '\t'), quote(m.key)...), ": "...)
		out = append(out, m.value...)
	}
	return append(out, "\n}"...)
}

// name is a key as messages have it.
func name(key string) string {
	if utf8.RuneCountInString(key) > 40 {
		key = string([]rune(key)[:40]) + "…"
	}
	return fmt.Sprintf("%q", key)
}
