package query

import (
	"slices"
	"strings"
	"time"
)

// Spec is a dump specification. The zero value matches every dump. A Spec is immutable. Two
// Specs are equal if their String methods return the same text.
type Spec struct {
	id          string // "" if there is none
	stdin       bool
	limit       int // 0 means no limit
	constraints []Constraint
}

// Equal returns the specification of the dumps whose property at path has exactly the text
// value. path must not be empty; value may contain any characters.
func Equal(path, value string) Spec {
	return Spec{constraints: []Constraint{{Path: path, Op: OpEqual, Value: value}}}
}

// Between returns the specification of the dumps whose time is at or after from and before to.
// A zero time leaves that side open. Years outside 1 to 9999 are replaced by the nearest of
// these.
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

// ID returns the word without an equals sign: a hash, a prefix of a hash, or the path of a
// local dump. ok is false if there is none.
func (s Spec) ID() (prefix string, ok bool) { return s.id, s.id != "" }

// FromStdin reports whether the identifiers of the dumps are on standard input. The dumps must
// satisfy the constraints too.
func (s Spec) FromStdin() bool { return s.stdin }

// Limit returns the maximum number of dumps, or 0 for no limit. The caller chooses which dumps
// to keep; Match ignores the limit.
func (s Spec) Limit() int { return s.limit }

// Constraints returns the constraints in the order in which they were written. The identifier,
// limit and stdin are not among them.
func (s Spec) Constraints() []Constraint { return slices.Clone(s.constraints) }

// Equal reports whether two specifications are equal.
func (s Spec) Equal(t Spec) bool { return s.String() == t.String() }

// And returns the specification of the dumps that match both s and t. The smaller limit
// applies.
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

// Match reports whether a dump satisfies the identifier and all constraints at time now. An
// identifier that is the path of a local dump matches nothing: the caller must replace it with
// the hash.
func (s Spec) Match(d Fields, now time.Time) bool {
	if s.id != "" {
		if id, list, ok := lookup(d, "id"); !ok || list != nil || !strings.HasPrefix(id, s.id) {
			return false
		}
	}
	for i := range s.constraints {
		if !s.constraints[i].Match(d, now) {
			return false
		}
	}
	return true
}

// add appends a constraint unless it is already there.
func (s *Spec) add(c Constraint) {
	for _, have := range s.constraints {
		if have.equal(&c) {
			return
		}
	}
	s.constraints = append(s.constraints, c)
}
