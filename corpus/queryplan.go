package corpus

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"thothfs/dump"
	"thothfs/query"
)

// verifyLevel is what still has to be asked of the rows that a plan's conditions find.
type verifyLevel int

const (
	exact      verifyLevel = iota // nothing: the conditions say all
	byColumns                     // Match over the indexed columns
	byDocument                    // Match over the document
)

// queryPlan is how the catalogue answers a specification: conditions that indexes serve,
// and what is left to query.Spec.Match.
type queryPlan struct {
	spec   query.Spec
	now    time.Time
	where  []string
	args   []any
	verify verifyLevel
	// columns tells that there is a condition on one of the text columns. Such
	// conditions find no odd row: those are to be looked at one by one.
	columns bool
	words   [][]byte // that the texts of all documents have that match (see needed)
}

func newQueryPlan(spec query.Spec, now time.Time) *queryPlan {
	p := &queryPlan{spec: spec, now: now}
	if prefix, ok := spec.ID(); ok {
		p.prefix(prefix)
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

func (p *queryPlan) prefix(prefix string) {
	low, high, ok := span(prefix)
	if !ok {
		p.and(`0`)
		return
	}
	p.and(`d.id BETWEEN ? AND ?`, low[:], high[:])
}

func (p *queryPlan) add(c query.Constraint) {
	switch {
	case c.Op == query.OpNewer:
		p.newer(c.Cutoff(p.now))
	case c.Op == query.OpOlder:
		p.older(c.Cutoff(p.now))
	case c.Path == "id":
		p.id(c)
	case columnOf(c.Path) != "":
		p.text(c)
	default:
		p.verify = byDocument
		p.requireWords(c)
	}
}

// requireWords has documents passed over, without reading them, whose text rules out that the
// constraint is met.
func (p *queryPlan) requireWords(c query.Constraint) {
	for _, word := range requiredWords(c) {
		p.words = append(p.words, []byte(word))
	}
}

// rulesOut tells that a document cannot match. Where there is a backslash, characters may
// stand for others.
func (p *queryPlan) rulesOut(raw []byte) bool {
	for _, word := range p.words {
		if !bytes.Contains(raw, word) {
			return bytes.IndexByte(raw, '\\') < 0
		}
	}
	return false
}

// ofDocuments tells that every document is to be looked at: there is nothing else that
// narrows the choice.
func (p *queryPlan) ofDocuments() bool { return p.verify == byDocument && len(p.where) == 0 }

// newer is time >= t, in a form that the index serves.
func (p *queryPlan) newer(t time.Time) {
	p.and(`d.time >= ? AND (d.time > ? OR d.nsec >= ?)`, t.Unix(), t.Unix(), t.Nanosecond())
}

func (p *queryPlan) older(t time.Time) {
	p.and(`d.time <= ? AND (d.time < ? OR d.nsec < ?)`, t.Unix(), t.Unix(), t.Nanosecond())
}

func (p *queryPlan) id(c query.Constraint) {
	switch c.Op {
	case query.OpEqual:
		if id, err := dump.ParseID(c.Value); err == nil {
			p.and(`d.id = ?`, id[:])
			return
		}
		p.and(`0`)
	case query.OpUndefined:
		p.and(`0`)
	default:
		if low, high, ok := span(c.Prefix); ok {
			p.and(`d.id BETWEEN ? AND ?`, low[:], high[:])
		}
		p.verify = max(p.verify, byColumns)
	}
}

func (p *queryPlan) text(c query.Constraint) {
	p.columns = true
	column := columnOf(c.Path)
	switch c.Op {
	case query.OpEqual:
		p.and(column+` = ?`, c.Value)
	case query.OpUndefined:
		p.and(column + ` IS NULL`)
	default:
		// Any text is less than any BLOB.
		p.and(column+` >= ? AND `+column+` < x''`, c.Prefix)
		if end, ok := after(c.Prefix); ok {
			p.and(column+` < ?`, end)
		}
		p.verify = max(p.verify, byColumns)
	}
}

// after returns the least string that is greater than all that begin with prefix.
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

// sql returns the query for the rows that satisfy the conditions and more, which may
// be empty: the columns of record, or with lean the first two that matter; and the
// document, where it is to be looked at.
func (p *queryPlan) sql(lean bool, more, order string) string {
	from, what, where := ` FROM dumps d`, columns, slices.Clone(p.where)
	switch {
	case p.verify == byDocument:
		from, what = from+` JOIN docs x ON x.n = d.n`, columns+`, x.doc`
		if p.ofDocuments() && order == noOrder {
			from = ` FROM docs x CROSS JOIN dumps d ON d.id = x.id` // in the order in which they lie
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
	orderNewest = ` ORDER BY d.time DESC, d.id DESC` // those without a time last
	noOrder     = ``
)

// rowFields is what specifications look at in a row whose columns say all.
type rowFields struct{ r *dumpRow }

func (f rowFields) Lookup(path string) (string, []string, bool) {
	if path == "id" {
		return f.r.dumpID().String(), nil, true
	}
	for i, name := range fieldNames {
		if path == string(name) {
			return f.r.texts[i].String, nil, f.r.texts[i].Valid
		}
	}
	return "", nil, false
}

func (f rowFields) Time() (time.Time, bool) { return f.r.timestamp(), f.r.sec.Valid }
