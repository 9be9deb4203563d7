package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"thothfs/store"
)

// collect returns a complete listing, and fails the test if anything follows an error.
func collect(t *testing.T, s store.Store, dir, from string) ([]store.Entry, error) {
	t.Helper()
	var all []store.Entry
	var failed error
	for e, err := range s.List(t.Context(), dir, from) {
		if failed != nil {
			t.Errorf("list %q: %q, %v follow the error %v", dir, e.Name, err, failed)
			break
		}
		if err != nil {
			failed = err
			continue
		}
		all = append(all, e)
	}
	return all, failed
}

func namesOf(entries []store.Entry) []string {
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names
}

func wantNames(t *testing.T, s store.Store, dir, from string, want ...string) []store.Entry {
	t.Helper()
	got, err := collect(t, s, dir, from)
	if names := namesOf(got); err != nil || !slices.Equal(names, want) {
		t.Errorf("list %q from %q: %q, %v, want %q", dir, from, names, err, want)
	}
	return got
}

func (s *suite) list(t *testing.T) {
	t.Run("order and from", s.listFrom)
	t.Run("attributes", s.listAttrs)
	t.Run("absent", func(t *testing.T) {
		st := s.open(t)
		create(t, st, "d/o", "x")
		for _, dir := range []string{"absent", "d/absent", "absent/below", "d/o/below"} {
			got, err := collect(t, st, dir, "")
			wantKind(t, err, store.ErrNotExist)
			if len(got) > 0 {
				t.Errorf("%q: %q", dir, namesOf(got))
			}
		}
	})
	t.Run("object", func(t *testing.T) {
		st := s.open(t)
		create(t, st, "d/o", "x")
		_, err := collect(t, st, "d/o", "")
		wantKind(t, err, store.ErrInvalid)
	})
	t.Run("empty", func(t *testing.T) {
		st := s.open(t)
		o := create(t, st, "d/o", "x")
		if err := st.Remove(t.Context(), o.ref()); err != nil {
			t.Fatal(err)
		}
		wantNames(t, st, "d", "")
	})
	t.Run("fresh corpus", func(t *testing.T) {
		got, err := collect(t, s.open(t), "", "")
		if err != nil {
			wantKind(t, err, store.ErrNotExist) // the first Put creates it
		}
		if len(got) > 0 {
			t.Errorf("it holds %q", namesOf(got))
		}
	})
	t.Run("thousands", s.listThousands)
}

func (s *suite) listFrom(t *testing.T) {
	st := s.open(t)
	for _, name := range []string{"b", "a", "B", "é", "aa", "a.b", "c", "Z-1", "a b", "~"} {
		create(t, st, "d/"+name, name)
	}
	create(t, st, "other", "")
	all := []string{"B", "Z-1", "a", "a b", "a.b", "aa", "b", "c", "~", "é"}
	for _, c := range []struct {
		from string
		skip int
	}{
		{"", 0}, {"B", 0}, {"B0", 1}, {"A", 0}, {"a", 2}, {"a\x01", 3}, {"a!", 4}, {"ab", 6}, {"b", 6}, {"é", 9}, {"éa", 10}, {"\U0010ffff", 10},
	} {
		wantNames(t, st, "d", c.from, all[c.skip:]...)
	}
	wantNames(t, st, "", "", "d", "other")
	wantNames(t, st, "", "e", "other")
}

func (s *suite) listAttrs(t *testing.T) {
	st := s.open(t)
	o := create(t, st, "d/o", "some data")
	create(t, st, "d/sub/x", "")
	got := wantNames(t, st, "d", "", "o", "sub")
	if len(got) != 2 {
		return
	}
	s.wantAttr(t, got[0].Attr, o)
	if sub := got[1]; !sub.Dir || sub.Size != 0 {
		t.Errorf("directory: %+v", sub)
	}
	now := replace(t, st, o.ref(), "other")
	s.wantAttr(t, wantNames(t, st, "d", "", "o", "sub")[0].Attr, now)
}

func (s *suite) listThousands(t *testing.T) {
	st := s.open(t)
	want := makeThousands(t, st, s.f.Entries)
	wantNames(t, st, "d", "", want...)
	for _, i := range []int{1, len(want) / 2, len(want) - 1} {
		wantNames(t, st, "d", want[i], want[i:]...)
		wantNames(t, st, "d", want[i]+"0", want[i+1:]...)
	}
	t.Run("early break", func(t *testing.T) {
		for _, stop := range []int{1, 2, len(want) / 2} {
			n := 0
			for e, err := range st.List(t.Context(), "d", "") {
				if err != nil || e.Name != want[n] {
					t.Fatalf("entry %d: %q, %v", n, e.Name, err)
				}
				if n++; n == stop {
					break
				}
			}
		}
	})
	t.Run("twice at once", func(t *testing.T) {
		seq := st.List(t.Context(), "d", "")
		n := 0
		for e, err := range seq {
			if err != nil || e.Name != want[n] {
				t.Fatalf("entry %d: %q, %v", n, e.Name, err)
			}
			if n++; n%1000 == 1 { // another listing within the listing
				wantNames(t, st, "d", want[n-1], want[n-1:]...)
			}
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		var failed error
		for e, err := range st.List(ctx, "d", "") {
			if err != nil {
				failed = err
				break
			}
			if e.Name != want[n] {
				t.Fatalf("entry %d: %q", n, e.Name)
			}
			n++
			cancel()
		}
		if !errors.Is(failed, context.Canceled) && n != len(want) {
			t.Errorf("cancelled: %d of %d entries and the error %v", n, len(want), failed)
		}
	})
}

// makeThousands stores n objects in the directory d and returns their names in order.
func makeThousands(t *testing.T, st store.Store, n int) []string {
	t.Helper()
	name := func(i int) string { return fmt.Sprintf("%08x", uint32(i)*2654435761) }
	var want []string
	create(t, st, "d/"+name(0), "")
	want = append(want, name(0))
	var g errgroup.Group
	g.SetLimit(16)
	for i := 1; i < n; i++ {
		want = append(want, name(i))
		g.Go(func() error {
			_, err := put(st, store.Ref{Key: "d/" + name(i)}, nil)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	return want
}
