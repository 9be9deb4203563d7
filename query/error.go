package query

import "fmt"

// SyntaxError says what is wrong with a specification, where, and what would be
// right.
type SyntaxError struct {
	Spec    string // what was parsed
	Offset  int    // the byte in Spec at which the trouble begins
	Problem string // what is wrong
	Hint    string // what would be right; may be empty
}

func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("dump specification %q: %s (at byte %d)", e.Spec, e.Problem, e.Offset+1)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}
