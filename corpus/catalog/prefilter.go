package catalog

import (
	"slices"
	"strings"

	"thothfs/query"
)

// requiredWords returns words that must occur verbatim in the text of a document that satisfies c
// and contains no backslash; without backslashes, keys and plain texts are stored as they are. This
// holds for repaired documents too, since a repair neither adds text nor removes any from the
// middle. Words that are likely to be rare come first.
func requiredWords(c query.Constraint) (words []string) {
	if c.Op == query.OpUndefined {
		return nil
	}
	value := c.Prefix
	if c.Op == query.OpEqual {
		value = c.Value
	}
	if isPlain(value) {
		words = append(words, value)
	}
	keys := strings.Split(c.Path, ".")
	for _, key := range slices.Backward(keys[max(0, len(keys)-maxPathKeys):]) {
		// A number may be an array index.
		if isPlain(key) && strings.Trim(key, "0123456789") != "" {
			words = append(words, key)
		}
	}
	return words
}

// maxPathKeys is the maximum number of keys of a path that are searched for.
const maxPathKeys = 4

// isPlain reports whether text consists only of characters that JSON and repairs leave unchanged.
func isPlain(text string) bool {
	for _, c := range []byte(text) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return text != ""
}
