package document

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxRepair  = 16 << 20 // maximum size in bytes of a damaged document that is repaired
	maxMembers = 512      // maximum number of top-level members of a damaged document
	maxJoined  = 16       // maximum number of documents that are read from one file
	maxKinds   = 8        // maximum number of kinds of damage that are described
)

// repair builds an object from what can be read of a damaged document, and describes the damage.
// lossy reports that the document contains more than the object. repair takes linear time, and
// its result is valid JSON whatever raw contains.
//
// The original writes psargs and stacks without escapes, and other programs append a second
// object with properties. Other damage comes from files that were cut short or edited manually.
func repair(raw []byte) (view []byte, damage []string, lossy bool) {
	if len(raw) > maxRepair {
		return []byte("{}"), []string{"damaged, and too large to mend"}, true
	}
	p := &repairer{in: raw, budget: 4 * len(raw)}
	if bytes.HasPrefix(raw, []byte("\ufeff")) {
		p.pos = 3
		p.note("begins with a byte order mark")
	}
	p.space()
	switch {
	case len(bytes.Trim(raw[p.pos:], "\x00")) == 0:
		p.lose("empty")
	case p.peek() != '{':
		p.lose("not a JSON object")
	default:
		p.documents()
	}
	view = formatObject(p.found.members, "")
	if !isValue(view) { // cannot happen, but all other code relies on it
		return []byte("{}"), append(p.damage, "unreadable"), true
	}
	return view, p.damage, p.lossy
}

// repairer is a parser that continues after errors. It copies intact values byte for byte, except
// for space within them.
type repairer struct {
	in     []byte
	pos    int
	budget int        // number of bytes that may still be searched for the ends of broken strings
	file   int        // index of the document in the file
	found  memberList // members of the outermost object
	joined int        // index of the last document with "properties"
	damage []string
	lossy  bool
}

// note adds a description of damage unless it is already present.
func (p *repairer) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(p.damage) < maxKinds && !slices.Contains(p.damage, text) {
		p.damage = append(p.damage, text)
	}
}

// lose is like note, for damage because of which something is missing from the result.
func (p *repairer) lose(format string, args ...any) {
	p.note(format, args...)
	p.lossy = true
}

// documents reads all objects of the file and joins them.
func (p *repairer) documents() {
	for ; p.peek() == '{' && p.file < maxJoined; p.file++ {
		p.container("", 0, p.join)
		p.space()
	}
	if p.file > 1 {
		p.note("%d documents in one file", p.file)
	}
	if p.pos < len(p.in) {
		p.lose("text after the end")
	}
}

// join adds a member. A later member replaces an earlier one, but the "properties" of a later
// document are added to those of earlier ones.
func (p *repairer) join(key string, value []byte) {
	switch old := p.found.get(key); {
	case old.Kind() == KindNone:
		if len(p.found.members) == maxMembers {
			p.lose("too many members to mend")
			return
		}
	case key == "properties" && p.joined != p.file && old.Kind() == KindObject && value[0] == '{':
		value = joinObjects(old.raw, value)
	case !bytes.Equal(compact(old.raw), compact(value)):
		p.lossy = true // readers use the later one, but the earlier one exists too
	}
	if key == "properties" {
		p.joined = p.file
	}
	p.found.set(key, Value{value})
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

// container reads the object or array at pos to its end and calls add for each member or element.
// key is the key of the container. add receives the key of the member or, in an array, that of
// the array.
func (p *repairer) container(key string, depth int, add func(key string, value []byte)) {
	end := p.peek() + 2 // '}' is '{'+2, ']' is '['+2
	separated := true
	for p.pos++; ; {
		p.space()
		switch c := p.peek(); {
		case p.pos >= len(p.in):
			p.lose("cut short")
			return
		case c == end:
			p.pos++
			return
		case c == ',':
			p.pos++
			if p.space(); separated || p.peek() == end {
				p.note("a comma too many")
			}
			separated = true
		case end == ']' && (c == '}' || c == ':'):
			p.lose("%s has no end", name(key))
			return
		case end == '}' && !atKey(p.in, p.pos):
			p.lose("unreadable text")
			p.skipTo('}')
		default:
			if !separated {
				p.note("a comma is missing")
			}
			separated = false
			if end == '}' {
				key = p.key()
			}
			if value := p.value(key, end, depth+1); value != nil {
				add(key, value)
			}
		}
	}
}

// key reads the key at pos and its colon.
func (p *repairer) key() string {
	end, _ := stringEnd(p.in, p.pos)
	key := keyText(p.in[p.pos+1 : end-1])
	p.lossy = p.lossy || strings.ContainsRune(key, utf8.RuneError) // quote may have changed the key
	p.pos, _ = keyEnd(p.in, p.pos)
	return key
}

// value reads the value at pos, which belongs to key, in a container closed by end. It returns
// nil if the value is unreadable, and advances unless it is at a comma or at end.
func (p *repairer) value(key string, end byte, depth int) []byte {
	c := p.peek()
	switch {
	case p.pos >= len(p.in):
		p.lose("cut short")
		return nil
	case c == ',' || c == end:
		p.lose("%s has no value", name(key))
		return nil
	case c == '"':
		return p.text(key, end)
	case c != '{' && c != '[':
		return p.scalar(key, end)
	case depth >= maxDepth:
		p.lose("nested too deeply")
		p.skipContainer()
		return nil
	}
	out := []byte{c}
	p.container(key, depth, func(k string, value []byte) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		if c == '{' {
			out = append(append(out, quote(k)...), ':')
		}
		out = append(out, value...)
	})
	return append(out, c+2)
}

// scalar reads a number, true, false or null.
func (p *repairer) scalar(key string, end byte) []byte {
	start := p.pos
	stop, err := scalarEnd(p.in, start)
	after := skipSpace(p.in, stop)
	if err == nil && (after < len(p.in) && (p.in[after] == ',' || p.in[after] == end) || p.keyOnNextLine(stop)) {
		p.pos = stop
		return p.in[start:stop]
	}
	if p.skipTo(end); p.pos == len(p.in) {
		p.lose("cut short") // a number may be incomplete
		return nil
	}
	p.lose("%s is not JSON", name(key))
	return nil
}

// skipContainer skips the object or array at pos.
func (p *repairer) skipContainer() {
	for depth := 0; p.pos < len(p.in); p.pos++ {
		switch p.in[p.pos] {
		case '"':
			p.pos, _ = looseEnd(p.in, p.pos)
			p.pos--
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				p.pos++
				return
			}
		}
	}
}

// skipTo advances by at least one byte to a comma, to end or to the end of the line.
func (p *repairer) skipTo(end byte) {
	p.pos++
	for p.pos < len(p.in) && p.in[p.pos] != ',' && p.in[p.pos] != end && p.in[p.pos] != '\n' {
		p.pos++
	}
}

// atKey reports whether a key and its colon are at i.
func atKey(b []byte, i int) bool {
	_, err := keyEnd(b, i)
	return err == nil
}

// keyOnNextLine reports whether a key follows i on a later line, which means that a comma is
// missing.
func (p *repairer) keyOnNextLine(i int) bool {
	next := skipSpace(p.in, i)
	return bytes.IndexByte(p.in[i:next], '\n') >= 0 && atKey(p.in, next)
}

func (p *repairer) space() { p.pos = skipSpace(p.in, p.pos) }

// peek returns the byte at pos, or 0 at the end.
func (p *repairer) peek() byte {
	if p.pos < len(p.in) {
		return p.in[p.pos]
	}
	return 0
}

// text reads the string at pos, which belongs to key, in a container closed by end. Its quotes,
// backslashes and control characters may be unescaped.
func (p *repairer) text(key string, end byte) []byte {
	start := p.pos
	stop, closed := looseEnd(p.in, start)
	_, err := stringEnd(p.in[:stop], start)
	if closed && p.continues(stop, end) {
		p.pos = stop
		if err == nil {
			return p.in[start:stop]
		}
		p.note("%s holds unescaped characters", name(key))
		return escapeLoose(p.in[start+1 : stop-1])
	}
	if stop := p.bareEnd(start, end); stop > 0 {
		p.note("%s holds unescaped quotes", name(key))
		p.pos = stop
		// The writer escaped nothing, so backslashes are literal.
		return quote(string(p.in[start+1 : stop-1]))
	}
	p.pos = stop
	if !closed {
		p.lose("cut short")
		return nil
	}
	if p.space(); p.peek() == ',' && err == nil { // the damage follows the string
		return p.in[start:stop]
	}
	p.lose("%s is not JSON", name(key))
	return nil
}

// bareEnd returns the end of the string at start, which contains unescaped quotes: after the last
// quote on the line, or else after the first one followed by a valid continuation. It returns 0
// if there is none. The original never writes a newline into a string.
func (p *repairer) bareEnd(start int, end byte) int {
	if p.budget < 0 {
		p.lose("too damaged to mend")
		return 0
	}
	if stop := p.lineEnd(start, end); stop > 0 {
		return stop
	}
	for stop := start + 1; stop < len(p.in) && p.in[stop] != '\n'; stop++ {
		p.budget--
		if p.in[stop] == '"' && p.continues(stop+1, end) {
			return stop + 1
		}
	}
	return 0
}

// lineEnd returns the end of the string at start if the string is the last thing on its line, or
// 0. The original writes one member per line.
func (p *repairer) lineEnd(start int, end byte) int {
	if end != '}' {
		return 0
	}
	n := bytes.IndexByte(p.in[start:], '\n')
	if n < 0 {
		p.budget -= len(p.in) - start
		return 0
	}
	p.budget -= n
	line := bytes.TrimRight(p.in[start:start+n], " \t\r")
	line = bytes.TrimSuffix(line, []byte(","))
	stop := start + len(line)
	if len(line) < 2 || line[len(line)-1] != '"' || !p.continues(stop, end) {
		return 0
	}
	return stop
}

// continues reports whether the text at i can follow a value in a container closed by end.
func (p *repairer) continues(i int, end byte) bool {
	next := skipSpace(p.in, i)
	if next == len(p.in) || p.in[next] == end { // the rest may be missing
		return true
	}
	if p.in[next] != ',' {
		return end == '}' && p.keyOnNextLine(i)
	}
	next = skipSpace(p.in, next+1)
	switch {
	case next == len(p.in), p.in[next] == end, p.in[next] == ',':
		return true
	case end == ']':
		_, err := scalarEnd(p.in, next)
		return err == nil || strings.IndexByte(`"[{`, p.in[next]) >= 0
	}
	_, err := keyEnd(p.in, next)
	return err == nil || errors.Is(err, errShort)
}

// looseEnd returns the end of the string at i, whatever it contains.
func looseEnd(b []byte, i int) (end int, closed bool) {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1, true
		case '\\':
			i++
		}
	}
	return len(b), false
}

// escapeLoose returns a JSON string for inside, the text between its quotes. Valid escapes are
// kept.
func escapeLoose(inside []byte) []byte {
	out := []byte{'"'}
	for i := 0; i < len(inside); i++ {
		switch c := inside[i]; {
		case c == '\\':
			n := escapeLen(inside[i:])
			if n == 0 {
				out = append(out, `\\`...)
				continue
			}
			out = append(out, inside[i:i+n]...)
			i += n - 1
		case c < ' ':
			out = appendEscape(out, rune(c))
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}

// name quotes a key for a message.
func name(key string) string {
	if utf8.RuneCountInString(key) > 40 {
		key = string([]rune(key)[:40]) + "…"
	}
	return fmt.Sprintf("%q", key)
}
