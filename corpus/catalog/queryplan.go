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
	equal   int      // number of conditions that a column has exactly one value
	words   [][]byte // contained in the text of every document that matches (see requireWords)
}

func newQueryPlan(spec query.Spec, now time.Time) *queryPlan {
	p := &queryPlan{spec: spec, now: now}
	if prefix, ok := spec.ID(); ok && !p.prefix(prefix) {
		p.and(`0`)
	}
	for _, c := range spec.Constraints() {
		p.add(&c)
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

func (p *queryPlan) add(c *query.Constraint) {
	field := FieldAt(c.Path)
	switch {
	case c.Op == query.OpNewer:
		t := c.Cutoff(p.now) // time >= t in a form that can use the index
		p.and(`d.time >= ? AND (d.time > ? OR d.nsec >= ?)`, t.Unix(), t.Unix(), t.Nanosecond())
	case c.Op == query.OpOlder:
		t := c.Cutoff(p.now)
		p.and(`d.time <= ? AND (d.time < ? OR d.nsec < ?)`, t.Unix(), t.Unix(), t.Nanosecond())
	case c.Path == "id":
		p.id(c)
	case field != nil:
		p.columns = true
		if c.Op == query.OpEqual && !c.Not && c.Or == nil {
			p.equal++
		}
		condition := fieldCondition(field, c)
		p.and(condition.sql, condition.args...)
		p.verify = max(p.verify, condition.verify)
	default:
		p.verify = byDocument
		p.requireWords(c)
	}
}

// byEquality reports whether all conditions are that a column of Fields has exactly one value. A range
// of hashes can be added to these without making their indexes useless.
func (p *queryPlan) byEquality() bool { return p.equal > 0 && p.equal == len(p.where) }

// requireWords adds words that must occur verbatim in the text of a document that satisfies c and
// contains no backslash; without backslashes, keys and plain texts are stored as they are. This
// holds for repaired documents too, since a repair neither adds text nor removes any from the
// middle. Words that are likely to be rare come first.
func (p *queryPlan) requireWords(c *query.Constraint) {
	if matchesNothing(c) || slices.ContainsFunc(c.Or, func(c query.Constraint) bool { return matchesNothing(&c) }) {
		return
	}
	value := ""
	switch c.Op {
	case query.OpEqual:
		value = c.Value
	case query.OpGlob:
		value = c.Prefix
	}
	if isPlain(value) && c.Or == nil {
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

// matchesNothing reports whether a dump without the property satisfies c, without regard to Or.
func matchesNothing(c *query.Constraint) bool { return (c.Op == query.OpUndefined) != c.Not }

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

func (p *queryPlan) id(c *query.Constraint) {
	if c.Not || c.Or != nil || c.Op == query.OpRange {
		p.verify = max(p.verify, byColumns)
		return
	}
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

// condition is a condition on the column of a field. Odd rows do not satisfy it. If verify is
// byColumns, rows that do not match may satisfy it too.
type condition struct {
	sql    string
	args   []any
	verify verifyLevel
}

// fieldCondition returns the condition for a constraint and its alternatives.
func fieldCondition(f *Field, c *query.Constraint) condition {
	all := oneCondition(f, c)
	for i := range c.Or {
		one := oneCondition(f, &c.Or[i])
		all = condition{all.sql + ` OR ` + one.sql, append(all.args, one.args...), max(all.verify, one.verify)}
	}
	if c.Or != nil {
		all.sql = `(` + all.sql + `)`
	}
	return all
}

// oneCondition returns the condition for a constraint without its alternatives.
func oneCondition(f *Field, c *query.Constraint) condition {
	column := "d." + f.column()
	isSet := column + ` < x''` // a number or a text, but not NULL
	if c.Op == query.OpUndefined {
		if c.Not {
			return condition{sql: isSet}
		}
		return condition{sql: column + ` IS NULL`}
	}
	positive := columnCondition(f, c, column)
	switch {
	case !c.Not:
		return positive
	case positive.verify != exact:
		return condition{sql: `(` + column + ` IS NULL OR ` + isSet + `)`, verify: byColumns}
	}
	return condition{sql: `(` + column + ` IS NULL OR ` + isSet + ` AND NOT (` + positive.sql + `))`, args: positive.args}
}

// columnCondition returns the condition for a comparison with a value, without regard to Not.
func columnCondition(f *Field, c *query.Constraint, column string) condition {
	switch {
	case c.Op == query.OpEqual && f.Number:
		if n, ok := integer(c.Value); ok {
			return condition{sql: column + ` = ?`, args: []any{n}}
		}
		return condition{sql: `0`} // odd rows may have the value
	case c.Op == query.OpEqual:
		return condition{sql: column + ` = ?`, args: []any{c.Value}}
	case c.Op == query.OpGlob && !f.Number:
		r := condition{sql: column + ` >= ? AND ` + column + ` < x''`, args: []any{c.Prefix}} // any text sorts before any BLOB
		if end, ok := after(c.Prefix); ok {
			r = condition{sql: column + ` >= ? AND ` + column + ` < ?`, args: []any{c.Prefix, end}}
		}
		if c.IsPrefix() {
			return r
		}
		r.verify = byColumns
		if pattern, isWhole := sqliteGlob(c.Value); pattern != "" {
			r.sql, r.args = r.sql+` AND `+column+` GLOB ?`, append(r.args, pattern)
			if isWhole {
				r.verify = exact
			}
		}
		return r
	case c.Op == query.OpRange && isOfColumn(f, c.Low) && isOfColumn(f, c.High):
		return rangeCondition(f, c, column)
	}
	return condition{sql: column + ` < x''`, verify: byColumns}
}

// sqliteGlob returns a pattern for SQLite that matches every text without NUL that an OpGlob with the
// given value matches, or "" if there is none. isWhole reports whether it matches no other. SQLite
// takes other bytes than query for one character where a text is not UTF-8, which concerns question
// marks and literals that are not ASCII, and it takes a time that is exponential in the number of
// stars.
func sqliteGlob(value string) (pattern string, isWhole bool) {
	const maxStars, maxLength = 4, 1000
	var b strings.Builder
	stars, isWhole := 0, true
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '*' || c == '?':
			b.WriteByte('*')
			stars++
			isWhole = isWhole && c == '*'
			continue
		case c == '\\' && i+1 < len(value):
			i++
		}
		switch c := value[i]; {
		case c == 0 || c >= 0x80:
			return "", false
		case strings.IndexByte("*?[", c) >= 0:
			b.WriteString("[" + string(c) + "]")
		default:
			b.WriteByte(c)
		}
	}
	if stars > maxStars || b.Len() > maxLength {
		return "", false
	}
	return b.String(), isWhole
}

// isOfColumn reports whether SQLite compares the values of a column with a bound as query does.
func isOfColumn(f *Field, b *query.Bound) bool { return b == nil || b.IsNumber == f.Number }

func rangeCondition(f *Field, c *query.Constraint, column string) condition {
	r := condition{sql: column + ` < x''`}
	for _, end := range [...]struct {
		bound    *query.Bound
		operator string
	}{{c.Low, `>`}, {c.High, `<`}} {
		if end.bound == nil {
			continue
		}
		if !end.bound.Open {
			end.operator += `=`
		}
		r.sql += ` AND ` + column + ` ` + end.operator + ` ?`
		r.args = append(r.args, boundValue(f, end.bound))
	}
	return r
}

// boundValue returns a bound as a value of the column.
func boundValue(f *Field, b *query.Bound) any {
	switch {
	case !f.Number:
		return b.Text
	case b.Number.Fraction:
		return b.Number.Float
	}
	return b.Number.Int
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
