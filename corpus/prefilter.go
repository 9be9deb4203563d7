package corpus

import (
	"slices"
	"strings"

	"thothfs/query"
)

// requiredWords returns words that the text of a document holds, byte for byte, if it satisfies
// a constraint on a path and has no backslash: then a key, and a text without
// structure, are written as they are. A document that was mended is no exception, for
// mending adds nothing and cuts nothing out of the middle. Words that few documents have
// come first, as far as one can guess.
func requiredWords(c query.Constraint) (words []string) {
	if c.Op == query.OpUndefined {
		return nil
	}
	if value := knownPrefix(c); isPlain(value) {
		words = append(words, value)
	}
	keys := strings.Split(c.Path, ".")
	for _, key := range slices.Backward(keys[max(0, len(keys)-maxPathKeys):]) {
		// One of digits may stand for the place in an array.
		if isPlain(key) && strings.Trim(key, "0123456789") != "" {
			words = append(words, key)
		}
	}
	return words
}

// maxPathKeys is how many keys of a path are looked for.
const maxPathKeys = 4

// knownPrefix is what the text is that a constraint is met by, or begins with.
func knownPrefix(c query.Constraint) string {
	if c.Op == query.OpEqual {
		return c.Value
	}
	return c.Prefix
}

// isPlain tells whether a text has nothing that could be written, or cut, otherwise.
func isPlain(text string) bool {
	for _, c := range []byte(text) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return text != ""
}
