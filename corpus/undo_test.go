package corpus

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"thothfs/corpus/history"
	"thothfs/dump/document"
	"thothfs/store"
	"thothfs/store/mem"
)

// undoAll undoes edits and returns the number of changes for each outcome.
func undoAll(t testing.TB, c *Corpus, edits []*history.Edit) map[document.Outcome]int {
	t.Helper()
	counts := map[document.Outcome]int{}
	edits = slices.DeleteFunc(slices.Clone(edits), (*history.Edit).IsUndo)
	targets, byTarget := UndoTargets(edits)
	for _, target := range targets {
		all, err := c.Undo(WithHow(t.Context(), history.UndoHow), target, byTarget[target], false)
		if err != nil {
			t.Errorf("%s: %v", target, err)
		}
		for _, u := range all {
			counts[u.Outcome]++
		}
	}
	return counts
}

// TestUndo checks that replaced values and analyzers are restored byte for byte, however large they
// are.
func TestUndo(t *testing.T) {
	s := mem.New()
	long := strings.Repeat("long ", 64<<10)
	doc := "{\n\t\"cmd\": \"x\",\n\t\"properties\": {\n\t\t\"a\": 1.50,\n\t\t\"odd\": \"\xff\",\n\t\t\"long\": \"" + long + "\",\n\t\t\"o\": {\n\t\t\t\"a.b\": [ 1 ]\n\t\t}\n\t},\n\t\"ticket\": 17\n}\n"
	s.Set(infoKey(ident(0)), []byte(doc))
	s.Set(AnalyzersDir+"/small", []byte("echo \xff\n"))
	s.Set(AnalyzersDir+"/large", []byte(long))
	s.Set(AnalyzersDir+"/empty", nil)
	c := recording(t, s, "set")
	for _, e := range []document.Edit{document.Unset("properties.a"), document.Unset("properties.odd"), document.Unset("properties.long"), document.Unset("properties.o"),
		document.Unset("ticket"), document.Set("properties.new.x", "1"), document.Set("properties.new.x", long)} {
		edit(t, c, e)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.RenameAnalyzer(t.Context(), "small", "large"))
	must(c.RemoveAnalyzer(t.Context(), "large"))
	must(c.RemoveAnalyzer(t.Context(), "empty"))
	must(c.PutAnalyzer(t.Context(), "fresh", []byte(long)))
	if n := len(analyzerNames(t, c)); n != 1 {
		t.Fatalf("%d analyzers", n)
	}
	edits := editsSince(t, c, time.UnixMilli(0))
	check := func(who string) {
		t.Helper()
		if raw, _ := s.Data(infoKey(ident(0))); string(raw) != doc {
			t.Errorf("%s: %d bytes, not %d", who, len(raw), len(doc))
		}
		if names := analyzerNames(t, c); !slices.Equal(names, []string{"empty", "large", "small"}) || analyzer(s, "small") != "echo \xff\n" || analyzer(s, "large") != long || analyzer(s, "empty") != "" {
			t.Errorf("%s: %q", who, names)
		}
	}
	// First a dry run, then the undo, then the same again.
	targets, byTarget := UndoTargets(edits)
	for _, target := range targets {
		if _, err := c.Undo(t.Context(), target, byTarget[target], true); err != nil {
			t.Error(err)
		}
	}
	if n := len(analyzerNames(t, c)); n != 1 || len(stored(t, s).String("ticket")) != 0 {
		t.Errorf("a dry run changed something")
	}
	if counts := undoAll(t, c, edits); counts[document.Differs] != 0 {
		t.Error(counts)
	}
	check("undone")
	puts := s.Calls(mem.Put)
	if counts := undoAll(t, c, editsSince(t, c, time.UnixMilli(0))); counts[document.Differs] != 0 || counts[document.Reverted] != 0 && s.Calls(mem.Put) != puts {
		t.Errorf("again: %v, %d puts", counts, s.Calls(mem.Put)-puts)
	}
	check("again")
	// An undo is an edit and can itself be undone.
	var undos []*history.Edit
	for _, e := range editsSince(t, c, time.UnixMilli(0)) {
		if e.IsUndo() && e.Dump == ident(0) {
			undos = append(undos, e)
		}
	}
	if len(undos) != 1 {
		t.Fatalf("%d undos of one dump", len(undos))
	}
	if _, err := c.Undo(t.Context(), UndoTarget{Dump: ident(0)}, undos, false); err != nil {
		t.Fatal(err)
	}
	raw, _ := s.Data(infoKey(ident(0)))
	if d := document.Parse(raw); d.String("ticket") != "" || d.String("properties.new.x") != long || d.String("properties.a") != "" {
		t.Errorf("%d bytes", len(raw))
	}
}

// TestUndoLeavesLaterEdits checks that values that others changed later are left alone and
// reported.
func TestUndoLeavesLaterEdits(t *testing.T) {
	s := mem.New()
	s.Set(infoKey(ident(0)), info(ident(0), "x", "", 1))
	c := recording(t, s, "set")
	edit(t, c, document.Set("ticket", "A"), document.Set("properties.a", "x"))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.PutAnalyzer(t.Context(), "one", []byte("1")))
	edits := editsSince(t, c, time.UnixMilli(0))
	foreign(t, s, document.Set("ticket", "B"))
	s.Set(AnalyzersDir+"/one", []byte("2"))
	if counts := undoAll(t, c, edits); counts[document.Differs] != 2 || counts[document.Reverted] != 1 {
		t.Error(counts)
	}
	if d := stored(t, s); d.String("ticket") != "B" || d.String("properties.a") != "" || analyzer(s, "one") != "2" {
		t.Errorf("%s, %s", d.Raw(), analyzer(s, "one"))
	}
	s.Delete(ident(0).String())
	if _, err := c.Undo(t.Context(), UndoTarget{Dump: ident(0)}, edits[1:], false); !errors.Is(err, store.ErrNotExist) {
		t.Error(err)
	}
}

// TestUndoWhileOthersEdit checks that nothing is lost if mounts continue editing while earlier
// edits are undone.
func TestUndoWhileOthersEdit(t *testing.T) {
	const dumps, edits = 4, 20
	for name, opener := range openers {
		t.Run(name, func(t *testing.T) {
			another := opener(t)
			s := another()
			for i := range dumps {
				raw := info(ident(i), "x", "", 1)
				if _, err := s.Put(t.Context(), store.Ref{Key: infoKey(ident(i))}, bytes.NewReader(raw), int64(len(raw))); err != nil {
					t.Fatal(err)
				}
			}
			undoer := recording(t, store.Retry(another(), store.RetryOptions{}), "set")
			for i := range dumps {
				for j := range edits {
					if _, err := undoer.Edit(t.Context(), ident(i), document.Set(fmt.Sprintf("properties.old%d", j), "x")); err != nil {
						t.Fatal(err)
					}
				}
			}
			past := editsSince(t, undoer, time.UnixMilli(0))
			if len(past) != dumps*edits {
				t.Fatalf("%d edits", len(past))
			}
			var wg sync.WaitGroup
			for m := range 2 {
				c := recording(t, store.Retry(another(), store.RetryOptions{}), "mount")
				wg.Go(func() {
					for j := range edits {
						if _, err := c.Edit(t.Context(), ident(j%dumps), document.Set(fmt.Sprintf("properties.new%d.e%d", m, j), "done")); err != nil {
							t.Error(err)
						}
					}
				})
			}
			for _, e := range past { // one at a time, so that they conflict
				if n := undoAll(t, undoer, []*history.Edit{e}); n[document.Reverted] != 1 {
					t.Errorf("%s: %v", e.ID, n)
				}
			}
			wg.Wait()
			lost, left := 0, 0
			for i := range dumps {
				raw, _, err := s.Get(t.Context(), store.Ref{Key: infoKey(ident(i))}, maxInfo)
				if err != nil {
					t.Fatal(err)
				}
				d := document.Parse(raw)
				for j := range edits {
					if d.String(fmt.Sprintf("properties.old%d", j)) != "" {
						left++
					}
					for m := range 2 {
						if j%dumps == i && d.String(fmt.Sprintf("properties.new%d.e%d", m, j)) != "done" {
							lost++
						}
					}
				}
			}
			if lost > 0 || left > 0 {
				t.Errorf("%d edits are lost, and %d are left", lost, left)
			}
		})
	}
}

// TestUndoIsBounded checks that Undo reads no more changes than its budget allows, latest first,
// and returns an error.
func TestUndoIsBounded(t *testing.T) {
	s := mem.New()
	s.Set(infoKey(ident(0)), info(ident(0), "x", "", 1))
	c := recording(t, s, "set")
	long := strings.Repeat("x", 100<<10)
	for i := range 4 {
		edit(t, c, document.Set("properties.a", long+fmt.Sprint(i)))
	}
	edits := editsSince(t, c, time.UnixMilli(0))
	all, err := c.undoable(t.Context(), edits, 150<<10)
	if len(all) != 3 || !errors.Is(err, errUndoTooMuch) { // two large ones, and the first, which is small
		t.Errorf("%d changes, %v", len(all), err)
	}
}
