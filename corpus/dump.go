package corpus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/store"
)

// Cached returns a dump from the catalogue without asking the store. It returns store.ErrNotExist
// if the dump is not in the catalogue.
func (c *dumpReader) Cached(ctx context.Context, id dump.ID) (*Dump, error) {
	d, err := c.cat.Lookup(ctx, id)
	if err != nil {
		return nil, err
	}
	return orNotExist(d, id)
}

func orNotExist(d *Dump, id dump.ID) (*Dump, error) {
	if d == nil {
		return nil, notExist("get", catalog.InfoKey(id))
	}
	return d, nil
}

func notExist(op, key string) error {
	return &store.Error{Op: op, Key: key, Kind: store.ErrNotExist}
}

// Resolve returns the dump whose hash is, or begins with, prefix. It returns store.ErrNotExist if
// there is none or prefix cannot begin a hash, and ErrAmbiguous if there are several. It asks the
// store about a complete hash that is not known, and about any prefix as long as the catalogue does
// not cover the whole corpus.
func (c *Corpus) Resolve(ctx context.Context, prefix string) (dump.ID, error) {
	if id, err := dump.ParseID(prefix); err == nil {
		if _, err := c.Cached(ctx, id); err == nil {
			return id, nil
		}
		_, err := c.Dump(ctx, id)
		return id, err
	}
	low, high, ok := catalog.Span(prefix)
	if !ok {
		return dump.ID{}, notExist("stat", prefix)
	}
	ids, err := c.cat.IDsBetween(ctx, low, high, 2)
	if err == nil && len(ids) < 2 && !c.Synced() {
		ids, err = c.listPrefix(ctx, prefix)
	}
	switch {
	case err != nil:
		return dump.ID{}, err
	case len(ids) == 0:
		return dump.ID{}, notExist("stat", prefix)
	case len(ids) > 1:
		return dump.ID{}, fmt.Errorf("%s is the beginning of several hashes: %w", prefix, ErrAmbiguous)
	}
	return ids[0], nil
}

// listPrefix returns up to two dumps in the store whose hash begins with prefix.
func (c *Corpus) listPrefix(ctx context.Context, prefix string) (ids []dump.ID, err error) {
	for e, err := range c.store.List(ctx, "", prefix) {
		if err != nil && !errors.Is(err, store.ErrNotExist) {
			return nil, err
		}
		if err != nil || !strings.HasPrefix(e.Name, prefix) || len(ids) == 2 {
			break
		}
		id, perr := dump.ParseID(e.Name)
		if perr != nil || !e.Dir {
			continue
		}
		switch _, err := c.Dump(ctx, id); {
		case err == nil:
			ids = append(ids, id)
		case !errors.Is(err, store.ErrNotExist):
			return nil, err
		}
	}
	return ids, nil
}
