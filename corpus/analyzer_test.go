package corpus

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/store"
	"thothfs/store/mem"
	"thothfs/store/storetest"
)

func analyzerNames(t testing.TB, c *Corpus) (names []string) {
	t.Helper()
	entries, err := c.Analyzers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names
}

func analyzer(s *mem.Store, name string) string {
	data, ok := s.Data(AnalyzersDir + "/" + name)
	if !ok {
		return "absent"
	}
	return string(data)
}

func TestAnalyzers(t *testing.T) {
	s := mem.New()
	o := options(t, s)
	c, other := open(t, o), open(t, o) // processes that share a catalogue
	check := func(want ...string) {
		t.Helper()
		for _, c := range []*Corpus{c, other} {
			if got := analyzerNames(t, c); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check()
	must(c.PutAnalyzer(t.Context(), "fmri", []byte("one")))
	check("fmri")
	s.Set(AnalyzersDir+"/fmri", []byte("somebody else's")) // we have not seen this version
	must(c.PutAnalyzer(t.Context(), "fmri", []byte("two")))
	must(c.PutAnalyzer(t.Context(), ".fmri.swp", nil))
	check(".fmri.swp", "fmri")
	must(c.RenameAnalyzer(t.Context(), "fmri", "new name"))
	check(".fmri.swp", "new name")
	must(c.RenameAnalyzer(t.Context(), "new name", ".fmri.swp")) // as editors do when they save
	must(c.RenameAnalyzer(t.Context(), ".fmri.swp", ".fmri.swp"))
	check(".fmri.swp")
	if got := analyzer(s, ".fmri.swp"); got != "two" {
		t.Errorf("it holds %q", got)
	}
	must(c.RemoveAnalyzer(t.Context(), ".fmri.swp"))
	check()
	for _, err := range []error{
		c.RemoveAnalyzer(t.Context(), ".fmri.swp"),
		c.RenameAnalyzer(t.Context(), "fmri", "fmri"),
		c.RenameAnalyzer(t.Context(), "fmri", "x"),
	} {
		if !errors.Is(err, store.ErrNotExist) {
			t.Error(err)
		}
	}
}

func TestAnalyzerRefuses(t *testing.T) {
	s := mem.New()
	c := open(t, options(t, s))
	s.Set(AnalyzersDir+"/dir/x", nil)
	for _, name := range []string{"", ".", "..", "a/b", "../x", "a\x00", "a\nb", "a\x1b[2J", "\xff", strings.Repeat("x", 256), "dir"} {
		for _, err := range []error{
			c.PutAnalyzer(t.Context(), name, []byte("x")), c.RemoveAnalyzer(t.Context(), name),
			c.RenameAnalyzer(t.Context(), name, "x"), c.RenameAnalyzer(t.Context(), "x", name),
		} {
			if !errors.Is(err, store.ErrInvalid) && !errors.Is(err, store.ErrNotExist) {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	if err := c.PutAnalyzer(t.Context(), "x", make([]byte, MaxAnalyzer+1)); !errors.Is(err, store.ErrTooLarge) {
		t.Error(err)
	}
	if keys := s.Keys(); len(keys) != 1 {
		t.Error(keys)
	}
}

// TestAnalyzerContended checks that the last PutAnalyzer wins and that no caller gets a conflict.
func TestAnalyzerContended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		var wg sync.WaitGroup
		for range 4 {
			c := open(t, options(t, s))
			wg.Go(func() {
				for range 10 {
					if err := c.PutAnalyzer(t.Context(), "x", []byte("the same")); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		c := open(t, options(t, s))
		s.Inject(mem.Fault{Op: mem.Put, Times: 3, Before: func() { s.Set(AnalyzersDir+"/x", []byte("theirs")) }})
		if err := c.PutAnalyzer(t.Context(), "x", []byte("ours")); err != nil || analyzer(s, "x") != "ours" {
			t.Error(err, analyzer(s, "x"))
		}
		s.Inject(mem.Fault{Op: mem.Remove, Before: func() { s.Set(AnalyzersDir+"/x", []byte("newer")) }})
		if err := c.RenameAnalyzer(t.Context(), "x", "y"); err != nil || analyzer(s, "x") != "absent" || analyzer(s, "y") != "newer" {
			t.Error(err, analyzer(s, "x"), analyzer(s, "y"))
		}
	})
}

// TestAnalyzerFaults makes each call of the store fail in turn. The analyzer must be whole under
// its old or its new name, and the next attempt must succeed.
func TestAnalyzerFaults(t *testing.T) {
	for _, retry := range []bool{false, true} {
		storetest.Faults(t, storetest.AllFaults(), func(t *testing.T, arm func(*mem.Faulty)) {
			synctest.Test(t, func(t *testing.T) { changeTwice(t, retry, arm) })
		})
	}
}

func changeTwice(t *testing.T, retry bool, arm func(*mem.Faulty)) {
	s := mem.New()
	o := options(t, s)
	if retry {
		o.Store = store.Retry(s, store.RetryOptions{})
	}
	c := open(t, o)
	arm(s.Faulty)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	put := c.PutAnalyzer(ctx, "a", []byte("text"))
	if put == nil && analyzer(s, "a") != "text" {
		t.Error("acknowledged and lost")
	}
	moved := c.RenameAnalyzer(ctx, "a", "b")
	if moved == nil && analyzer(s, "b") != "text" || put == nil && analyzer(s, "a") == "absent" && analyzer(s, "b") != "text" {
		t.Error("moved and lost")
	}
	s.Heal()
	ctx = t.Context()
	if err := c.PutAnalyzer(ctx, "a", []byte("text")); err != nil {
		t.Fatal(err)
	}
	if err := c.RenameAnalyzer(ctx, "a", "b"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute) // after a failure the store is not used for a short time
	if names := analyzerNames(t, c); !slices.Equal(names, []string{"b"}) || analyzer(s, "b") != "text" {
		t.Error(names, analyzer(s, "b"))
	}
}
