package query

import (
	"path"
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
)

// Constraint is one condition of a specification. Only this package creates Constraints. An
// index may use the fields to find candidates, but Match decides.
type Constraint struct {
	// Path is the literal path of the property, or "time" for OpNewer and OpOlder.
	Path string
	Op   Op
	// Value is the literal text (OpEqual), the pattern with its escapes (OpGlob), or
	// the age or moment as written (OpNewer, OpOlder).
	Value string
	// Prefix is the beginning of every text that matches an OpGlob.
	Prefix string
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

// MatchText reports whether a single text satisfies an OpEqual or OpGlob. It returns false for
// other kinds.
func (c Constraint) MatchText(text string) bool {
	switch c.Op {
	case OpEqual:
		return text == c.Value
	case OpGlob:
		return c.glob.match(text)
	}
	return false
}

// Match reports whether a dump satisfies the constraint.
func (c Constraint) Match(d Fields, now time.Time) bool {
	switch c.Op {
	case OpNewer, OpOlder:
		t, ok := d.Time()
		return ok && t.Before(c.Cutoff(now)) == (c.Op == OpOlder)
	}
	text, list, ok := lookup(d, c.Path)
	if c.Op == OpUndefined || !ok {
		return !ok && c.Op == OpUndefined
	}
	if list == nil {
		return c.MatchText(text)
	}
	for _, element := range list {
		if c.MatchText(element) {
			return true
		}
	}
	return false
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
