package corpus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/corpus/history"
	"thothfs/dump/document"
	"thothfs/store"
	"thothfs/store/dir"
	"thothfs/store/mem"
)

// recording opens a corpus whose edits are recorded in the history.
func recording(t *testing.T, s store.Store, how string) *Corpus {
	o := options(t, s)
	o.Changes, o.By, o.With, o.How = true, "jane@host", "thothfs 1", how
	return open(t, o)
}

// editsSince returns the edits since a time.
func editsSince(t testing.TB, c *Corpus, since time.Time) (edits []*history.Edit) {
	t.Helper()
	for e, err := range c.History(t.Context(), since) {
		if err != nil {
			t.Fatal(err)
		}
		edits = append(edits, e)
	}
	return edits
}

func TestHistory(t *testing.T) {
	s := mem.New()
	s.Set(infoKey(ident(0)), info(ident(0), "x", "", 1))
	c := recording(t, s, "set")
	edit(t, c, document.Set("ticket", "OS-1"), document.Set("properties.a", "1.50"))
	edit(t, c, document.Set("ticket", "OS-1")) // already set
	if _, err := c.Edit(WithHow(t.Context(), "mount: unlink properties/a"), ident(0), document.Unset("properties.a")); err != nil {
		t.Fatal(err)
	}
	edits := editsSince(t, c, time.Time{}.Add(time.Hour))
	if len(edits) != 2 {
		t.Fatalf("%d edits", len(edits))
	}
	rm, set := edits[0], edits[1]
	if set.By != "jane@host" || set.With != "thothfs 1" || set.How != "set" || set.Dump != ident(0) || len(set.Changes) != 2 {
		t.Errorf("%+v", set)
	}
	if ch := set.Changes[0]; ch.Path() != "ticket" || ch.Old.Is || string(ch.New.Text) != `"OS-1"` {
		t.Errorf("%+v", ch)
	}
	if ch := rm.Changes[0]; rm.How != "mount: unlink properties/a" || ch.Path() != "properties.a" || string(ch.Old.Text) != "1.50" || ch.New.Is {
		t.Errorf("%+v", rm)
	}
	if edits := editsSince(t, c, rm.Time.Add(time.Millisecond)); len(edits) != 0 {
		t.Errorf("%d edits since the last", len(edits))
	}
}

// TestHistoryIsStoredByTheTimeOfTheAnswer checks that an edit returns only after its record is in
// the history, and that both are stored concurrently.
func TestHistoryIsStoredByTheTimeOfTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		s.Set(infoKey(ident(0)), info(ident(0), "x", "", 1))
		c := recording(t, s, "set")
		sync1(t, c)
		s.Inject(mem.Fault{Times: mem.Always, Delay: time.Second})
		for i := range 3 {
			began := time.Now()
			edit(t, c, document.Set("properties.a", fmt.Sprint(i)))
			keys := slices.DeleteFunc(s.Keys(), func(key string) bool { return !strings.HasPrefix(key, ".thothfs/history/edits/") })
			if took := time.Since(began); took != time.Second || len(keys) != i+1 {
				t.Errorf("%v, %d records", took, len(keys))
			}
		}
	})
}

// TestHistoryRefused checks that a store that does not accept records costs one request and does
// not fail the edits.
func TestHistoryRefused(t *testing.T) {
	s := mem.New()
	s.Set(infoKey(ident(0)), info(ident(0), "x", "", 1))
	r := &historyless{Store: s}
	c := recording(t, r, "set")
	for i := range 3 {
		edit(t, c, document.Set("properties.a", fmt.Sprint(i)))
	}
	if r.puts != 1 || len(editsSince(t, c, time.UnixMilli(0))) != 0 {
		t.Errorf("%d tries", r.puts)
	}
}

type historyless struct {
	*mem.Store
	puts int
}

func (s *historyless) Put(ctx context.Context, old store.Ref, src io.ReaderAt, size int64) (store.Attr, error) {
	if strings.HasPrefix(old.Key, ".thothfs/history/") {
		s.puts++
		return store.Attr{}, &store.Error{Op: "put", Key: old.Key, Kind: store.ErrPermission}
	}
	return s.Store.Put(ctx, old, src, size)
}

// TestHistoryOfContendedEdits checks that an edit that had conflicts has a single record, and that
// an edit that is refused in the end has none.
func TestHistoryOfContendedEdits(t *testing.T) {
	s := mem.New()
	s.Set(infoKey(ident(0)), info(ident(0), "x", "", 1))
	c := recording(t, s, "set")
	sync1(t, c)
	n := 0
	s.Inject(mem.Fault{Op: mem.Put, Key: infoKey(ident(0)), Times: 3, Before: func() {
		n++
		foreign(t, s, document.Set("properties.theirs", fmt.Sprint(n)))
	}})
	edit(t, c, document.Set("ticket", "OS-1"))
	if edits := editsSince(t, c, time.UnixMilli(0)); len(edits) != 1 || len(edits[0].Changes) != 1 {
		t.Errorf("%d edits, %+v", len(edits), edits)
	}
	s.Inject(mem.Fault{Op: mem.Put, Key: infoKey(ident(0)), Before: func() { foreign(t, s, document.Set("properties.b", "1")) }})
	if _, err := c.Edit(t.Context(), ident(0), document.Edit{Path: "properties.b", Value: []byte("2"), If: document.IfAbsent}); !errors.Is(err, document.ErrPresent) {
		t.Fatal(err)
	}
	c.recorder.Close()
	if edits := editsSince(t, c, time.UnixMilli(0)); len(edits) != 1 {
		t.Errorf("%d edits", len(edits))
	}
}

// TestHistoryKilled checks that everything acknowledged before kill -9 is in the history.
func TestHistoryKilled(t *testing.T) {
	root := t.TempDir()
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	plant(t, s)
	before := storedDocument(t, s)
	seen := 0
	for i := range 3 {
		victim := startEditor(t, root, t.TempDir(), fmt.Sprintf("victim%d", i), 1000)
		victim.follow(10 + 7*i)
		if err := victim.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		victim.follow(1000)
		_ = victim.cmd.Wait()
		seen += victim.seen
	}
	c := recording(t, s, "set")
	edits := editsSince(t, c, time.UnixMilli(0))
	if len(edits) < seen || len(edits) > seen+3 {
		t.Errorf("%d edits, and %d were acknowledged", len(edits), seen)
	}
	// One edit may have been stored without its record if neither was acknowledged.
	undoAll(t, c, edits)
	left := 0
	storedDocument(t, s).Walk(func(path string, _ document.Value) bool {
		if strings.HasPrefix(path, "properties.") {
			left++
		}
		return true
	})
	if left > 3 || storedDocument(t, s).String("cmd") != before.String("cmd") {
		t.Errorf("%d edits are left of %d", left, seen)
	}
}

// TestHistoryOfAnEditThatOthersMade checks that an edit that another client made first is recorded
// as theirs, unless it may have been ours after all.
func TestHistoryOfAnEditThatOthersMade(t *testing.T) {
	for _, retried := range []bool{false, true} {
		t.Run(fmt.Sprint("retried ", retried), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := mem.New()
				s.Set(infoKey(ident(0)), info(ident(0), "x", "", 1))
				c := recording(t, store.Retry(s, store.RetryOptions{}), "set")
				sync1(t, c)
				if retried { // ours was stored, the response was lost, and another client built on it
					s.Inject(mem.Fault{Op: mem.Put, Key: infoKey(ident(0)), Kind: store.ErrUnavailable, AfterApply: true})
					s.Inject(mem.Fault{Op: mem.Stat, Key: infoKey(ident(0)), Before: func() { foreign(t, s, document.Set("properties.theirs", "x")) }})
				} else {
					s.Inject(mem.Fault{Op: mem.Put, Key: infoKey(ident(0)), Before: func() { foreign(t, s, document.Set("ticket", "OS-1")) }})
				}
				edit(t, c, document.Set("ticket", "OS-1"))
				edits := editsSince(t, c, time.UnixMilli(0))
				if want := map[bool]int{true: 1}[retried]; len(edits) != want {
					t.Fatalf("%d edits, want %d", len(edits), want)
				}
				if undoAll(t, c, edits); (stored(t, s).String("ticket") == "") != retried {
					t.Errorf("%s", stored(t, s).Raw())
				}
			})
		})
	}
}
