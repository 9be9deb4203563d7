package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/corpus/catalog"
	"thothfs/dump/document"
	"thothfs/store"
	"thothfs/store/dir"
	"thothfs/store/manta"
	"thothfs/store/manta/mantatest"
	"thothfs/store/mem"
)

// openers contains a function for each store that several clients can open concurrently. Each call
// of the function that it returns opens the same corpus again.
var openers = map[string]func(t *testing.T) func() store.Store{
	"dir": func(t *testing.T) func() store.Store {
		root := t.TempDir()
		return func() store.Store {
			s, err := dir.Open(root)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		}
	},
	"manta": func(t *testing.T) func() store.Store {
		srv := mantatest.Start(t, mantatest.Options{})
		return func() store.Store { return openManta(t, srv) }
	},
}

func openManta(t *testing.T, srv *mantatest.Server) *manta.Store {
	s, err := manta.Open(manta.Options{URL: srv.URL, Owner: "alice", NoAuth: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// plant stores the document of ident(0).
func plant(t testing.TB, s store.Store) {
	t.Helper()
	raw := info(ident(0), "x", "", 1)
	if _, err := s.Put(t.Context(), store.Ref{Key: infoKey(ident(0))}, bytes.NewReader(raw), int64(len(raw))); err != nil {
		t.Fatal(err)
	}
}

func storedDocument(t testing.TB, s store.Store) *document.Document {
	t.Helper()
	raw, _, err := s.Get(t.Context(), store.Ref{Key: infoKey(ident(0))}, maxInfo)
	if err != nil {
		t.Fatal(err)
	}
	d := document.Parse(raw)
	if d.Damage() != "" {
		t.Fatalf("%s: %s", d.Damage(), raw)
	}
	return d
}

// TestEditsAreNeverLost edits one dump with many concurrent clients, each with its own catalogue.
func TestEditsAreNeverLost(t *testing.T) {
	const clients, edits = 8, 100
	for name, opener := range openers {
		t.Run(name, func(t *testing.T) {
			another := opener(t)
			plant(t, another())
			var all []*Corpus
			for range clients {
				c := open(t, options(t, store.Retry(another(), store.RetryOptions{})))
				sync1(t, c)
				all = append(all, c)
			}
			var wg sync.WaitGroup
			for i, c := range all {
				wg.Go(func() {
					for j := range edits {
						if _, err := c.Edit(t.Context(), ident(0), document.Set(fmt.Sprintf("properties.c%d.e%d", i, j), "done")); err != nil {
							t.Errorf("client %d, edit %d: %v", i, j, err)
						}
					}
				})
			}
			wg.Wait()
			d := storedDocument(t, another())
			for i := range clients {
				for j := range edits {
					if d.String(fmt.Sprintf("properties.c%d.e%d", i, j)) != "done" {
						t.Errorf("client %d, edit %d: lost", i, j)
					}
				}
			}
			if d.String("cmd") != "x" {
				t.Errorf("%s", d.Raw())
			}
		})
	}
}

// TestEditsOfOneProcess checks that edits by the goroutines of one process are made one after the
// other, without conflicts.
func TestEditsOfOneProcess(t *testing.T) {
	s := mem.New()
	c := corpusOfOne(t, s, s)
	puts := s.Calls(mem.Put)
	const edits = 200
	var wg sync.WaitGroup
	for i := range edits {
		wg.Go(func() { edit1(t, c, fmt.Sprintf("properties.e%d", i)) })
	}
	wg.Wait()
	doc := stored(t, s)
	for i := range edits {
		if path := fmt.Sprintf("properties.e%d", i); doc.String(path) != "done" {
			t.Errorf("%s is lost", path)
		}
	}
	if n := s.Calls(mem.Put) - puts; n != edits {
		t.Errorf("%d puts", n)
	}
}

func edit1(t testing.TB, c *Corpus, path string) {
	if _, err := c.Edit(t.Context(), ident(0), document.Set(path, "done")); err != nil {
		t.Error(err)
	}
}

// TestEditContended checks that an edit succeeds after a hundred conflicts, and fails if every
// attempt ends in a conflict.
func TestEditContended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		c := corpusOfOne(t, s, s)
		n := 0
		faster := mem.Fault{Op: mem.Put, Times: 100, Delay: 10 * time.Millisecond, Before: func() {
			n++
			foreign(t, s, document.Set(fmt.Sprintf("properties.theirs%d", n), "x"))
		}}
		s.Inject(faster)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Edit(ctx, ident(0), document.Set("ticket", "OS-1")); err != nil {
			t.Fatal(err)
		}
		if doc := stored(t, s); doc.String("ticket") != "OS-1" || doc.String("properties.theirs100") != "x" {
			t.Errorf("%s", doc.Raw())
		}
		faster.Times, faster.Delay = mem.Always, time.Second
		s.Inject(faster)
		if _, err := c.Edit(ctx, ident(0), document.Set("ticket", "OS-2")); !errors.Is(err, store.ErrConflict) {
			t.Error(err)
		}
		if _, err := c.Edit(t.Context(), ident(0), document.Set("ticket", "OS-2")); !errors.Is(err, store.ErrConflict) {
			t.Error(err)
		}
	})
}

// TestEditOutcomeUnknown breaks the connection after an edit was stored. Others edit the document
// before it is read back.
func TestEditOutcomeUnknown(t *testing.T) {
	for _, built := range []bool{false, true} {
		for name, e := range map[string]document.Edit{
			"set":              document.Set("properties.b", "ours"),
			"removed":          document.Unset("properties.a"),
			"removed if there": {Path: "properties.a", If: document.IfPresent},
		} {
			t.Run(fmt.Sprintf("%s, built on %v", name, built), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := mem.New()
					c := corpusOfOne(t, s, store.Retry(s, store.RetryOptions{}))
					edit(t, c, document.Set("properties.a", "old"))
					foreign(t, s, document.Set("properties.c", "x"))             // so that the fetched document is recent
					s.Inject(mem.Fault{Op: mem.Put, Kind: store.ErrUnavailable}) // for the first Put, which would fail anyway
					s.Inject(mem.Fault{Op: mem.Put, Nth: 2, Kind: store.ErrUnavailable, AfterApply: true})
					if built {
						s.Inject(mem.Fault{Op: mem.Stat, Nth: 2, Before: func() { foreign(t, s, document.Set("ticket", "THEIRS")) }})
					}
					edit(t, c, e)
					doc := stored(t, s)
					if doc.String("properties.c") != "x" || built && doc.String("ticket") != "THEIRS" || doc.String(e.Path) != strings.Trim(string(e.Value), `"`) {
						t.Errorf("%s", doc.Raw())
					}
				})
			})
		}
	}
}

// TestEditOutcomeUnknownToManta does the same over HTTP, where every third response to a PUT is
// lost.
func TestEditOutcomeUnknownToManta(t *testing.T) {
	srv := mantatest.Start(t, mantatest.Options{})
	s := openManta(t, srv)
	plant(t, s)
	c := open(t, options(t, store.Retry(s, store.RetryOptions{First: time.Millisecond})))
	const edits = 12
	for i := range edits {
		if i%3 == 0 {
			srv.Fault(mantatest.On{Method: http.MethodPut, Path: InfoName}, mantatest.ApplyThenCut())
		}
		edit(t, c, document.Set(fmt.Sprintf("properties.e%d", i), "done"))
	}
	d := storedDocument(t, s)
	for i := range edits {
		if d.String(fmt.Sprintf("properties.e%d", i)) != "done" {
			t.Errorf("edit %d is lost", i)
		}
	}
}

// lateStore delays the result of Get until it is released.
type lateStore struct {
	store.Store
	read    chan struct{} // closed after the read
	release chan struct{} // closed to release the result
	late    bool
}

func (s *lateStore) Get(ctx context.Context, known store.Ref, limit int64) ([]byte, store.Attr, error) {
	late := s.late
	s.late = false
	raw, attr, err := s.Store.Get(ctx, known, limit)
	if late {
		close(s.read)
		<-s.release
	}
	return raw, attr, err
}

// TestEditOutlivesALateLook checks that the result of a fetch that began before an edit and ends
// after it does not replace the edit in the catalogue.
func TestEditOutlivesALateLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		late := &lateStore{Store: s, read: make(chan struct{}), release: make(chan struct{})}
		c := corpusOfOne(t, s, late)
		foreign(t, s, document.Set("properties.a", "b"))
		time.Sleep(time.Minute)
		late.late = true
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Dump(t.Context(), ident(0)); err != nil {
				t.Error(err)
			}
		})
		<-late.read
		edit(t, c, document.Set("ticket", "OS-1"))
		close(late.release)
		wg.Wait()
		wantCount(t, c, "ticket=OS-1", 1)
		if d, err := c.Dump(t.Context(), ident(0)); err != nil || d.Text(catalog.Ticket) != "OS-1" {
			t.Errorf("%+v %v", d, err)
		}
	})
}

// TestEditGivesUp checks that canceling the context ends the wait for another edit of the dump.
func TestEditGivesUp(t *testing.T) {
	s := mem.New()
	c := corpusOfOne(t, s, s)
	release, held := make(chan struct{}), make(chan struct{})
	s.Inject(mem.Fault{Op: mem.Put, Block: release})
	var wg sync.WaitGroup
	wg.Go(func() { close(held); edit1(t, c, "properties.a") })
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Edit(ctx, ident(0), document.Set("properties.b", "x")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(release)
	wg.Wait()
	if doc := stored(t, s); doc.String("properties.a") != "done" || doc.String("properties.b") != "" {
		t.Errorf("%s", doc.Raw())
	}
}
