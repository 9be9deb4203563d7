package store

import (
	"errors"
	"strings"
)

// ValidKey tells whether key is well-formed: "" (the corpus itself), or
// components that are not empty and hold no NUL, between single slashes. What
// the components are is the business of each store.
func ValidKey(key string) bool {
	if key == "" {
		return true
	}
	return !strings.Contains(key, "\x00") && !strings.HasPrefix(key, "/") && !strings.HasSuffix(key, "/") &&
		!strings.Contains(key, "//")
}

// Unwrap returns the store behind s: of a decorator what it decorates, of
// anything else nil.
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
