package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/query"
	"thothfs/store"
	"thothfs/store/mem"
)

// slow delays every listing and every read of a document.
func slow(s *mem.Store, list, get time.Duration) {
	s.Inject(mem.Fault{Op: mem.List, Delay: list, Times: mem.Always})
	s.Inject(mem.Fault{Op: mem.Get, Delay: get, Times: mem.Always})
}

// TestWhole checks that Whole returns when the whole corpus is known, whatever reads it.
func TestWhole(t *testing.T) {
	for _, run := range []bool{false, true} {
		t.Run(fmt.Sprint("run ", run), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := mem.New()
				seed(s, 500)
				slow(s, 3*time.Second, 5*time.Second)
				c := open(t, options(t, s))
				if run {
					running(t, c)
				}
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						if err := c.Whole(t.Context()); err != nil {
							t.Error(err)
						}
						wantCount(t, c, "", 500)
					})
				}
				wg.Wait()
				if n := s.Calls(mem.Get); n != 500 {
					t.Errorf("%d documents read", n)
				}
				if !c.IsWhole() || c.Whole(t.Context()) != nil {
					t.Error("not whole")
				}
			})
		})
	}
}

// TestWholeInterrupted checks that an interrupted Whole keeps what was read.
func TestWholeInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 500)
		slow(s, 3*time.Second, 5*time.Second)
		o := options(t, s)
		for i, after := range []time.Duration{time.Second, 10 * time.Second, 30 * time.Second} {
			c, err := Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), after)
			if err := c.Whole(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%d: %v", i, err)
			}
			cancel()
			if c.IsWhole() {
				t.Errorf("%d: whole", i)
			}
			c.Close()
		}
		c := open(t, o)
		if len(selected(t, c, "")) == 0 {
			t.Error("nothing was kept")
		}
		if err := c.Whole(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantCount(t, c, "", 500)
	})
}

// TestWholeFails checks that a store that fails before the corpus is known causes an error, not an
// empty corpus, and that the next call reads the corpus again.
func TestWholeFails(t *testing.T) {
	for _, op := range []string{mem.Stat, mem.List, mem.Get} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := mem.New()
				seed(s, 200)
				c := open(t, options(t, s))
				s.Inject(mem.Fault{Op: op, Kind: store.ErrUnavailable, Times: mem.Always})
				for range 3 {
					if err := c.Whole(t.Context()); !errors.Is(err, store.ErrUnavailable) {
						t.Fatal(err)
					}
				}
				s.Heal()
				time.Sleep(unavailablePause)
				if err := c.Whole(t.Context()); err != nil {
					t.Fatal(err)
				}
				wantCount(t, c, "", 200)
			})
		})
	}
}

// TestWholeOfASilentStore checks that Whole gives up after a minute if the store does not respond.
func TestWholeOfASilentStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 5)
		s.Inject(mem.Fault{Block: make(chan struct{}), Times: mem.Always})
		o := options(t, s)
		c := open(t, o)
		began := time.Now()
		if err := c.Whole(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Error(err)
		}
		if took := time.Since(began); took < wholeTimeout || took > 2*wholeTimeout {
			t.Errorf("took %s", took)
		}
		s.Heal()
		sync1(t, c)
		again := open(t, o) // the catalogue exists
		s.Inject(mem.Fault{Block: make(chan struct{}), Times: mem.Always})
		began = time.Now()
		if err := again.Whole(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 2*wholeStaleAfter {
			t.Errorf("took %s though the corpus is known", took)
		}
		wantCount(t, again, "", 5)
	})
}

// TestWholeIsOfNow checks that Whole first updates an old catalogue, or one from a snapshot, as
// long as the store responds. If the store does not, the old catalogue is good enough.
func TestWholeIsOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 100)
		o := options(t, s)
		c := open(t, o)
		sync1(t, c)
		if _, err := c.Publish(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		for i := range 300 {
			s.Set(infoKey(ident(1000+i)), info(ident(1000+i), "new", "", 1))
		}
		for name, o := range map[string]Options{"known": o, "published": options(t, s)} {
			s.Heal()
			slow(s, time.Second, time.Second)
			c := open(t, o)
			if err := c.Whole(t.Context()); err != nil {
				t.Error(name, err)
			}
			wantCount(t, c, "", 400)
		}
		s.Heal()
		s.Inject(mem.Fault{Kind: store.ErrUnavailable, Times: mem.Always})
		away := open(t, o)
		if err := away.Whole(t.Context()); err != nil {
			t.Error(err)
		}
		wantCount(t, away, "", 400)
	})
}

// TestWholeAfterDamage checks that a catalogue that is damaged while it is open is filled again
// before it is used.
func TestWholeAfterDamage(t *testing.T) {
	s := mem.New()
	seed(s, 300)
	c := open(t, options(t, s))
	sync1(t, c)
	for name, ask := range map[string]func() (int, error){
		"select":  func() (int, error) { rows, err := c.Select(t.Context(), parse(t, "cmd=cmd*")); return len(rows), err },
		"values":  func() (int, error) { v, err := c.Values(t.Context(), catalog.Cmd); return len(v) * 300 / 7, err },
		"count":   func() (int, error) { return c.Count(t.Context(), query.Spec{}) },
		"by text": func() (int, error) { n, err := c.CountBy(t.Context(), "node", query.Spec{}); return n["n1"], err },
	} {
		execSQL(t, c.cat.Path(), `DROP TABLE docs; DROP TABLE dumps`)
		if n, err := ask(); n != 300 || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}

// TestResolveBeforeTheCorpusIsKnown checks that Resolve asks the store about a prefix that is not
// in the catalogue yet.
func TestResolveBeforeTheCorpusIsKnown(t *testing.T) {
	s := mem.New()
	same := func(last byte) (id dump.ID) { id[0], id[15] = 0xab, last; return id }
	for _, id := range []dump.ID{same(1), same(2), ident(1)} {
		s.Set(infoKey(id), info(id, "x", "", 1))
	}
	unfinished := ident(2)
	s.Set(unfinished.String()+"/core", nil)
	c := open(t, options(t, s))
	for prefix, want := range map[string]error{ident(1).String(): nil, ident(1).String()[:8]: nil, "ab": ErrAmbiguous, same(2).String(): nil,
		unfinished.String()[:6]: store.ErrNotExist, unfinished.String(): store.ErrNotExist, "ac": store.ErrNotExist} {
		if _, err := c.Resolve(t.Context(), prefix); !errorsIs(err, want) {
			t.Errorf("%s: %v, want %v", prefix, err, want)
		}
	}
	s.Inject(mem.Fault{Kind: store.ErrUnavailable, Times: mem.Always})
	if _, err := c.Resolve(t.Context(), "ac"); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
}

// TestWholeButForOneDocument checks that a document that cannot be read, while others can, does not
// block Whole.
func TestWholeButForOneDocument(t *testing.T) {
	s := mem.New()
	seed(s, 50)
	s.Inject(mem.Fault{Op: mem.Get, Key: infoKey(ident(5)), Kind: store.ErrUnavailable, Times: mem.Always})
	c := open(t, options(t, s))
	if err := c.Whole(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantCount(t, c, "", 49)
	if n := c.Missing(); n != 1 {
		t.Errorf("%d are said to be missing", n)
	}
	s.Heal()
	sync1(t, c)
	if wantCount(t, c, "", 50); c.Missing() != 0 {
		t.Error(c.Missing())
	}
}

// TestEmptiedCorpus checks that an empty directory, as when nothing is mounted there, does not
// count as a corpus whose dumps were removed.
func TestEmptiedCorpus(t *testing.T) {
	s := mem.New()
	seed(s, 5)
	c := open(t, options(t, s))
	sync1(t, c)
	for i := range 5 {
		s.Delete(ident(i).String())
	}
	if err := c.Sync(t.Context(), nil); !errors.Is(err, store.ErrUnavailable) {
		t.Error(err)
	}
	wantCount(t, c, "", 5)
	s.Set("analyzers/x", nil)
	sync1(t, c)
	wantCount(t, c, "", 0)
}

// TestWholeWithAHashOfZeros checks that a directory whose name is a hash of zeros is read like any
// other.
func TestWholeWithAHashOfZeros(t *testing.T) {
	s := mem.New()
	seed(s, 3)
	raw := []byte(`{"type":"core"}`)
	if _, err := s.Put(t.Context(), store.Ref{Key: infoKey(dump.ID{})}, bytes.NewReader(raw), int64(len(raw))); err != nil {
		t.Fatal(err)
	}
	c := open(t, options(t, s))
	if err := c.Whole(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantCount(t, c, "", 4)
}
