package corpus

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
	"thothfs/store/mem"
)

func TestDumpFile(t *testing.T) {
	id := ident(1)
	for _, tt := range []struct {
		name, dump string
		files      []string
		want       string // "" if there is none
	}{
		{"named", "/u/stor/thoth/x/core.a", []string{"core.a", "core.b", "notes"}, "core.a"},
		{"named, elsewhere", "/other/core.a", []string{"core.a", "zzz"}, "core.a"},
		{"named, without a dump's name", "/x/a.bin", []string{"a.bin", "core.b"}, "a.bin"},
		{"not named, one like a dump", "", []string{"notes", "vmdump.0"}, "vmdump.0"},
		{"not named, only one", "", []string{"strange"}, "strange"},
		{"not named, two", "", []string{"core.a", "core.b"}, ""},
		{"purged", "/x/core.a", nil, ""},
		{"hostile", "/x/..", []string{"core"}, "core"},
		{"the document itself", "/x/info.json", []string{"core"}, "core"},
		{"hidden", "", []string{".thothfs.hot", "a"}, "a"},
		{"coreutils is no core", "", []string{"coreutils", "core"}, "core"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mem.New()
			s.Set(infoKey(id), document.Marshal(document.Fields{Dump: tt.dump, Type: "core"}))
			for _, f := range tt.files {
				s.Set(id.String()+"/"+f, []byte(f))
			}
			c := open(t, options(t, s))
			sync1(t, c)
			e, err := c.DumpFile(t.Context(), id)
			if tt.want == "" && !errors.Is(err, store.ErrNotExist) || e.Name != tt.want || tt.want != "" && (err != nil || e.Size != int64(len(tt.want)) || e.ETag == "") {
				t.Error(e, err)
			}
		})
	}
}

func TestFilesAreCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 2)
		s.Set(ident(1).String()+"/core\xff", []byte("x"))
		o := options(t, s)
		c := open(t, o)
		names := func() (names []string) {
			t.Helper()
			entries, err := c.Files(t.Context(), ident(1))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				names = append(names, e.Name)
			}
			return names
		}
		if n := names(); len(n) != 2 || n[0] != "core\xff" || n[1] != InfoName {
			t.Error(n)
		}
		s.Set(ident(1).String()+"/more", []byte("x"))
		if n := names(); len(n) != 2 {
			t.Error(n)
		}
		c.Stale(ident(1))
		if n := names(); len(n) != 3 || s.Calls(mem.List) != 2 {
			t.Error(n)
		}
		names()
		time.Sleep(o.Poll + time.Second)
		names()
		if s.Calls(mem.List) != 3 {
			t.Error(s.Calls(mem.List))
		}
		if _, err := c.Files(t.Context(), ident(7)); !errors.Is(err, store.ErrNotExist) {
			t.Error(err)
		}
		if a, err := c.Analyzers(t.Context()); err != nil || len(a) != 0 {
			t.Error(a, err)
		}
		s.Set("analyzers/fmri", []byte("x"))
		c.Stale(dump.ID{})
		if a, err := c.Analyzers(t.Context()); err != nil || len(a) != 1 || a[0].Name != "fmri" {
			t.Error(a, err)
		}
	})
}
