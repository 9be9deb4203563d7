package storetest

import (
	"io"
	"testing"

	"thothfs/store"
)

func (s *suite) readAt(t *testing.T) {
	t.Run("ranges", s.readAtRanges)
	t.Run("empty object", func(t *testing.T) {
		st := s.open(t)
		o := create(t, st, "d/empty", "")
		for _, off := range []int64{0, 1, 1 << 40} {
			n, err := st.ReadAt(t.Context(), o.ref(), make([]byte, 5), off)
			if n != 0 || err != io.EOF {
				t.Errorf("at %d: %d, %v, want 0, EOF", off, n, err)
			}
		}
	})
	t.Run("no ETag", func(t *testing.T) {
		st := s.open(t)
		create(t, st, "d/o", "data")
		n, err := st.ReadAt(t.Context(), store.Ref{Key: "d/o"}, make([]byte, 4), 0)
		wantNothing(t, n, err, store.ErrInvalid)
	})
	t.Run("negative offset", func(t *testing.T) {
		st := s.open(t)
		o := create(t, st, "d/o", "data")
		n, err := st.ReadAt(t.Context(), o.ref(), make([]byte, 4), -1)
		wantNothing(t, n, err, store.ErrInvalid)
	})
	t.Run("changed", s.readAtChanged)
	t.Run("absent", func(t *testing.T) {
		st := s.open(t)
		o := create(t, st, "d/o", "data")
		for _, key := range []string{"d/absent", "absent/o", "d/o/below"} {
			n, err := st.ReadAt(t.Context(), store.Ref{Key: key, ETag: o.attr.ETag}, make([]byte, 4), 0)
			wantNothing(t, n, err, store.ErrNotExist)
		}
	})
	t.Run("directory", func(t *testing.T) {
		st := s.open(t)
		o := create(t, st, "d/o", "data")
		for _, key := range []string{"d", ""} {
			n, err := st.ReadAt(t.Context(), store.Ref{Key: key, ETag: o.attr.ETag}, make([]byte, 4), 0)
			wantNothing(t, n, err, store.ErrInvalid)
		}
	})
}

func (s *suite) readAtChanged(t *testing.T) {
	t.Run("replaced", func(t *testing.T) {
		st := s.open(t)
		o := create(t, st, "d/o", "data")
		replace(t, st, o.ref(), "DATA") // the same size
		n, err := st.ReadAt(t.Context(), o.ref(), make([]byte, 4), 0)
		wantNothing(t, n, err, store.ErrStale)
		n, err = st.ReadAt(t.Context(), o.ref(), make([]byte, 4), 100)
		wantNothing(t, n, err, store.ErrStale)
	})
	t.Run("replaced by an empty one", func(t *testing.T) {
		st := s.open(t)
		o := create(t, st, "d/o", "data")
		replace(t, st, o.ref(), "")
		n, err := st.ReadAt(t.Context(), o.ref(), make([]byte, 4), 0)
		wantNothing(t, n, err, store.ErrStale)
	})
	t.Run("removed", func(t *testing.T) {
		st := s.open(t)
		o := create(t, st, "d/o", "data")
		if err := st.Remove(t.Context(), o.ref()); err != nil {
			t.Fatal(err)
		}
		n, err := st.ReadAt(t.Context(), o.ref(), make([]byte, 4), 0)
		wantNothing(t, n, err, store.ErrNotExist)
	})
	t.Run("removed and made again", func(t *testing.T) {
		st := s.open(t)
		o := create(t, st, "d/o", "data")
		if err := st.Remove(t.Context(), o.ref()); err != nil {
			t.Fatal(err)
		}
		create(t, st, "d/o", "data")
		n, err := st.ReadAt(t.Context(), o.ref(), make([]byte, 4), 0)
		wantNothing(t, n, err, store.ErrStale)
	})
}

func wantNothing(t *testing.T, n int, err error, kind error) {
	t.Helper()
	if n != 0 {
		t.Errorf("%d bytes read, want none", n)
	}
	wantKind(t, err, kind)
}

func (s *suite) readAtRanges(t *testing.T) {
	st := s.open(t)
	o := create(t, st, "d/o", "0123456789")
	for _, c := range []struct {
		off  int64
		size int
		want string
	}{
		{0, 10, "0123456789"}, {0, 1, "0"}, {9, 1, "9"}, {3, 4, "3456"}, {0, 4, "0123"},
		{0, 11, "0123456789"}, {9, 2, "9"}, {5, 100, "56789"}, {10, 1, ""}, {11, 1, ""}, {1 << 40, 3, ""},
	} {
		p := make([]byte, c.size)
		n, err := st.ReadAt(t.Context(), o.ref(), p, c.off)
		if got := string(p[:n]); got != c.want {
			t.Errorf("%d bytes at %d: got %q, want %q", c.size, c.off, got, c.want)
		}
		atEnd := c.off+int64(c.size) >= 10
		if short := n < c.size; err != nil && !(err == io.EOF && atEnd) || short && err == nil {
			t.Errorf("%d bytes at %d: n = %d, error %v", c.size, c.off, n, err)
		}
	}
	// An empty read returns nothing; it may or may not return io.EOF.
	for _, off := range []int64{0, 5, 10} {
		if n, err := st.ReadAt(t.Context(), o.ref(), nil, off); n != 0 || err != nil && err != io.EOF {
			t.Errorf("0 bytes at %d: %d, %v", off, n, err)
		}
	}
}

func (s *suite) get(t *testing.T) {
	st := s.open(t)
	o := create(t, st, "d/o", "some data")
	empty := create(t, st, "d/empty", "")
	ctx := t.Context()

	for _, o := range []object{o, empty} {
		for _, known := range []store.Ref{{Key: o.key}, {Key: o.key, ETag: "another"}} {
			got, attr, err := st.Get(ctx, known, int64(len(o.data))) // exactly the limit
			if err != nil || string(got) != string(o.data) {
				t.Errorf("get %v: %q, %v", known, got, err)
			}
			s.wantAttr(t, attr, o)
		}
	}
	t.Run("not modified", func(t *testing.T) {
		for _, o := range []object{o, empty} {
			got, _, err := st.Get(ctx, o.ref(), 0) // not modified, so the limit does not apply
			wantKind(t, err, store.ErrNotModified)
			if got != nil {
				t.Errorf("data with it: %q", got)
			}
		}
	})
	t.Run("new version", func(t *testing.T) {
		o := create(t, st, "d/changing", "old")
		now := replace(t, st, o.ref(), "and now")
		got, attr, err := st.Get(ctx, o.ref(), 100)
		if err != nil || string(got) != "and now" {
			t.Errorf("got %q, %v", got, err)
		}
		s.wantAttr(t, attr, now)
	})
	t.Run("too large", func(t *testing.T) {
		for _, limit := range []int64{0, 1, int64(len(o.data)) - 1} {
			got, _, err := st.Get(ctx, store.Ref{Key: o.key}, limit)
			wantKind(t, err, store.ErrTooLarge)
			if got != nil {
				t.Errorf("limit %d: data with it: %q", limit, got)
			}
		}
	})
	t.Run("none", func(t *testing.T) { getNone(t, st, o) })
	t.Run("caller owns the data", func(t *testing.T) {
		got, _, err := st.Get(ctx, store.Ref{Key: o.key}, 100)
		if err != nil {
			t.Fatal(err)
		}
		clear(got)
		wantData(t, st, o.key, string(o.data))
	})
}

// getNone calls Get on things that are not objects.
func getNone(t *testing.T, st store.Store, o object) {
	ctx := t.Context()
	t.Run("absent", func(t *testing.T) {
		for _, key := range []string{"d/absent", "absent/o", "d/o/below"} {
			for _, etag := range []string{"", o.attr.ETag} {
				_, _, err := st.Get(ctx, store.Ref{Key: key, ETag: etag}, 100)
				wantKind(t, err, store.ErrNotExist)
			}
		}
	})
	t.Run("directory", func(t *testing.T) {
		for _, key := range []string{"d", ""} {
			_, _, err := st.Get(ctx, store.Ref{Key: key}, 1<<20)
			wantKind(t, err, store.ErrInvalid)
		}
	})
}

func (s *suite) stat(t *testing.T) {
	st := s.open(t)
	o := create(t, st, "d/e/o", "some data")
	ctx := t.Context()
	t.Run("object", func(t *testing.T) {
		attr, err := st.Stat(ctx, o.key)
		if err != nil {
			t.Fatal(err)
		}
		s.wantAttr(t, attr, o)
	})
	t.Run("directories", func(t *testing.T) {
		for _, key := range []string{"", "d", "d/e"} {
			attr, err := st.Stat(ctx, key)
			if err != nil || !attr.Dir || attr.Size != 0 || attr.MD5 != nil {
				t.Errorf("%q: %+v, %v", key, attr, err)
			}
			wantTime(t, attr.ModTime)
		}
	})
	t.Run("absent", func(t *testing.T) {
		for _, key := range []string{"x", "d/x", "d/e/o/below", "x/y/z"} {
			_, err := st.Stat(ctx, key)
			wantKind(t, err, store.ErrNotExist)
		}
	})
	t.Run("a directory's ETag changes with its entries", func(t *testing.T) {
		before, err := st.Stat(ctx, "d")
		if err != nil {
			t.Fatal(err)
		}
		create(t, st, "d/another", "")
		added, err := st.Stat(ctx, "d")
		if err != nil || added.ETag == before.ETag {
			t.Errorf("one added: ETag stays %q, %v", added.ETag, err)
		}
		if err := st.Remove(ctx, store.Ref{Key: "d/another"}); err != nil {
			t.Fatal(err)
		}
		removed, err := st.Stat(ctx, "d")
		if err != nil || removed.ETag == added.ETag {
			t.Errorf("one removed: ETag stays %q, %v", removed.ETag, err)
		}
	})
}
