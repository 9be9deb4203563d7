package dump

import (
	"cmp"
	"fmt"
	"slices"
)

// span is where a member of an object is in a text.
type span struct {
	text   string // the key
	lead   int    // the space before the key begins here
	key    int    // the key's first quote
	keyEnd int    // behind its last
	start  int    // the value
	end    int    // behind it
}

func (s span) value(text []byte) Value { return Value{text[s.start:s.end]} }

// spans returns the members of the object at open, and where its bracket closes.
// The text is valid.
func spans(text []byte, open int) (members []span, shut int) {
	lead := open + 1
	for {
		key := skipSpace(text, lead)
		if text[key] == '}' {
			return members, key
		}
		keyStop, _ := stringEnd(text, key)
		start, _ := keyEnd(text, key)
		end, _ := valueEnd(text, start)
		members = append(members, span{keyText(text[key+1 : keyStop-1]), lead, key, keyStop, start, end})
		if shut = skipSpace(text, end); text[shut] == '}' {
			return members, shut
		}
		lead = shut + 1
	}
}

// candidates returns the members that path leads to or through, in the order in
// which Get tries them: the longest key first, and of equal ones the last only.
func candidates(members []span, path string) []span {
	var heads []span
	for _, m := range slices.Backward(members) {
		same := func(have span) bool { return have.text == m.text }
		if isHead(path, m.text) && !slices.ContainsFunc(heads, same) {
			heads = append(heads, m)
		}
	}
	slices.SortFunc(heads, func(a, b span) int { return cmp.Compare(len(b.text), len(a.text)) })
	return heads
}

// seek finds the member that Get finds at path, from the object at open on. Elements
// of arrays it does not find.
func seek(text []byte, open int, path string) (span, bool) {
	members, _ := spans(text, open)
	for _, m := range candidates(members, path) {
		if len(m.text) == len(path) {
			return m, true
		}
		if text[m.start] != '{' {
			continue
		}
		if at, ok := seek(text, m.start, path[len(m.text)+1:]); ok {
			return at, true
		}
	}
	return span{}, false
}

// removeAll removes members until nothing is at path: there may be several ways to
// take the dots in it.
func removeAll(text []byte, path string) ([]byte, error) {
	for {
		after := removeOne(text, 0, path)
		if after == nil {
			return text, nil
		}
		text = after
	}
}

// removeOne removes the member that seek finds, and others of that object with the
// same key; nil when there is none.
func removeOne(text []byte, open int, path string) []byte {
	members, shut := spans(text, open)
	for _, m := range candidates(members, path) {
		if len(m.text) == len(path) {
			return cutMembers(text, open, members, shut, m.text)
		}
		if text[m.start] != '{' {
			continue
		}
		if after := removeOne(text, m.start, path[len(m.text)+1:]); after != nil {
			return after
		}
	}
	return nil
}

// cutMembers takes the members with a key, each with one comma, out of the object at
// open.
func cutMembers(text []byte, open int, members []span, shut int, key string) []byte {
	from := open + 1 // what is kept goes on here
	out := append(make([]byte, 0, len(text)), text[:from]...)
	kept := false
	for i, m := range members {
		if m.text == key {
			continue
		}
		if !kept { // it takes the place of the first
			out = append(out, text[from:members[0].key]...)
			from = m.key
		} else {
			from = members[i-1].end
		}
		out = append(out, text[from:m.end]...)
		kept = true
	}
	if kept {
		shut = members[len(members)-1].end
	}
	return append(out, text[shut:]...)
}

// insert adds a member at a path at which there is none.
func insert(text []byte, path string, value []byte) ([]byte, error) {
	l := documentStyle(text)
	open, rest := 0, path
	for {
		members, _ := spans(text, open)
		heads := candidates(members, rest)
		if len(heads) == 0 {
			return l.add(text, open, rest, value)
		}
		through, ok := passable(text, heads)
		if !ok {
			return nil, fmt.Errorf("%w: %s is not an object", ErrEdit, name(path[:len(path)-len(rest)+len(heads[0].text)]))
		}
		l = l.of(text, members, through)
		rest = rest[len(through.text)+1:]
		if text[through.start] == 'n' { // null is nothing
			text = splice(text, through.start, through.end, []byte("{}"))
		}
		open = through.start
	}
}

// passable returns the first of heads that members can be added to.
func passable(text []byte, heads []span) (span, bool) {
	for _, m := range heads {
		if text[m.start] == '{' || text[m.start] == 'n' {
			return m, true
		}
	}
	return span{}, false
}
