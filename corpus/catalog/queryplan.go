package catalog

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"thothfs/dump"
	"thothfs/query"
)

// verifyLevel says which part of a row must still be matched after the SQL conditions.
type verifyLevel int

const (
	exact      verifyLevel = iota // none
	byColumns                     // the columns
	byDocument                    // the document
)

// queryPlan describes how a specification is evaluated: SQL conditions that use indexes, then
// query.Spec.Match for what they do not cover.
type queryPlan struct {
	spec    query.Spec
	now     time.Time
	where   []string
	args    []any
	verify  verifyLevel
	columns bool     // there is a condition on a column of Fields, which no odd row satisfies
	words   [][]byte // contained in the text of every document that matches (see requireWords)
}

func newQueryPlan(spec query.Spec, now time.Time) *queryPlan {
	p := &queryPlan{spec: spec, now: now}
	if prefix, ok := spec.ID(); ok && !p.prefix(prefix) {
		p.and(`0`)
	}
	for _, c := range spec.Constraints() {
		p.add(c)
	}
	return p
}

func (p *queryPlan) and(condition string, args ...any) {
	p.where = append(p.where, condition)
	p.args = append(p.args, args...)
}

// prefix adds the condition that the hash begins with prefix. It returns false if none can.
func (p *queryPlan) prefix(prefix string) bool {
	low, high, ok := Span(prefix)
	if ok {
		p.and(`d.id BETWEEN ? AND ?`, low[:], high[:])
	}
	return ok
}

func (p *queryPlan) add(c query.Constraint) {
	switch {
	case c.Op == query.OpNewer:
		t := c.Cutoff(p.now) // time >= t in a form that can use the index
		p.and(`d.time >= ? AND (d.time > ? OR d.nsec >= ?)`, t.Unix(), t.Unix(), t.Nanosecond())
	case c.Op == query.OpOlder:
		t := c.Cutoff(p.now)
		p.and(`d.time <= ? AND (d.time < ? OR d.nsec < ?)`, t.Unix(), t.Unix(), t.Nanosecond())
	case c.Path == "id":
		p.id(c)
	case fieldAt(c.Path) != nil:
		p.text(c)
	default:
		p.verify = byDocument
		p.requireWords(c)
	}
}

// requireWords adds words that must occur verbatim in the text of a document that satisfies c and
// contains no backslash; without backslashes, keys and plain texts are stored as they are. This
// holds for repaired documents too, since a repair neither adds text nor removes any from the
// middle. Words that are likely to be rare come first.
func (p *queryPlan) requireWords(c query.Constraint) {
	if c.Op == query.OpUndefined {
		return
	}
	value := c.Prefix
	if c.Op == query.OpEqual {
		value = c.Value
	}
	if isPlain(value) {
		p.words = append(p.words, []byte(value))
	}
	keys := strings.Split(c.Path, ".")
	for _, key := range slices.Backward(keys[max(0, len(keys)-maxPathKeys):]) {
		// A number may be an array index.
		if isPlain(key) && strings.Trim(key, "0123456789") != "" {
			p.words = append(p.words, []byte(key))
		}
	}
}

// rulesOut reports whether the words alone show that a document cannot match. A document with a
// backslash is never ruled out, since characters may be escaped.
func (p *queryPlan) rulesOut(raw []byte) bool {
	for _, word := range p.words {
		if !bytes.Contains(raw, word) {
			return bytes.IndexByte(raw, '\\') < 0
		}
	}
	return false
}

// ofDocuments reports whether every document must be matched.
func (p *queryPlan) ofDocuments() bool { return p.verify == byDocument && len(p.where) == 0 }

func (p *queryPlan) id(c query.Constraint) {
	switch id, err := dump.ParseID(c.Value); {
	case c.Op == query.OpEqual && err == nil:
		p.and(`d.id = ?`, id[:])
	case c.Op == query.OpEqual, c.Op == query.OpUndefined:
		p.and(`0`)
	default:
		p.prefix(c.Prefix)
		p.verify = max(p.verify, byColumns)
	}
}

func (p *queryPlan) text(c query.Constraint) {
	p.columns = true
	column := "d." + fieldAt(c.Path).Name
	switch c.Op {
	case query.OpEqual:
		p.and(column+` = ?`, c.Value)
	case query.OpUndefined:
		p.and(column + ` IS NULL`)
	default:
		// Any text sorts before any BLOB.
		p.and(column+` >= ? AND `+column+` < x''`, c.Prefix)
		if end, ok := after(c.Prefix); ok {
			p.and(column+` < ?`, end)
		}
		p.verify = max(p.verify, byColumns)
	}
}

// after returns the least string that is greater than all strings with the given prefix.
func after(prefix string) (string, bool) {
	b := []byte(prefix)
	for len(b) > 0 && b[len(b)-1] == 0xff {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		return "", false
	}
	b[len(b)-1]++
	return string(b), true
}

// sql returns the query for the rows that satisfy the conditions, and also more unless it is empty.
// The query reads rowColumns, or only id and time if lean is set and they suffice, plus the
// document if it must be matched.
func (p *queryPlan) sql(lean bool, more, order string) string {
	from, what, where := ` FROM dumps d`, rowColumns, slices.Clone(p.where)
	switch {
	case p.verify == byDocument:
		from, what = from+` JOIN docs x ON x.n = d.n`, rowColumns+`, x.doc`
		if p.ofDocuments() && order == noOrder {
			from = ` FROM docs x CROSS JOIN dumps d ON d.id = x.id` // in file order
		}
	case lean && p.verify == exact:
		what = `d.id, d.time`
	}
	if more != "" {
		where = append(where, more)
	}
	return `SELECT ` + what + from + whereAll(where) + order
}

func whereAll(conditions []string) string {
	if len(conditions) == 0 {
		return ""
	}
	return ` WHERE ` + strings.Join(conditions, ` AND `)
}

const (
	orderID     = ` ORDER BY d.id`
	orderNewest = ` ORDER BY d.time DESC, d.id DESC` // rows without a time last
	noOrder     = ``
)

// maxPathKeys is the maximum number of keys of a path that are searched for.
const maxPathKeys = 4

// isPlain reports whether text consists only of characters that JSON and repairs leave unchanged.
func isPlain(text string) bool {
	for _, c := range []byte(text) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return text != ""
}
