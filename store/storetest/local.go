package storetest

import (
	"io"
	"testing"

	"thothfs/store"
)

// local checks the interface store.Local if the store implements it.
func (s *suite) local(t *testing.T) {
	st := s.open(t)
	l, ok := store.AsLocal(st)
	if !ok {
		t.Skip("objects of this store are not local files")
	}
	ctx := t.Context()
	o := create(t, st, "d/o", "some data")
	f, err := l.OpenLocal(ctx, o.ref())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	now := replace(t, st, o.ref(), "other")
	if got, err := io.ReadAll(f); err != nil || string(got) != "some data" {
		t.Errorf("the open file reads %q, %v after a replacement", got, err)
	}
	for want, ref := range map[error]store.Ref{
		store.ErrStale:    o.ref(),
		store.ErrNotExist: {Key: "d/absent", ETag: now.attr.ETag},
		store.ErrInvalid:  {Key: "d", ETag: now.attr.ETag},
	} {
		_, err := l.OpenLocal(ctx, ref)
		wantKind(t, err, want)
	}
	_, err = l.OpenLocal(ctx, store.Ref{Key: "d/o"})
	wantKind(t, err, store.ErrInvalid)
}
