package trash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
	"thothfs/store/mem"
	"thothfs/store/storetest"
)

var ids = []dump.ID{{1}, {2}, {3}}

func key(id dump.ID, name string) string { return id.String() + "/" + name }

// planted returns a store with a few dumps.
func planted() *mem.Store {
	s := mem.New()
	for _, id := range ids {
		s.Set(key(id, "core.x"), bytes.Repeat([]byte("data"), 100))
		s.Set(key(id, ".thothfs.hot"), []byte("pack"))
		s.Set(key(id, corpus.InfoName), documentOf(id))
	}
	return s
}

func documentOf(id dump.ID) []byte {
	return document.Marshal(document.Fields{Name: "/c/" + id.String(), Dump: "/c/" + key(id, "core.x"), Cmd: "x", Type: "core"})
}

func open(t *testing.T, s store.Store) *corpus.Corpus {
	t.Helper()
	c, err := corpus.Open(context.Background(), corpus.Options{Store: s, Name: "test", Root: "/c", Dir: filepath.Join(t.TempDir(), "catalogue"),
		Poll: 30 * time.Second, AttrTimeout: time.Second, Changes: true, By: "jane@desk"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	sync1(t, c)
	return c
}

func sync1(t *testing.T, c *corpus.Corpus) {
	t.Helper()
	if err := c.Sync(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
}

func has(t *testing.T, c *corpus.Corpus, id dump.ID) bool {
	t.Helper()
	_, err := c.Cached(t.Context(), id)
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// wantTrash checks which dumps are in the trash, the oldest first, and returns their entries.
func wantTrash(t *testing.T, c *corpus.Corpus, want ...dump.ID) []*Entry {
	t.Helper()
	all, err := List(t.Context(), c)
	if err != nil || len(all) != len(want) {
		t.Fatalf("%d entries, %v, want %d", len(all), err, len(want))
	}
	for i, e := range all {
		if e.ID != want[i] {
			t.Fatalf("entry %d is %s", i, e.ID)
		}
	}
	return all
}

func TestTrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := planted()
		c, other := open(t, s), open(t, s)
		for _, id := range ids[:2] {
			if e, err := Remove(t.Context(), c, id); err != nil || e.Size != 400 || e.Dump != "core.x" || e.By != "jane@desk" {
				t.Fatalf("%+v, %v", e, err)
			}
			time.Sleep(time.Minute)
		}
		if has(t, c, ids[0]) || !has(t, c, ids[2]) || !has(t, other, ids[0]) {
			t.Error("the own catalogue is to know at once, and the other not yet")
		}
		if sync1(t, other); has(t, other, ids[0]) || !has(t, other, ids[2]) {
			t.Error("the other catalogue does not know after a poll")
		}
		if _, err := Remove(t.Context(), other, ids[0]); !errors.Is(err, store.ErrNotExist) {
			t.Error("removed twice:", err)
		}
		all := wantTrash(t, other, ids[0], ids[1])
		if all[0].Restored || !bytes.Equal(all[0].Document, documentOf(ids[0])) {
			t.Errorf("%+v", all[0])
		}
		if err := Restore(t.Context(), other, all[0]); err != nil || !has(t, other, ids[0]) {
			t.Error(err)
		}
		if got, _ := s.Data(key(ids[0], corpus.InfoName)); !bytes.Equal(got, documentOf(ids[0])) {
			t.Errorf("restored as %s", got)
		}
		if sync1(t, c); !has(t, c, ids[0]) {
			t.Error("the other catalogue does not know what was restored")
		}
		all = wantTrash(t, c, ids[1])
		if freed, err := Empty(t.Context(), c, all[0]); err != nil || freed != 404 {
			t.Error(freed, err)
		}
		wantTrash(t, c)
		for _, k := range s.Keys() {
			if strings.HasPrefix(k, ids[1].String()) || strings.HasPrefix(k, Dir) {
				t.Error(k, "is left")
			}
		}
		if err := Restore(t.Context(), c, all[0]); !errors.Is(err, ErrEmptied) {
			t.Error("restored what was deleted:", err)
		}
	})
}

// TestUploadedAgain checks that the trash does not take anything from a dump that is in the corpus
// again.
func TestUploadedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := planted()
		c := open(t, s)
		if _, err := Remove(t.Context(), c, ids[0]); err != nil {
			t.Fatal(err)
		}
		newer := []byte(`{"cmd":"newer","type":"core"}` + "\n")
		if err := c.Create(t.Context(), ids[0], newer); err != nil {
			t.Fatal(err)
		}
		e := wantTrash(t, c, ids[0])[0]
		if !e.Restored {
			t.Error("the dump is in the corpus")
		}
		if err := Restore(t.Context(), c, e); !errors.Is(err, ErrThere) {
			t.Error(err)
		}
		if freed, err := Empty(t.Context(), c, e); err != nil || freed != 0 {
			t.Error(freed, err)
		}
		wantTrash(t, c, ids[0]) // it may just be being removed
		time.Sleep(settled)
		if _, err := Remove(t.Context(), c, ids[0]); err != nil {
			t.Fatal(err)
		}
		if freed, err := Empty(t.Context(), c, e); err != nil || freed != 0 {
			t.Error(freed, err)
		}
		all := wantTrash(t, c, ids[0], ids[0]) // e said that the dump is in the corpus
		if freed, err := Empty(t.Context(), c, all[0]); err != nil || freed != 0 {
			t.Error("the older entry takes the dump from the later one:", freed, err)
		}
		if err := Restore(t.Context(), c, wantTrash(t, c, ids[0])[0]); err != nil {
			t.Error(err)
		}
		if got, _ := s.Data(key(ids[0], corpus.InfoName)); !bytes.Equal(got, newer) {
			t.Errorf("restored as %s", got)
		}
	})
}

// TestEditedMeanwhile checks that an edit made while a dump is being removed is not lost.
func TestEditedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := planted()
		c := open(t, s)
		s.Inject(mem.Fault{Op: mem.Remove, Before: func() {
			s.Set(key(ids[0], corpus.InfoName), []byte(`{"ticket":"T-1"}`))
		}})
		e, err := Remove(t.Context(), c, ids[0])
		if err != nil || e.Doc().String("ticket") != "T-1" {
			t.Fatal(e, err)
		}
	})
}

// TestUploadedWhileEmptied checks that Empty keeps a dump whose document is stored meanwhile.
func TestUploadedWhileEmptied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := planted()
		c := open(t, s)
		e, err := Remove(t.Context(), c, ids[0])
		if err != nil {
			t.Fatal(err)
		}
		info := key(ids[0], corpus.InfoName)
		for _, call := range []mem.Fault{{Op: mem.List, Key: ids[0].String()}, {Op: mem.Stat, Key: info, Nth: 2}} {
			call.Before = func() { s.Set(info, documentOf(ids[0])) }
			s.Inject(call)
			if freed, err := Empty(t.Context(), c, e); !errors.Is(err, ErrThere) || freed != 0 {
				t.Error(call.Op, freed, err)
			}
			if _, there := s.Data(key(ids[0], "core.x")); !there {
				t.Fatal(call.Op, "the dump is gone")
			}
			s.Delete(info)
		}
	})
}

// TestRestoredWhileEmptied checks that Restore leaves no document without a dump.
func TestRestoredWhileEmptied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := planted()
		c := open(t, s)
		e, err := Remove(t.Context(), c, ids[0])
		if err != nil {
			t.Fatal(err)
		}
		s.Inject(mem.Fault{Op: mem.Put, Key: key(ids[0], corpus.InfoName), Before: func() { s.Delete(key(ids[0], "core.x")) }})
		if err := Restore(t.Context(), c, e); !errors.Is(err, ErrEmptied) {
			t.Error(err)
		}
		if _, there := s.Data(key(ids[0], corpus.InfoName)); there || has(t, c, ids[0]) {
			t.Error("a document without a dump")
		}
		wantTrash(t, c, ids[0])
	})
}

func TestHostileEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := planted()
		c := open(t, s)
		for name, text := range map[string]string{
			"x": "{}", ids[0].String(): "{}", ids[0].String() + "-1": "{", ids[1].String() + "-1": `{"id":"` + ids[0].String() + `"}`,
			ids[2].String() + "-1/dir": "{}",
		} {
			s.Set(Dir+"/"+name, []byte(text))
		}
		wantTrash(t, c)
		if _, err := Remove(t.Context(), c, ids[0]); err != nil {
			t.Fatal(err)
		}
		e := wantTrash(t, c, ids[0])[0]
		e.Dump = "../" + ids[1].String() + "/core.x"
		if err := Restore(t.Context(), c, e); !errors.Is(err, ErrEmptied) {
			t.Error(err)
		}
	})
}

// TestTrashFaults lets each call of the store fail in turn while a dump is removed, restored, removed
// and deleted. After each failure the document must be in the corpus or in the trash as it was, and
// the same call must complete the work.
func TestTrashFaults(t *testing.T) {
	faults := []mem.Fault{{Kind: store.ErrUnavailable}, {Kind: store.ErrUnavailable, AfterApply: true}, {Kind: store.ErrNotExist}}
	storetest.Faults(t, faults, func(t *testing.T, arm func(*mem.Faulty)) {
		synctest.Test(t, func(t *testing.T) {
			s := planted()
			c := open(t, s)
			arm(s.Faulty)
			id := ids[0]
			// again repeats a call that failed.
			again := func(what string, call func() error) {
				err := call()
				if err == nil {
					return
				}
				if store.Kind(err) == nil && !errors.Is(err, ErrEmptied) && !errors.Is(err, ErrThere) {
					t.Errorf("%s: an error of no kind: %v", what, err)
				}
				s.Heal()
				if what != "empty" {
					kept(t, s, id)
				}
				if err := call(); err != nil {
					t.Errorf("%s again: %v", what, err)
				}
			}
			remove := func() error {
				_, err := Remove(t.Context(), c, id)
				if _, there := s.Data(key(id, corpus.InfoName)); errors.Is(err, store.ErrNotExist) && !there {
					err = nil // the first try did it
				}
				return err
			}
			entry := func() (*Entry, error) {
				all, err := List(t.Context(), c)
				if err == nil && len(all) != 1 {
					err = &store.Error{Op: "list", Kind: store.ErrNotExist}
				}
				if err != nil {
					return nil, err
				}
				return all[0], nil
			}
			var e *Entry
			find := func() (err error) {
				e, err = entry()
				return err
			}
			again("rm", remove)
			kept(t, s, id)
			again("ls", find)
			again("restore", func() error { return Restore(t.Context(), c, e) })
			kept(t, s, id)
			if !has(t, c, id) {
				t.Error("it is not restored")
			}
			again("rm", remove)
			again("ls", find)
			again("empty", func() error { return ignoreDone(Empty(t.Context(), c, e)) })
			for _, other := range ids[1:] {
				if got, _ := s.Data(key(other, "core.x")); len(got) != 400 {
					t.Error("another dump is gone")
				}
			}
		})
	})
}

func ignoreDone(_ int64, err error) error { return err }

// kept checks that the document of a dump is in the corpus or in the trash, and its data if so.
func kept(t *testing.T, s *mem.Store, id dump.ID) {
	t.Helper()
	got, _ := s.Data(key(id, corpus.InfoName))
	inCorpus := bytes.Equal(got, documentOf(id))
	inTrash := false
	for _, k := range s.Keys() {
		if data, _ := s.Data(k); strings.HasPrefix(k, Dir+"/"+id.String()) {
			e := Entry{}
			inTrash = inTrash || json.Unmarshal(data, &e) == nil && bytes.Equal(e.Document, documentOf(id))
		}
	}
	if !inCorpus && !inTrash {
		t.Error("the document is lost")
	}
	if data, _ := s.Data(key(id, "core.x")); inCorpus && len(data) != 400 {
		t.Error("the dump is lost")
	}
}
