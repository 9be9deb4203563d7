// Package registry lists the kinds of store that can hold a corpus, and opens the one selected by
// the --store flag. A new kind of store needs a package and a line in schemes.
package registry

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"thothfs/store"
	"thothfs/store/dir"
	"thothfs/store/manta"
)

// schemes are in the order in which their defaults are tried. A corpus without a scheme is a
// directory.
var schemes = []store.Scheme{manta.Scheme, dir.Scheme}

// Corpus is a corpus that can be opened.
type Corpus struct {
	store.Location
	scheme store.Scheme
}

// Locate returns the corpus that spec, the value of --store, selects. If spec is "", it returns
// the first default that the environment provides. It reads the environment through getenv and
// accesses no store.
func Locate(spec string, getenv func(string) string) (Corpus, error) {
	if spec == "" {
		return locateDefault(getenv)
	}
	c := Corpus{scheme: dir.Scheme}
	path := spec
	for _, s := range schemes {
		if rest, ok := strings.CutPrefix(spec, s.Name+":"); ok {
			c.scheme, path = s, rest
		}
	}
	if m := otherScheme.FindString(path); m != "" && path == spec {
		return Corpus{}, fmt.Errorf("--store %s: there is no kind of store %s: expected %s; a directory of that name is ./%[1]s", spec, strings.TrimSuffix(m, ":"), Usage())
	}
	var err error
	c.Location, err = c.scheme.Locate(path, getenv)
	return c, err
}

// otherScheme matches the beginning of a name that looks like a URL, or like a kind of store.
var otherScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

func locateDefault(getenv func(string) string) (Corpus, error) {
	for _, s := range schemes {
		if path, ok := s.Default(getenv); ok {
			l, err := s.Locate(path, getenv)
			return Corpus{Location: l, scheme: s}, err
		}
	}
	return Corpus{}, errors.New("no corpus named: give --store DIR, or set THOTHFS_STORE, MANTA_URL or HOME")
}

// Open opens the store of the corpus.
func (c Corpus) Open(ctx context.Context, o store.OpenOptions) (store.OpenStore, error) {
	return c.scheme.Open(ctx, c.Location, o)
}

// Usage returns the forms that a corpus name can have, for the help of a flag.
func Usage() string {
	usage := "a `DIR`"
	for _, s := range schemes {
		if s.Usage != "" {
			usage += ", or " + s.Usage
		}
	}
	return usage
}

// Help returns a paragraph that explains which corpus is used.
func Help() string {
	forms, defaults := "The corpus: --store DIR", "; else $THOTHFS_STORE"
	for _, s := range schemes {
		if s.Usage != "" {
			forms += ", or --store " + s.Usage
		}
		defaults += "; else " + s.DefaultUsage
	}
	return wrap(forms+defaults+".", 80)
}

// wrap breaks text into lines of at most width bytes.
func wrap(text string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		switch {
		case column == 0:
		case column+1+len(word) > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
