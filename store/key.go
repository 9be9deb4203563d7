package store

import (
	"errors"
	"strings"
)

// ValidKey reports whether key is well-formed: "" (the corpus itself), or components separated
// by single slashes that are not empty and hold no NUL. Each store decides what the components
// may be.
func ValidKey(key string) bool {
	if key == "" {
		return true
	}
	return !strings.Contains(key, "\x00") && !strings.HasPrefix(key, "/") && !strings.HasSuffix(key, "/") &&
		!strings.Contains(key, "//")
}

// Unwrap returns the store that the decorator s wraps, or nil if s is not a decorator.
func Unwrap(s Store) Store {
	u, ok := s.(interface{ Unwrap() Store })
	if !ok {
		return nil
	}
	return u.Unwrap()
}

// Kind returns the kind that err matches, or nil if it is none of the store's.
func Kind(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return nil
}
