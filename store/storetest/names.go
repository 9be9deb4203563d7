package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"thothfs/store"
)

// hostile lists names that a store may alter by mistake. Manta accepts all of them.
var hostile = []string{
	" ", "with space", "trailing ", "new\nline", "cr\r", "tab\t", "\x01\x1b[31m", "\x7f", "100%", "%2F", "%2f", "%00", "%zz", "%",
	"a;b", "a?b", "a#b", "a&b=c", "a+b", "a:b", "@a", "back\\slash", "\\", `"quoted"`, "'", "`id`", "$HOME", "*", "[a-z]", "{}", "|",
	"-rf", "--", "~", ".hidden", "...", "..data", "CON", "UPPER", "upper", "\u00e9", "e\u0301", "日本語", "🧨", "\ufeffbom", "\u202etxt", "\u2028",
}

// refusedNames returns the names that the store must refuse and those that it must hold.
func (s *suite) refusedNames() (refused, held []string) {
	long := strings.Repeat("n", 255)
	held = append(slices.Clone(hostile), long)
	sort := func(no bool, names ...string) {
		if no {
			refused = append(refused, names...)
		} else {
			held = append(held, names...)
		}
	}
	sort(s.f.NoDotNames, ".", "..")
	sort(s.f.NoLongNames, strings.Repeat("n", 256), strings.Repeat("é", 150))
	sort(s.f.NoRawBytes, "\xff", "caf\xe9", "\xed\xa0\x80")
	return refused, held
}

func (s *suite) names(t *testing.T) {
	refused, held := s.refusedNames()
	t.Run("objects", func(t *testing.T) { s.heldNames(t, held, "d/%s") })
	t.Run("directories", func(t *testing.T) { s.heldNames(t, held, "d/%s/o") })
	t.Run("at the top", func(t *testing.T) { s.heldNames(t, held, "%s") })
	for _, name := range refused {
		for _, form := range []string{"%s", "d/%s", "d/%s/o", "%s/o"} {
			key := fmt.Sprintf(form, name)
			t.Run(fmt.Sprintf("refused %.20q", key), func(t *testing.T) { s.refusedKey(t, key) })
		}
	}
	for _, key := range []string{"/", "/a", "a/", "a//b", "//", "a/\x00", "a\x00b/c"} {
		t.Run(fmt.Sprintf("malformed %q", key), func(t *testing.T) { s.refusedKey(t, key) })
	}
	t.Run("nothing at the corpus itself", func(t *testing.T) {
		st := s.open(t)
		create(t, st, "d/o", "data")
		_, err := put(st, store.Ref{}, []byte("x"))
		wantKind(t, err, store.ErrInvalid)
	})
}

// heldNames stores an object with different content under each name, reads and lists them, and
// removes them.
func (s *suite) heldNames(t *testing.T, names []string, form string) {
	st := s.open(t)
	var made []object
	for _, name := range names {
		o, err := put(st, store.Ref{Key: fmt.Sprintf(form, name)}, []byte("content of "+name))
		if err != nil {
			t.Errorf("%.30q: %v", name, err)
			continue
		}
		made = append(made, o)
	}
	for _, o := range made {
		s.wantAttr(t, wantData(t, st, o.key, string(o.data)), o)
	}
	dir, _, found := strings.Cut(form, "/")
	if !found {
		dir = ""
	}
	sorted := slices.Sorted(slices.Values(names))
	wantNames(t, st, dir, "", sorted...)
	for i, name := range sorted {
		wantNames(t, st, dir, name, sorted[i:]...)
	}
	for _, o := range made {
		if err := st.Remove(t.Context(), o.ref()); err != nil {
			t.Errorf("%.30q: %v", o.key, err)
		}
	}
}

// refusedKey checks that an invalid key is never stored, and that using it does no harm.
func (s *suite) refusedKey(t *testing.T, key string) {
	st := s.open(t)
	ctx := t.Context()
	o := create(t, st, "d/o", "data")
	_, err := put(st, store.Ref{Key: key}, []byte("x"))
	wantKind(t, err, store.ErrInvalid)
	_, err = st.Stat(ctx, key)
	wantKind(t, err, store.ErrNotExist, store.ErrInvalid)
	_, _, err = st.Get(ctx, store.Ref{Key: key}, 100)
	wantKind(t, err, store.ErrNotExist, store.ErrInvalid)
	_, err = st.ReadAt(ctx, store.Ref{Key: key, ETag: o.attr.ETag}, make([]byte, 4), 0)
	wantKind(t, err, store.ErrNotExist, store.ErrInvalid)
	_, err = collect(t, st, key, "")
	wantKind(t, err, store.ErrNotExist, store.ErrInvalid)
	wantKind(t, st.Remove(ctx, store.Ref{Key: key}), store.ErrNotExist, store.ErrInvalid)
	s.wantAttr(t, wantData(t, st, "d/o", "data"), o)
	wantNames(t, st, "", "", "d")
	wantNames(t, st, "d", "", "o")
}
