package query

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the maximum length of a name in a file system, in bytes.
const maxName = 255

// cutMark begins the suffix of a shortened name. No other name contains it.
const cutMark = "%~"

// Errors returned by DecodeName.
var (
	// ErrNotReversible means that the name was shortened because the value is too long. To find
	// the value, encode candidates and compare.
	ErrNotReversible = errors.New("the name is cut, its value cannot be read from it")
	// ErrName means that EncodeName never returns this name.
	ErrName = errors.New("not the name of a value")
)

// EncodeName returns the file name of a value in the tree. Different values have different
// names, and most values are their own name. A percent sign and two upper-case hexadecimal
// digits replace "/", "%", "=" (which narrows a view), control characters, bytes that are not
// UTF-8, and the dots of the names "." and "..". The name of the empty value is "%". A name
// longer than 255 bytes is cut and followed by "%~" and 32 digits of the value's SHA-256.
func EncodeName(v string) string {
	switch v {
	case "":
		return "%"
	case ".":
		return "%2E"
	case "..":
		return "%2E%2E"
	}
	var b strings.Builder
	cut := 0 // maximum length with which the suffix fits
	sum := len(cutMark) + 32
	for i := 0; i < len(v); {
		r, size := utf8.DecodeRuneInString(v[i:])
		if r == utf8.RuneError && size == 1 || unicode.IsControl(r) || strings.ContainsRune("/%=", r) {
			percent(&b, v[i:i+size])
		} else {
			b.WriteString(v[i : i+size])
		}
		i += size
		if b.Len() <= maxName-sum {
			cut = b.Len()
		}
		if b.Len() > maxName {
			hash := sha256.Sum256([]byte(v))
			return b.String()[:cut] + cutMark + hex.EncodeToString(hash[:16])
		}
	}
	return b.String()
}

// DecodeName returns the value for which EncodeName returned s. The error is ErrNotReversible
// or ErrName.
func DecodeName(s string) (string, error) {
	if s == "%" {
		return "", nil
	}
	if _, sum, ok := strings.Cut(s, cutMark); ok {
		if len(sum) == 32 && strings.Trim(sum, "0123456789abcdef") == "" {
			return "", ErrNotReversible
		}
		return "", ErrName
	}
	v := unpercent(s)
	if s == "" || EncodeName(v) != s {
		return "", ErrName
	}
	return v, nil
}

// ParseName parses a specification given as the name of a directory. A percent sign and two
// hexadecimal digits stand for a byte, since a name cannot contain "/" (%2F). Any other percent
// sign stands for itself. The error is a *SyntaxError.
func ParseName(name string) (Spec, error) { return Parse(unpercent(name)) }

// Name returns the specification as the name of a directory, which ParseName parses. The name
// may be longer than a file system allows.
func (s Spec) Name() string {
	var b strings.Builder
	text := s.String()
	for i := range len(text) {
		if c := text[i]; c == '/' || c == '%' || c < ' ' || c == 0x7f {
			percent(&b, text[i:i+1])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func percent(b *strings.Builder, s string) {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		b.WriteByte('%')
		b.WriteByte(digits[s[i]>>4])
		b.WriteByte(digits[s[i]&15])
	}
}

// unpercent converts "%" and two hexadecimal digits to a byte.
func unpercent(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		var c [1]byte
		if s[i] == '%' && i+2 < len(s) {
			if _, err := hex.Decode(c[:], []byte(s[i+1:i+3])); err == nil {
				b = append(b, c[0])
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}
