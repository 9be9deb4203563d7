package storetest

import (
	"testing"

	"thothfs/store"
)

func (s *suite) remove(t *testing.T) {
	for name, etag := range map[string]func(object) string{
		"the version": func(o object) string { return o.attr.ETag },
		"any version": func(object) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			st := s.open(t)
			o := create(t, st, "d/o", "data")
			other := create(t, st, "d/other", "data")
			ref := store.Ref{Key: o.key, ETag: etag(o)}
			if err := st.Remove(t.Context(), ref); err != nil {
				t.Fatal(err)
			}
			wantAbsent(t, st, o.key)
			wantNames(t, st, "d", "", "other")
			wantKind(t, st.Remove(t.Context(), ref), store.ErrNotExist)
			s.wantAttr(t, wantData(t, st, other.key, "data"), other)
			create(t, st, o.key, "made again")
		})
	}
	t.Run("another version", func(t *testing.T) {
		st := s.open(t)
		one := create(t, st, "d/o", "one")
		two := replace(t, st, one.ref(), "two")
		wantKind(t, st.Remove(t.Context(), one.ref()), store.ErrConflict)
		wantKind(t, st.Remove(t.Context(), store.Ref{Key: "d/o", ETag: "never was"}), store.ErrConflict)
		s.wantAttr(t, wantData(t, st, "d/o", "two"), two)
	})
	t.Run("absent", func(t *testing.T) {
		st := s.open(t)
		o := create(t, st, "d/o", "data")
		for _, key := range []string{"absent", "d/absent", "absent/o", "d/o/below"} {
			for _, etag := range []string{"", o.attr.ETag} {
				wantKind(t, st.Remove(t.Context(), store.Ref{Key: key, ETag: etag}), store.ErrNotExist)
			}
		}
	})
	t.Run("directory", s.removeDirectory)
}

func (s *suite) removeDirectory(t *testing.T) {
	st := s.open(t)
	ctx := t.Context()
	o := create(t, st, "d/e/o", "data")
	for _, etag := range []string{"", "whatever"} {
		wantKind(t, st.Remove(ctx, store.Ref{Key: "d/e", ETag: etag}), store.ErrConflict)
		wantKind(t, st.Remove(ctx, store.Ref{Key: "d", ETag: etag}), store.ErrConflict)
	}
	wantData(t, st, o.key, "data")
	if err := st.Remove(ctx, o.ref()); err != nil {
		t.Fatal(err)
	}
	if err := st.Remove(ctx, store.Ref{Key: "d/e"}); err != nil {
		t.Errorf("empty directory: %v", err)
	}
	wantAbsent(t, st, "d/e")
	if err := st.Remove(ctx, store.Ref{Key: "d", ETag: "whatever"}); err != nil {
		t.Errorf("empty directory with an ETag: %v", err)
	}
	wantAbsent(t, st, "d")
	wantKind(t, st.Remove(ctx, store.Ref{Key: "d"}), store.ErrNotExist)
	wantKind(t, st.Remove(ctx, store.Ref{}), store.ErrInvalid) // the corpus itself is never removed
	create(t, st, "d/e/o", "again")
}
