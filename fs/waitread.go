package fs

import (
	"context"
	"errors"
	"time"

	"thothfs/corpus"
	"thothfs/dump"
)

// A new catalogue contains only part of the corpus until it has read all of it. That part is shown
// at once, but a list waits until it is complete, and a name missing from the catalogue is looked
// up in the store or waits as well.

// errCatalogReplaced is the error for a list that was being read when the catalogue was replaced.
var errCatalogReplaced = errors.New("the catalogue was replaced while it was read")

// fromWhole calls load, which depends on the whole corpus, when the whole corpus has been read. It
// tries again if the catalogue was replaced meanwhile.
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

// expand expands prefix to a full hash, using the store, while the catalogue does not contain the
// whole corpus. It waits for the whole corpus if the result depends on it.
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

// arrived returns the dump with the given full hash if it is in the view but was not in the
// catalogue before.
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
