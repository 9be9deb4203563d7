package fs

import "context"

// queryDir is query: every specification is a name in it. It lists none.
type queryDir struct{ catalogDir }

// Lookup returns the view of a specification. One that nothing matches is an empty
// directory; a malformed one does not exist.
func (d *queryDir) Lookup(_ context.Context, name string) (Entry, error) {
	d.t.counts.lookups.Add(1)
	spec, err := parseSpec(name)
	if err != nil {
		return Entry{TTL: d.t.missingTTL}, err
	}
	return d.viewEntry(nil, name, spec, 1, d.t.o.Corpus.Generation()), nil
}

func (d *queryDir) Open(context.Context) (bool, error) { return true, nil }

func (d *queryDir) List(context.Context) (Listing, error) { return names(nil), nil }
