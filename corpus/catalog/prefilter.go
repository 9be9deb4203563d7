package catalog

import (
	"slices"
	"strings"

	"thothfs/query"
)

// requiredWords returns words that the text of a document contains, byte for byte, if it
// satisfies a constraint on a path and has no backslash: without one, keys and plain texts
// are stored as they are. That holds for repaired documents as well, since a repair neither
// adds text nor removes any from the middle. Words that are likely to be rare come first.
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
		// A number may be an index of an array.
		if isPlain(key) && strings.Trim(key, "0123456789") != "" {
			words = append(words, key)
		}
	}
	return words
}

// maxPathKeys is how many keys of a path are searched for.
const maxPathKeys = 4

// isPlain reports whether a text has only characters that JSON and repairs leave as they are.
func isPlain(text string) bool {
	for _, c := range []byte(text) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return text != ""
}
