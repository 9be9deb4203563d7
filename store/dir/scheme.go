package dir

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"thothfs/store"
)

// Scheme is the entry for this store in package registry.
var Scheme = store.Scheme{
	Name:         "dir",
	DefaultUsage: "the directory $XDG_DATA_HOME/thothfs/corpus",
	Default:      defaultPath,
	Locate: func(path string, _ func(string) string) (store.Location, error) {
		path, err := filepath.Abs(path)
		return store.Location{Name: path, Path: path, Dir: path}, err
	},
	Open: openLocation,
}

func defaultPath(getenv func(string) string) (string, bool) {
	data := getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(data) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", false
		}
		data = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(data, "thothfs", "corpus"), true
}

// openLocation opens the corpus. It creates the directory only if o.Create is set, since a
// directory that was given by name may be a typing error.
func openLocation(_ context.Context, l store.Location, o store.OpenOptions) (store.OpenStore, error) {
	open := Open
	if o.Create {
		open = Create
	}
	s, err := open(l.Dir)
	if errors.Is(err, store.ErrNotExist) && !o.Create {
		return nil, store.ErrAbsent
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}
