package query

import (
	"path"
	"slices"
	"time"
)

// Op is the kind of a [Constraint].
type Op int

// The kinds of constraints.
const (
	OpEqual     Op = iota // the text at Path is Value
	OpGlob                // the text at Path matches the pattern Value
	OpUndefined           // the value at Path is missing or null
	OpNewer               // the dump's time is at or after the cutoff
	OpOlder               // the dump's time is before the cutoff
	OpRange               // the text at Path is between Low and High
)

// Constraint is one condition of a specification. Only this package creates Constraints. An
// index may use the fields to find candidates, but Match decides.
type Constraint struct {
	// Path is the literal path of the property, or "time" for OpNewer and OpOlder.
	Path string
	Op   Op
	// Not means that the constraint selects the dumps that it would not select otherwise, those
	// without the property included. It does not apply to Or.
	Not bool
	// Value is the literal text (OpEqual), the pattern with its escapes (OpGlob), or
	// the age or moment as written (OpNewer, OpOlder).
	Value string
	// Prefix is the beginning of every text that matches an OpGlob.
	Prefix string
	// Low and High are the ends of an OpRange. One of them may be nil.
	Low, High *Bound
	// Or contains alternatives: constraints on the same Path, without alternatives of their own, of
	// which one suffices.
	Or []Constraint
	// At is the cutoff of OpNewer and OpOlder, or zero if the cutoff is Age before now.
	At  time.Time
	Age time.Duration

	glob pattern
}

// Fields is the part of a dump that specifications examine. *document.Document implements it.
type Fields interface {
	// Lookup returns the text form of the value at path. For an array, it returns the texts of
	// the elements in list instead; otherwise list is nil. ok is false if the value is null or
	// missing.
	Lookup(path string) (text string, list []string, ok bool)
	// Time returns the time of the dump, or false if it is unknown.
	Time() (time.Time, bool)
}

// Cutoff returns the time with which OpNewer and OpOlder compare.
func (c Constraint) Cutoff(now time.Time) time.Time {
	if !c.At.IsZero() {
		return c.At
	}
	return now.Add(-c.Age)
}

// equal reports whether two constraints have the same meaning.
func (c *Constraint) equal(d *Constraint) bool {
	return c.Op == d.Op && c.Path == d.Path && c.Not == d.Not && c.Value == d.Value && c.At.Equal(d.At) && c.Age == d.Age &&
		c.Low.equal(d.Low) && c.High.equal(d.High) && slices.EqualFunc(c.Or, d.Or, func(c, d Constraint) bool { return c.equal(&d) })
}

// MatchText reports whether a single text satisfies an OpEqual, OpGlob or OpRange, without regard to
// Not and Or. It returns false for other kinds.
func (c *Constraint) MatchText(text string) bool {
	switch c.Op {
	case OpEqual:
		return text == c.Value
	case OpGlob:
		return c.glob.match(text)
	case OpRange:
		return c.between(text)
	}
	return false
}

// IsPrefix reports whether an OpGlob matches every text that begins with Prefix.
func (c *Constraint) IsPrefix() bool {
	return len(c.glob) == 2 && len(c.glob[0]) == 1 && len(c.glob[1]) == 1 && c.glob[1][0] == ""
}

// Match reports whether a dump satisfies the constraint.
func (c *Constraint) Match(d Fields, now time.Time) bool {
	if c.Op == OpNewer || c.Op == OpOlder {
		t, ok := d.Time()
		return ok && t.Before(c.Cutoff(now)) == (c.Op == OpOlder)
	}
	text, list, ok := lookup(d, c.Path)
	if c.matchValue(text, list, ok) {
		return true
	}
	for i := range c.Or {
		if c.Or[i].matchValue(text, list, ok) {
			return true
		}
	}
	return false
}

// matchValue reports whether the result of a lookup satisfies c, without regard to Or.
func (c *Constraint) matchValue(text string, list []string, ok bool) bool {
	return c.holds(text, list, ok) != c.Not
}

// holds is matchValue without regard to Not.
func (c *Constraint) holds(text string, list []string, ok bool) bool {
	switch {
	case c.Op == OpUndefined:
		return !ok
	case !ok:
		return false
	case list == nil:
		return c.MatchText(text)
	}
	return slices.ContainsFunc(list, c.MatchText)
}

// lookup is Fields.Lookup with a fallback for "id".
func lookup(d Fields, p string) (string, []string, bool) {
	text, list, ok := d.Lookup(p)
	if ok || p != "id" {
		return text, list, ok
	}
	if text, _, ok = d.Lookup("name"); ok {
		text = path.Base(text)
	}
	return text, nil, ok
}
