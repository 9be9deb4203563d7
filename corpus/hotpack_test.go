package corpus

import (
	"errors"
	"strings"
	"testing"
	"thothfs/dump/document"
	"thothfs/store"
	"thothfs/store/mem"
)

// TestHotPackOfEachObject checks that each object beside a dump has its own pack, and that the
// pack of the dump keeps its name.
func TestHotPackOfEachObject(t *testing.T) {
	s := mem.New()
	id := ident(1)
	s.Set(infoKey(id), document.Marshal(document.Fields{Dump: "/u/stor/thoth/x/odd.bin", Type: "core"}))
	longest := strings.Repeat("x", maxName-len(HotPackName)-1)
	files := map[string]string{ // object name to pack name
		"odd.bin":          HotPackName,
		"core.2":           HotPackName + ".core.2", // looks like a dump, but the document names another
		"vmlinux":          HotPackName + ".vmlinux",
		"a b%\n":           HotPackName + ".a b%\n",
		longest:            HotPackName + "." + longest,
		longest + "x":      "",
		HotPackName:        "",
		HotPackName + ".a": "",
	}
	for name := range files {
		s.Set(id.String()+"/"+name, []byte("x"))
	}
	c := open(t, options(t, s))
	sync1(t, c)
	if _, err := c.DumpFile(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		ref := store.Ref{Key: id.String() + "/" + name, ETag: "v1"}
		err := c.PutHotPack(t.Context(), ref, []byte("pack of "+name))
		if want == "" {
			if !errors.Is(err, store.ErrNotExist) {
				t.Errorf("%q: a pack was stored, %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if data, _, err := s.Get(t.Context(), store.Ref{Key: id.String() + "/" + want}, 1000); err != nil || string(data) != "pack of "+name {
			t.Errorf("%q: %q, %v in %q", name, data, err, want)
		}
	}
	for name, want := range files {
		ref := store.Ref{Key: id.String() + "/" + name, ETag: "v1"}
		pack, err := c.HotPack(t.Context(), ref, MinHotPacked)
		if want != "" && (err != nil || string(pack) != "pack of "+name) || want == "" && !errors.Is(err, store.ErrNotExist) {
			t.Errorf("%q: %q, %v", name, pack, err)
		}
		if _, err := c.HotPack(t.Context(), ref, MinHotPacked-1); !errors.Is(err, store.ErrNotExist) {
			t.Errorf("%q, small: %v", name, err)
		}
	}
	for _, key := range []string{"analyzers/a", "odd.bin", "x/y/z"} {
		if err := c.PutHotPack(t.Context(), store.Ref{Key: key, ETag: "v1"}, nil); !errors.Is(err, store.ErrNotExist) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestHotPackOfAnUnknownDirectory checks that in a directory that was never listed, the name alone
// determines what is the dump.
func TestHotPackOfAnUnknownDirectory(t *testing.T) {
	s := mem.New()
	c := open(t, options(t, s))
	for name, want := range map[string]string{"vmcore.3": HotPackName, "vmlinux": HotPackName + ".vmlinux"} {
		key := ident(7).String() + "/"
		if err := c.PutHotPack(t.Context(), store.Ref{Key: key + name, ETag: "v1"}, []byte(name)); err != nil {
			t.Fatal(err)
		}
		if data, _, err := s.Get(t.Context(), store.Ref{Key: key + want}, 1000); err != nil || string(data) != name {
			t.Errorf("%q, %v in %q", data, err, want)
		}
	}
}
