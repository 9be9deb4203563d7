package query

import "fmt"

// SyntaxError describes what is wrong with a specification, where, and how to correct it.
type SyntaxError struct {
	Spec    string // what was parsed
	Offset  int    // index of the byte in Spec at which the error is
	Problem string // what is wrong
	Hint    string // how to correct it; may be empty
}

func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("dump specification %q: %s (at byte %d)", e.Spec, e.Problem, e.Offset+1)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}
