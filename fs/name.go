package fs

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"thothfs/dump"
	"thothfs/query"
)

// MaxName is the maximum length of a name in a directory, in bytes.
const MaxName = 255

// FileName returns the file name for an object or property in a directory where "=" has no meaning.
// It encodes the name if it cannot be a file name itself. Different names stay different because
// every name that contains a "%" is encoded.
func FileName(name string) string {
	if isPlainName(name) {
		return name
	}
	return query.EncodeName(name)
}

// keyOf returns the key that a file name stands for. It is the inverse of FileName.
func keyOf(name string) (string, error) {
	if isPlainName(name) {
		return name, nil
	}
	key, err := query.DecodeName(name)
	if err != nil || key == "" || FileName(key) != name {
		return "", ErrBadName
	}
	return key, nil
}

func isPlainName(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > MaxName || !utf8.ValidString(name) {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r == '%' || unicode.IsControl(r) })
}

// isNarrowing reports whether a name narrows a view. The other names in a view are hashes.
func isNarrowing(name string) bool { return strings.ContainsAny(name, "=<>") }

// hashDigits is the length of a full hash in hexadecimal digits.
const hashDigits = 2 * len(dump.ID{})

// isHashPrefix reports whether a name may be a hash or a prefix of one.
func isHashPrefix(name string) bool {
	if name == "" || len(name) > hashDigits {
		return false
	}
	return strings.Trim(name, "0123456789abcdef") == ""
}

// sedName matches the temporary file that sed -i renames over the original.
var sedName = regexp.MustCompile(`^sed[A-Za-z0-9]{6}$`)

// isEditorName reports whether editors use a name for a file beside the one they save: .NAME.swp,
// .#NAME, .NAME.XXXX, NAME~, #NAME#, and 4913, which vim creates to test whether the directory is
// writable.
func isEditorName(name string) bool {
	switch {
	case strings.HasPrefix(name, "."), strings.HasSuffix(name, "~"), sedName.MatchString(name):
		return true
	case len(name) > 2 && strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#"):
		return true
	}
	n, err := strconv.Atoi(name)
	return err == nil && n >= 4913 && (n-4913)%123 == 0
}
