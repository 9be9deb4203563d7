package fs

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"thothfs/dump"
	"thothfs/query"
)

// MaxName is the longest name that a directory may hold, in bytes.
const MaxName = 255

// FileName returns the name of an object or property in a directory where "=" has no
// meaning: its own where that can be a name, else encoded. Different names stay
// different, since every name that holds a "%" is encoded.
func FileName(name string) string {
	if isPlainName(name) {
		return name
	}
	return query.EncodeName(name)
}

func isPlainName(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > MaxName || !utf8.ValidString(name) {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r == '%' || unicode.IsControl(r) })
}

// isNarrowing reports whether a name narrows a view: query.EncodeName never gives one.
func isNarrowing(name string) bool { return strings.Contains(name, "=") }

// hashDigits is the length of a whole hash in hexadecimal digits.
const hashDigits = 2 * len(dump.ID{})

// isHashPrefix reports whether a name may be a hash or a prefix of one.
func isHashPrefix(name string) bool {
	if name == "" || len(name) > hashDigits {
		return false
	}
	return strings.Trim(name, "0123456789abcdef") == ""
}
