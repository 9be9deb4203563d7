package corpus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
	"thothfs/store/dir"
	"thothfs/store/mem"
	"thothfs/store/storetest"
	"time"
)

// recording opens a corpus whose edits are in the history.
func recording(t *testing.T, s store.Store, how string) *Corpus {
	o := options(t, s)
	o.Changes, o.By, o.With, o.How = true, "jane@host", "thothfs 1", how
	return open(t, o)
}

// history lists the edits since a time.
func history(t testing.TB, c *Corpus, since time.Time) (edits []*HistoryEdit) {
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
	edit(t, c, document.Set("ticket", "OS-1")) // is so already
	if _, err := c.Edit(WithHow(t.Context(), "mount: unlink properties/a"), ident(0), document.Unset("properties.a")); err != nil {
		t.Fatal(err)
	}
	edits := history(t, c, time.Time{}.Add(time.Hour))
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
	if edits := history(t, c, rm.Time.Add(time.Millisecond)); len(edits) != 0 {
		t.Errorf("%d edits since the last", len(edits))
	}
}

// An edit is not acknowledged before what it replaced is in the history, and waits for
// both at the same time.
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
			keys := slices.DeleteFunc(s.Keys(), func(key string) bool { return !strings.HasPrefix(key, historyDir+"/") })
			if took := time.Since(began); took != time.Second || len(keys) != i+1 {
				t.Errorf("%v, %d records", took, len(keys))
			}
		}
	})
}

// A store that takes no records costs a request, and no edit.
func TestHistoryRefused(t *testing.T) {
	s := mem.New()
	s.Set(infoKey(ident(0)), info(ident(0), "x", "", 1))
	r := &historyless{Store: s}
	c := recording(t, r, "set")
	for i := range 3 {
		edit(t, c, document.Set("properties.a", fmt.Sprint(i)))
	}
	if r.puts != 1 || len(history(t, c, time.UnixMilli(0))) != 0 {
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

// Of an edit that others get in the way of there is one record, and none of one that is
// refused in the end.
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
	if edits := history(t, c, time.UnixMilli(0)); len(edits) != 1 || edits[0].try != 4 || len(edits[0].Changes) != 1 {
		t.Errorf("%d edits, %+v", len(edits), edits)
	}
	s.Inject(mem.Fault{Op: mem.Put, Key: infoKey(ident(0)), Before: func() { foreign(t, s, document.Set("properties.b", "1")) }})
	if _, err := c.Edit(t.Context(), ident(0), document.Edit{Path: "properties.b", Value: []byte("2"), If: document.IfAbsent}); !errors.Is(err, document.ErrPresent) {
		t.Fatal(err)
	}
	c.history.writing.Wait()
	if edits := history(t, c, time.UnixMilli(0)); len(edits) != 1 {
		t.Errorf("%d edits", len(edits))
	}
}

// Records that others wrote cannot do more than edit tickets, properties and analyzers.
func TestHistoryHostile(t *testing.T) {
	s := mem.New()
	s.Set(infoKey(ident(0)), info(ident(0), "x", "", 1))
	c := recording(t, s, "set")
	edit(t, c, document.Set("ticket", "A"))
	good := history(t, c, time.UnixMilli(0))[0]
	line, _, err := good.encode()
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, lines ...string) {
		s.Set(historyDir+"/"+name, []byte(strings.Join(lines, "\n")))
	}
	now := time.Now().Add(time.Minute)
	name := func(i int) string { return now.UTC().Format(entryTime) + fmt.Sprintf("-%016x", i) }
	with := func(id, old, new string) string {
		return strings.Replace(strings.Replace(string(line), good.ID, id, 1), old, new, 1)
	}
	fresh := func() string { return newEditID(now.Add(-time.Second)) }
	put(name(1), "", "{", "null", "[]", `"x"`, `{"v":1}`, strings.Repeat("[", 1<<20),
		with(fresh(), `["ticket"]`, `["cmd"]`), with(fresh(), `["ticket"]`, `[]`), with(fresh(), `["ticket"]`, `["ticket","x"]`), with(fresh(), `["ticket"]`, `["analyzers","x"]`),
		with(fresh(), `"v":1`, `"v":2`), with("../../../etc/passwd0", "", ""), with(fresh(), `"how":"set"`, `"how":"`+strings.Repeat("x", 300)+`"`),
		with(fresh(), `{"text":"\"A\""}`, `{"text":"\"A"}`), with(fresh(), `{"text":"\"A\""}`, `{"text":"A","size":-5}`),
		with(newEditID(now.Add(time.Hour)), "", ""), with(fresh(), `"at":`, `"made":-1,"at":`), with(fresh(), ident(0).String(), "xyz"))
	put("a note", string(line))
	put(name(2), strings.Repeat("x", maxHistory+1))
	s.Set(historyDir+"/"+name(3)+"/dir", nil)
	s.Set(segmentsDir+"/"+name(4), []byte("no segment"))
	bomb, packed := packSegment([][]byte{bytes.Repeat([]byte("0"), maxSegmentText+1)})
	s.Set(segmentsDir+"/"+now.UTC().Format(entryTime)+"-"+bomb, packed)
	edits := history(t, c, time.UnixMilli(0))
	if len(edits) != 1 || edits[0].ID != good.ID {
		t.Errorf("%d edits: %+v", len(edits), edits)
	}
	// What is odd but has a form does no harm.
	put(name(5), with(fresh(), `"changes":`, `"ref":"00","changes":`))
	for _, e := range history(t, c, time.UnixMilli(0)) {
		if _, err := c.Undo(t.Context(), UndoTarget{Dump: ident(0)}, []*HistoryEdit{e}, false); e.ref != "" && !errors.Is(err, errNoChanges) {
			t.Error(err)
		}
	}
	if err := c.CompactHistory(t.Context(), time.Hour); err != nil {
		t.Error(err)
	}
	if edits := history(t, c, time.UnixMilli(0)); len(edits) < 2 || edits[len(edits)-1].ID != good.ID {
		t.Errorf("%d edits after compaction", len(edits))
	}
}

func TestHistoryRecordKeepsEveryByte(t *testing.T) {
	for _, text := range []string{"", "\xff\xfe", "<&>\u2028", `"\u00ff"`, "\x00\n\x1b"} {
		b, err := marshal(bytesJSON(text))
		var back bytesJSON
		if err != nil || json.Unmarshal(b, &back) != nil || string(back) != text {
			t.Errorf("%q: %s, %v, %q", text, b, err, back)
		}
	}
}

// Compacted, however often, by however many and killed wherever, the history is the same.
func TestHistoryCompacted(t *testing.T) {
	storetest.Faults(t, storetest.AllFaults(), func(t *testing.T, arm func(*mem.Faulty)) {
		synctest.Test(t, func(t *testing.T) {
			s := mem.New()
			seed(s, 3)
			c := recording(t, s, "set")
			for i := range 6 {
				time.Sleep(time.Minute)
				ticket(t, c, ident(i%3), fmt.Sprintf("T-%d", i))
				if i == 2 {
					if err := c.CompactHistory(t.Context(), time.Hour); err != nil {
						t.Fatal(err)
					}
				}
			}
			arm(s.Faulty)
			c.CompactHistory(t.Context(), time.Hour) // may fail
			s.Heal()
			time.Sleep(time.Minute)
			want := func(n int) {
				t.Helper()
				edits := history(t, c, time.UnixMilli(0))
				seen := map[string]bool{}
				for _, e := range edits {
					seen[e.ID] = true
				}
				if len(edits) != n || len(seen) != n || !slices.IsSortedFunc(edits, laterEdit) {
					t.Errorf("%d edits, %d of them different", len(edits), len(seen))
				}
			}
			want(6)
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					if err := c.CompactHistory(t.Context(), time.Hour); err != nil {
						t.Error(err)
					}
				})
			}
			want(6)
			wg.Wait()
			want(6)
			if err := c.CompactHistory(t.Context(), time.Hour); err != nil {
				t.Fatal(err)
			}
			keys := slices.DeleteFunc(s.Keys(), func(k string) bool { return !strings.HasPrefix(k, ".thothfs/history/") })
			if len(keys) != 1 {
				t.Errorf("%q", keys)
			}
			if err := c.CompactHistory(t.Context(), 4*time.Minute+30*time.Second); err != nil { // 2 to 7 minutes old
				t.Fatal(err)
			}
			ticket(t, c, ident(0), "T-7")
			if err := c.CompactHistory(t.Context(), 4*time.Minute+30*time.Second); err != nil {
				t.Fatal(err)
			}
			want(4 + 1)
			time.Sleep(time.Hour)
			if err := c.CompactHistory(t.Context(), time.Hour-time.Second); err != nil {
				t.Fatal(err)
			}
			want(0)
		})
	})
}

// What was acknowledged before kill -9 is in the history.
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
	edits := history(t, c, time.UnixMilli(0))
	if len(edits) < seen || len(edits) > seen+3 {
		t.Errorf("%d edits, and %d were acknowledged", len(edits), seen)
	}
	// One edit may be stored without its record, where neither was acknowledged.
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

// Whatever a record says, undoing it leaves a document that is JSON, with its other fields
// as they were.
func FuzzHistoryRecord(f *testing.F) {
	e := &HistoryEdit{ID: newEditID(time.Now()), Dump: ident(0), Changes: []HistoryChange{{At: []string{"properties", "a", "b"}, made: 2, New: wholeValue([]byte("1"))}}}
	line, _, err := e.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte(strings.Replace(string(line), `"old":null`, `"old":{"text":{"base64":"Iv8i"}}`, 1)))
	f.Add([]byte(strings.Replace(string(line), `"text":"1"`, `"text":"1","size":9,"sum":"AA=="`, 1)))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := decodeRecord(line)
		if err != nil || e.Dump == (dump.ID{}) {
			return
		}
		var changes []document.Change
		for _, ch := range e.Changes {
			changes = append(changes, ch.document())
		}
		doc := document.Parse([]byte(`{"cmd":"x","properties":{"a":{"b":1},"c":[2]},"ticket":"T"}`))
		raw, _, _, err := doc.Revert(changes)
		if err != nil {
			return
		}
		if d := document.Parse(raw); !d.IsJSON() || d.String("cmd") != "x" || len(document.ReadOnlyChanges(doc, d)) > 0 {
			t.Errorf("%s", raw)
		}
	})
}
