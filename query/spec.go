package query

import (
	"slices"
	"strings"
	"time"
)

// Spec is a dump specification. The zero value matches every dump. A Spec is immutable. Two
// are the same when their String is.
type Spec struct {
	id          string // "" is none
	stdin       bool
	limit       int // 0 is none
	constraints []Constraint
}

// Equal returns the specification of the dumps whose property at path, which is not empty, has
// exactly the text value. value may contain any characters.
func Equal(path, value string) Spec {
	return Spec{constraints: []Constraint{{Path: path, Op: OpEqual, Value: value}}}
}

// Between returns the specification of the dumps whose time is at or after from and before to.
// A zero time leaves that side open. Years outside 1 to 9999 count as the nearest of these.
func Between(from, to time.Time) Spec {
	var s Spec
	if !from.IsZero() {
		s.add(moment(OpNewer, from))
	}
	if !to.IsZero() {
		s.add(moment(OpOlder, to))
	}
	return s
}

// ID returns the word without an equals sign: a hash, a prefix of one, or the path
// of a local dump. ok is false when the specification has none.
func (s Spec) ID() (prefix string, ok bool) { return s.id, s.id != "" }

// FromStdin reports whether the identifiers of the dumps are on standard input. They must
// match the rest too.
func (s Spec) FromStdin() bool { return s.stdin }

// Limit returns the maximum number of dumps, 0 for no limit. The caller chooses which; Match
// ignores it.
func (s Spec) Limit() int { return s.limit }

// Constraints returns the conditions, in the order in which they were written. The
// identifier, limit and stdin are not among them.
func (s Spec) Constraints() []Constraint { return slices.Clone(s.constraints) }

// Equal reports whether two specifications are the same.
func (s Spec) Equal(t Spec) bool { return s.String() == t.String() }

// And returns the specification of the dumps that match both. The smaller limit applies.
func (s Spec) And(t Spec) Spec {
	r := s
	r.constraints = slices.Clone(s.constraints)
	for _, c := range t.constraints {
		r.add(c)
	}
	r.stdin = s.stdin || t.stdin
	if t.limit != 0 && (r.limit == 0 || t.limit < r.limit) {
		r.limit = t.limit
	}
	if r.id == "" || strings.HasPrefix(t.id, r.id) {
		r.id = t.id
	} else if !strings.HasPrefix(r.id, t.id) {
		r.add(globConstraint("id", escape(t.id, patternSpecial)+"*"))
	}
	return r
}

// Match reports whether a dump satisfies the identifier and all constraints at the time now.
// An identifier that is the path of a local dump matches nothing: the caller must replace it
// by the hash.
func (s Spec) Match(d Fields, now time.Time) bool {
	if s.id != "" {
		if id, list, ok := lookup(d, "id"); !ok || list != nil || !strings.HasPrefix(id, s.id) {
			return false
		}
	}
	for _, c := range s.constraints {
		if !c.Match(d, now) {
			return false
		}
	}
	return true
}

// add appends a constraint unless it is there.
func (s *Spec) add(c Constraint) {
	for _, have := range s.constraints {
		if have.Op == c.Op && have.Path == c.Path && have.Value == c.Value {
			return
		}
	}
	s.constraints = append(s.constraints, c)
}
