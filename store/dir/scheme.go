package dir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
	fi, err := os.Stat(l.Dir)
	switch {
	case errors.Is(err, os.ErrNotExist) && !o.Create:
		return nil, store.ErrAbsent
	case err == nil && !fi.IsDir():
		return nil, errors.New("not a directory")
	}
	if err == nil {
		if err := checkCorpus(l.Dir); err != nil {
			return nil, err
		}
	}
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

// checkCorpus returns an error if a directory has files, but none that a corpus has: it is probably a
// mistake for another one, and an upload would put dumps among files that have nothing to do with them.
// Hidden files and lost+found, which a new file system has, do not count. It leaves a directory that it
// cannot read to be found when it is used.
func checkCorpus(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer d.Close()
	var others []string
	for {
		names, err := d.Readdirnames(256)
		for _, name := range names {
			switch {
			case isCorpusName(name):
				return nil
			case !strings.HasPrefix(name, ".") && name != "lost+found" && len(others) < 3:
				others = append(others, name)
			}
		}
		if err != nil {
			break
		}
	}
	if len(others) == 0 {
		return nil
	}
	slices.Sort(others)
	return fmt.Errorf("not a corpus: the directory has other files (%s, …) and no dumps; to use it as a corpus: mkdir %s/%s", strings.Join(others, ", "), path, private)
}

// isCorpusName reports whether name is that of something at the top of a corpus: the directory of a dump or
// of the analyzers, or the private one.
func isCorpusName(name string) bool {
	return name == private || name == "analyzers" || len(name) == 32 && strings.Trim(name, "0123456789abcdef") == ""
}
