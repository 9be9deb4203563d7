package store

import (
	"errors"
	"strings"
)

// ValidKey reports whether key is well-formed: either "" (the corpus itself), or nonempty
// components without NUL, separated by single slashes. Each store may restrict the components
// further.
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

// Kind returns the kind of err, or nil if err is not an error of this package.
func Kind(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return nil
}
