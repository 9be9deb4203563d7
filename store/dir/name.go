package dir

import (
	"errors"
	"slices"
	"strings"

	"thothfs/store"
)

// maxName is the maximum length of one component in Linux file systems.
const maxName = 255

// nameOf returns the path of a key below the root, "." for the corpus itself. The error says why
// such a file cannot exist.
func nameOf(key string) (string, error) {
	if !store.ValidKey(key) {
		return "", errors.New("malformed key")
	}
	if key == "" {
		return ".", nil
	}
	parts := strings.Split(key, "/")
	if parts[0] == private && (len(parts) == 1 || slices.Contains(reserved, parts[1])) {
		return "", errors.New(key + " is reserved")
	}
	for _, c := range parts {
		switch {
		case c == "." || c == "..":
			return "", errors.New(`no file can be called "` + c + `"`)
		case len(c) > maxName:
			return "", errors.New("a name of more than 255 bytes")
		}
	}
	return key, nil
}

// existing returns the path of an object to read. A name that cannot exist is ErrNotExist.
func existing(op, key string) (string, error) {
	name, err := nameOf(key)
	if err == nil {
		return name, nil
	}
	kind := store.ErrNotExist
	if !store.ValidKey(key) {
		kind = store.ErrInvalid
	}
	return "", &store.Error{Op: op, Key: key, Kind: kind, Err: err}
}

// writable returns the path of an object to store.
func writable(op, key string) (string, error) {
	name, err := nameOf(key)
	if err == nil && name == "." {
		err = errors.New("it is the corpus itself")
	}
	if err != nil {
		return "", invalid(op, key, err)
	}
	return name, nil
}
