package corpus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thothfs/corpus/catalog"
	"thothfs/corpus/changelog"
	"thothfs/store"
	"thothfs/store/dir"
	"thothfs/store/mem"
)

func errorsIs(err, want error) bool {
	if want == nil {
		return err == nil
	}
	return errors.Is(err, want)
}

func TestSync(t *testing.T) {
	s := mem.New()
	seed(s, 1000)
	s.Set("analyzers/fmri", []byte("x"))
	s.Set("config.json", []byte("{}"))
	s.Set(ident(0).String()+"-unindexed.json", []byte("{}"))
	s.Set("ABCDEF00112233445566778899AABBCC/info.json", []byte("{}"))
	s.Set("0123/info.json", []byte("{}"))
	s.Set(strings.Repeat("g", 32)+"/info.json", []byte("{}"))
	s.Set(strings.Repeat("1", 32), []byte("an object, not a directory"))
	s.Set(strings.Repeat("2", 32)+"/core", []byte("unfinished"))
	c := open(t, options(t, s))
	if c.Synced() {
		t.Error("synced before the first sync")
	}
	calls, last := 0, 0
	err := c.Sync(t.Context(), func(done, total int) {
		calls++
		if done < last || total != 1001 {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	})
	if err != nil || calls == 0 || last != 1001 {
		t.Fatal(err, calls, last)
	}
	wantCount(t, c, "", 1000)
	if !c.Synced() {
		t.Error("not synced")
	}
	d, err := c.Cached(t.Context(), ident(3))
	if err != nil || d.Text(catalog.Cmd) != "cmd3" || d.Text(catalog.Node) != "n1" || d.Text(catalog.Platform) != "p1" || d.Text(catalog.Type) != "core" || d.Text(catalog.Ticket) != "" || d.Time.Unix() != 1_000_003 || d.ETag == "" || d.Damage != "" {
		t.Errorf("%+v %v", d, err)
	}
}

func TestSyncFindsChanges(t *testing.T) {
	for name, make := range map[string]func(t *testing.T) (store.Store, func(key string, data []byte), func(key string)){
		"mem": func(t *testing.T) (store.Store, func(string, []byte), func(string)) {
			s := mem.New()
			return s, func(k string, d []byte) { s.Set(k, d) }, s.Delete
		},
		"dir": func(t *testing.T) (store.Store, func(string, []byte), func(string)) {
			return dirStore(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, set, del := make(t)
			for i := range 20 {
				set(infoKey(ident(i)), info(ident(i), "a", "", 1))
			}
			o := options(t, s)
			o.AttrTimeout = time.Nanosecond
			c := open(t, o)
			sync1(t, c)
			w, cancel := watch(c)
			defer cancel()
			before := c.Generation()
			set(infoKey(ident(20)), info(ident(20), "b", "", 1))
			set(infoKey(ident(5)), info(ident(5), "a", "T-1", 1))
			del(ident(7).String())
			del(infoKey(ident(8)))
			sync1(t, c)
			wantCount(t, c, "", 19)
			wantCount(t, c, "ticket=T-1", 1)
			if c.Generation() == before {
				t.Error("the generation did not move")
			}
			got := map[string]int{}
			for _, ch := range w.wait(t, 4) {
				got[fmt.Sprint(ch.Old != nil, ch.New != nil)]++
				if ch.Old != nil && ch.New != nil && (ch.Old.Text(catalog.Ticket) != "" || ch.New.Text(catalog.Ticket) != "T-1" || ch.ID != ident(5)) {
					t.Errorf("%+v -> %+v", ch.Old, ch.New)
				}
			}
			if got["true true"] != 1 || got["false true"] != 1 || got["true false"] != 2 {
				t.Error(got)
			}
		})
	}
}

func dirStore(t *testing.T) (store.Store, func(string, []byte), func(string)) {
	root := t.TempDir()
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, func(key string, data []byte) { writeFile(t, root, key, data) }, func(key string) { removeAll(t, root, key) }
}

func TestDamagedDocuments(t *testing.T) {
	s := mem.New()
	ids := 0
	set := func(raw []byte) { s.Set(infoKey(ident(ids)), raw); ids++ }
	set([]byte(`{"cmd":"a","psargs":"say "hello""}`))
	set([]byte(`{"cmd":"a"}{"properties":{"x":"y"}}`))
	set([]byte(`{"cmd":"a","time":"1373566304"}`))
	set(nil)
	set([]byte("\x00\xff garbage"))
	set([]byte(`[1,2]`))
	set(make([]byte, maxInfo+1))
	s.Set(infoKey(ident(ids))+"/core", []byte("info.json is a directory"))
	c := open(t, options(t, s))
	sync1(t, c)
	wantCount(t, c, "", ids)
	for i := range ids {
		d, err := c.Cached(t.Context(), ident(i))
		if err != nil || d.Doc == nil || (d.Damage == "") != (i == 2) {
			t.Errorf("%d: %+v %v", i, d, err)
		}
		again, err := c.Dump(t.Context(), ident(i))
		if err != nil || again.Damage != d.Damage || again.ETag != d.ETag {
			t.Errorf("%d: %+v %v", i, again, err)
		}
	}
	large, _ := c.Cached(t.Context(), ident(6))
	if large.Size != maxInfo+1 || !strings.Contains(large.Damage, "too large") {
		t.Errorf("%+v", large)
	}
	n := s.Calls("")
	sync1(t, c) // nothing has changed
	if w := c.Generation(); s.Calls("")-n > 30 || w > 3 {
		t.Errorf("%d calls, generation %d", s.Calls("")-n, w)
	}
}

func TestDeniedDocumentsDoNotFailSync(t *testing.T) {
	s := mem.New()
	seed(s, 50)
	s.Inject(mem.Fault{Op: mem.Get, Key: infoKey(ident(3)), Kind: store.ErrPermission, Times: mem.Always})
	s.Inject(mem.Fault{Op: mem.Get, Key: infoKey(ident(4)), Kind: store.ErrCorrupt, Times: mem.Always})
	s.Inject(mem.Fault{Op: mem.Get, Key: infoKey(ident(5)), Kind: store.ErrUnavailable, Times: mem.Always})
	c := open(t, options(t, s))
	sync1(t, c)
	wantCount(t, c, "", 47)
	if _, err := c.Dump(t.Context(), ident(3)); !errors.Is(err, store.ErrPermission) {
		t.Error(err)
	}
	s.Heal()
	sync1(t, c)
	wantCount(t, c, "", 50)
}

// TestSyncInterrupted interrupts a sync at its n-th read, for every third n. The next sync must
// read only the rest.
func TestSyncInterrupted(t *testing.T) {
	const dumps = 40
	for n := 1; n <= dumps; n += 3 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := mem.New()
			seed(s, dumps)
			o := options(t, s)
			o.AttrTimeout = time.Hour // so that the second sync has no reason to read documents again
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s.Inject(mem.Fault{Op: mem.Get, Nth: n, Before: cancel})
			c, err := Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Sync(ctx, nil); err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			c.Close()

			c = open(t, o)
			have := len(selected(t, c, ""))
			calls := s.Calls(mem.Get)
			sync1(t, c)
			wantCount(t, c, "", dumps)
			if read := s.Calls(mem.Get) - calls; read != dumps-have {
				t.Errorf("%d read after %d of %d", read, have, dumps)
			}
		})
	}
}

func TestSyncStopsWhenTheStoreDoes(t *testing.T) {
	s := mem.New()
	seed(s, 1000)
	s.Inject(mem.Fault{Op: mem.Get, Nth: 300, Times: mem.Always, Kind: store.ErrUnavailable})
	c := open(t, options(t, s))
	if err := c.Sync(t.Context(), nil); !errors.Is(err, store.ErrUnavailable) {
		t.Fatal(err)
	}
	// Reads that began before the failures may succeed and delay the end.
	if n := s.Calls(mem.Get); n >= 1000 {
		t.Errorf("%d reads: every document was asked for", n)
	}
	if c.Synced() {
		t.Error("synced")
	}
	s.Heal()
	sync1(t, c)
	wantCount(t, c, "", 1000)
}

func TestSyncFaults(t *testing.T) {
	for _, op := range []string{mem.Stat, mem.List} {
		for _, kind := range []error{store.ErrUnavailable, store.ErrPermission, store.ErrCorrupt} {
			t.Run(fmt.Sprint(op, " ", kind), func(t *testing.T) {
				s := mem.New()
				seed(s, 30)
				c := open(t, options(t, s))
				sync1(t, c)
				s.Set(infoKey(ident(30)), info(ident(30), "x", "", 1))
				nth := 1
				if op == mem.Stat {
					nth = 2 // the first is for the change log
				}
				s.Inject(mem.Fault{Op: op, Nth: nth, Kind: kind, Short: 5})
				if err := c.Sync(t.Context(), nil); !errors.Is(err, kind) {
					t.Fatal(err)
				}
				wantCount(t, c, "", 30) // an incomplete listing must not remove anything
				sync1(t, c)
				wantCount(t, c, "", 31)
			})
		}
	}
}

func TestCorpusDirectoryGone(t *testing.T) {
	s := mem.New()
	o := options(t, s)
	c := open(t, o)
	s.Inject(mem.Fault{Op: mem.Stat, Kind: store.ErrNotExist})
	sync1(t, c) // a corpus that never existed is empty
	seed(s, 5)
	sync1(t, c)
	s.Inject(mem.Fault{Op: mem.Stat, Nth: 2, Kind: store.ErrNotExist}) // after the one for the change log
	if err := c.Sync(t.Context(), nil); !errors.Is(err, store.ErrNotExist) {
		t.Error(err)
	}
	wantCount(t, c, "", 5)
}
func writeFile(t testing.TB, root, key string, data []byte) {
	t.Helper()
	path := filepath.Join(root, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".tmp", data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

func removeAll(t testing.TB, root, key string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(root, filepath.FromSlash(key))); err != nil {
		t.Fatal(err)
	}
}

// TestSyncAsksForMany checks that Unasked counts the documents that a Sync did not check.
func TestSyncAsksForMany(t *testing.T) {
	s := mem.New()
	seed(s, MaxAsked+100)
	o := options(t, s)
	o.AttrTimeout = time.Nanosecond
	c := open(t, o)
	sync1(t, c)
	calls := s.Calls(mem.Get)
	began := time.Now()
	sync1(t, c)
	if read := s.Calls(mem.Get) - calls; read != FewAsked {
		t.Errorf("%d documents asked for, not %d", read, FewAsked)
	}
	if n, err := c.Unasked(t.Context(), began); err != nil || n != MaxAsked+100-FewAsked {
		t.Errorf("%d unasked, %v", n, err)
	}
	for i := range 100 {
		s.Delete(ident(i).String())
	}
	sync1(t, c) // now it can check all
	if n, err := c.Unasked(t.Context(), began); err != nil || n != 0 {
		t.Errorf("%d unasked after another round, %v", n, err)
	}
	s.Set(changelog.Dir+"/"+time.Now().UTC().Format("20060102T150405.000Z")+"-0000000000000001", nil) // by another client
	calls = s.Calls(mem.Get)
	sync1(t, c)
	if read := s.Calls(mem.Get) - calls; read != FewAsked+1 {
		t.Errorf("%d objects asked for, not %d and an entry of the log", read, FewAsked)
	}
}
