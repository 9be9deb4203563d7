package fs

import (
	"context"
	"errors"
	"time"

	"thothfs/corpus"
	"thothfs/dump"
)

// A new catalogue knows a part of the corpus until it has read all of it. What it knows
// is shown at once, but a list waits until it is complete, and a name that the catalogue
// does not know is looked up in the store, or waits as well.

// errCatalogReplaced is the error of a list that was read while the catalogue was
// replaced.
var errCatalogReplaced = errors.New("the catalogue was replaced while it was read")

// fromWhole loads a value that depends on the whole corpus.
func fromWhole[T any](ctx context.Context, t *Tree, load func() (T, error)) (T, error) {
	for {
		if err := t.o.Corpus.Whole(ctx); err != nil {
			var none T
			return none, err
		}
		v, err := load()
		if err != nil || t.o.Corpus.IsWhole() {
			return v, err
		}
	}
}

// expand returns the whole hash that begins with prefix, as the store has it, while the
// catalogue does not know the whole corpus. It waits for the whole corpus where nothing
// else decides what the view has.
func (v *viewDir) expand(ctx context.Context, prefix string) (string, error) {
	switch {
	case v.t.o.Corpus.IsWhole():
		return prefix, nil
	case v.spec.Limit() > 0:
		return prefix, v.t.o.Corpus.Whole(ctx)
	case len(prefix) == hashDigits:
		return prefix, nil
	}
	id, err := v.t.o.Corpus.Resolve(ctx, prefix)
	if errors.Is(err, corpus.ErrAmbiguous) {
		return prefix, v.t.o.Corpus.Whole(ctx)
	}
	return id.String(), err
}

// arrived returns the dump with a whole hash if it is in the view and the catalogue did
// not know it before.
func (v *viewDir) arrived(ctx context.Context, hash string) ([]corpus.Row, error) {
	id, err := dump.ParseID(hash)
	if err != nil || v.spec.Limit() > 0 {
		return nil, nil
	}
	d, err := v.t.cached(ctx, id)
	if errors.Is(err, ErrNotExist) || err == nil && !v.spec.Match(d.Fields(), time.Now()) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []corpus.Row{{ID: id, Time: unixOf(d)}}, nil
}
