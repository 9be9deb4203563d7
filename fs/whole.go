package fs

import (
	"context"
	"errors"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/store"
)

// A catalogue that is new knows some of the corpus for as long as it takes to read it. What
// it knows is shown at once, but a list waits until it is whole, and a name that it does
// not know is looked for in the store, or waits as well.

// untilWhole is how long opendir(2) waits for the corpus to be read. It holds no lock of
// the kernel meanwhile, a signal ends it, and it fails when the store does not answer.
const untilWhole = 1000 * time.Hour

// errReplaced is the error of a list that was read while the catalogue was replaced.
var errReplaced = errors.New("the catalogue was replaced while it was read")

// openWhole is openDir for a directory that is made from the whole corpus.
func (t *tree) openWhole(ctx context.Context, d lister, cache bool) (fusefs.FileHandle, uint32, syscall.Errno) {
	c := newCall(ctx, untilWhole, t.o.Grace)
	defer c.end()
	if err := t.o.Corpus.Whole(c); err != nil {
		return nil, 0, t.fail(c, "opendir", d.place(), err)
	}
	return t.openDir(d, cache)
}

// fromWhole loads what is made from the whole corpus.
func fromWhole[T any](c context.Context, t *tree, load func() (T, error)) (T, error) {
	for {
		if err := t.o.Corpus.Whole(c); err != nil {
			var none T
			return none, err
		}
		v, err := load()
		if err != nil || t.o.Corpus.IsWhole() {
			return v, err
		}
	}
}

// settle makes of a beginning of a hash the whole hash, as the store has it, while the
// catalogue does not know the whole corpus. It waits for that where there is no other way
// to tell what the view has.
func (v *viewDir) settle(c context.Context, prefix string) (string, error) {
	switch {
	case v.t.o.Corpus.IsWhole():
		return prefix, nil
	case v.spec.Limit() > 0:
		return prefix, v.t.o.Corpus.Whole(c)
	case len(prefix) == hashDigits:
		return prefix, nil
	}
	id, err := v.t.o.Corpus.Resolve(c, prefix)
	if errors.Is(err, corpus.ErrAmbiguous) {
		return prefix, v.t.o.Corpus.Whole(c)
	}
	return id.String(), err
}

// arrived returns the dump with a whole hash if it is in the view and the catalogue has
// just come to know it.
func (v *viewDir) arrived(c context.Context, hash string) ([]corpus.Row, error) {
	id, err := dump.ParseID(hash)
	if err != nil || v.spec.Limit() > 0 {
		return nil, nil
	}
	d, err := v.t.cached(c, id)
	if errors.Is(err, store.ErrNotExist) || err == nil && !v.spec.Match(d.Fields(), time.Now()) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []corpus.Row{{ID: id, Time: unixOf(d)}}, nil
}
