package history

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
	"thothfs/store/mem"
	"thothfs/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var id = dump.ID{1}

func open(s store.Store) History { return History{Store: s, Log: slog.New(slog.DiscardHandler)} }

func recorder(t *testing.T, h History) *Recorder {
	r := NewRecorder(h, time.Now)
	t.Cleanup(r.Close)
	return r
}

// newChange returns an edit that sets the ticket to text.
func newChange(r *Recorder, text string) *Edit {
	e := NewEdit(r.EditTime(time.Now()), "jane@host", "thothfs 1", "set", id)
	e.Changes = []Change{{At: []string{"ticket"}, New: Whole([]byte(`"` + text + `"`))}}
	return e
}

func record(t *testing.T, r *Recorder, e *Edit) {
	t.Helper()
	if err := r.Begin(e)(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func edits(t *testing.T, h History) (all []*Edit) {
	t.Helper()
	for e, err := range h.Edits(t.Context(), time.UnixMilli(0)) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// TestHistoryHostile checks that records written by others can edit nothing but tickets, properties
// and analyzers.
func TestHistoryHostile(t *testing.T) {
	s := mem.New()
	h := open(s)
	r := recorder(t, h)
	record(t, r, newChange(r, "A"))
	good := edits(t, h)[0]
	line, _, err := good.encode()
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, lines ...string) {
		s.Set(editsDir+"/"+name, []byte(strings.Join(lines, "\n")))
	}
	now := time.Now().Add(time.Minute)
	name := func(i int) string { return now.UTC().Format(timeFormat) + fmt.Sprintf("-%016x", i) }
	with := func(id, old, new string) string {
		return strings.Replace(strings.Replace(string(line), good.ID, id, 1), old, new, 1)
	}
	fresh := func() string { return newEditID(now.Add(-time.Second)) }
	put(name(1), "", "{", "null", "[]", `"x"`, `{"v":1}`, strings.Repeat("[", 1<<20),
		with(fresh(), `["ticket"]`, `["cmd"]`), with(fresh(), `["ticket"]`, `[]`), with(fresh(), `["ticket"]`, `["ticket","x"]`), with(fresh(), `["ticket"]`, `["analyzers","x"]`),
		with(fresh(), `"v":1`, `"v":2`), with("../../../etc/passwd0", "", ""), with(fresh(), `"how":"set"`, `"how":"`+strings.Repeat("x", 300)+`"`),
		with(fresh(), `{"text":"\"A\""}`, `{"text":"\"A"}`), with(fresh(), `{"text":"\"A\""}`, `{"text":"A","size":-5}`),
		with(newEditID(now.Add(time.Hour)), "", ""), with(fresh(), `"at":`, `"made":-1,"at":`), with(fresh(), id.String(), "xyz"))
	put("a note", string(line))
	put(name(2), strings.Repeat("x", maxObject+1))
	s.Set(editsDir+"/"+name(3)+"/dir", nil)
	s.Set(segmentsDir+"/"+name(4), []byte("no segment"))
	bomb, packed := packSegment([][]byte{bytes.Repeat([]byte("0"), maxSegmentText+1)})
	s.Set(segmentsDir+"/"+now.UTC().Format(timeFormat)+"-"+bomb, packed)
	all := edits(t, h)
	if len(all) != 1 || all[0].ID != good.ID {
		t.Errorf("%d edits: %+v", len(all), all)
	}
	// A record with a bad reference does no harm.
	put(name(5), with(fresh(), `"changes":`, `"ref":"00","changes":`))
	for _, e := range edits(t, h) {
		if _, err := h.Changes(t.Context(), e); e.Large() && !errors.Is(err, ErrNoChanges) {
			t.Error(err)
		}
	}
	if err := h.Compact(t.Context(), time.Now().Add(-time.Hour)); err != nil {
		t.Error(err)
	}
	if all := edits(t, h); len(all) < 2 || all[len(all)-1].ID != good.ID {
		t.Errorf("%d edits after compaction", len(all))
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

// TestHistoryCompacted checks that compaction leaves the history unchanged, however often it runs,
// however many processes run it, and wherever they are killed.
func TestHistoryCompacted(t *testing.T) {
	storetest.Faults(t, storetest.AllFaults(), func(t *testing.T, arm func(*mem.Faulty)) {
		synctest.Test(t, func(t *testing.T) {
			s := mem.New()
			h := open(s)
			r := recorder(t, h)
			for i := range 6 {
				time.Sleep(time.Minute)
				record(t, r, newChange(r, fmt.Sprint(i)))
				if i == 2 {
					if err := h.Compact(t.Context(), time.Now().Add(-(time.Hour))); err != nil {
						t.Fatal(err)
					}
				}
			}
			arm(s.Faulty)
			h.Compact(t.Context(), time.Now().Add(-(time.Hour))) // may fail
			s.Heal()
			time.Sleep(time.Minute)
			want := func(n int) {
				t.Helper()
				all := edits(t, h)
				seen := map[string]bool{}
				for _, e := range all {
					seen[e.ID] = true
				}
				if len(all) != n || len(seen) != n || !slices.IsSortedFunc(all, latestFirst) {
					t.Errorf("%d edits, %d of them different", len(all), len(seen))
				}
			}
			want(6)
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					if err := h.Compact(t.Context(), time.Now().Add(-(time.Hour))); err != nil {
						t.Error(err)
					}
				})
			}
			want(6)
			wg.Wait()
			want(6)
			if err := h.Compact(t.Context(), time.Now().Add(-(time.Hour))); err != nil {
				t.Fatal(err)
			}
			keys := slices.DeleteFunc(s.Keys(), func(k string) bool { return !strings.HasPrefix(k, ".thothfs/history/") })
			if len(keys) != 1 {
				t.Errorf("%q", keys)
			}
			if err := h.Compact(t.Context(), time.Now().Add(-(4*time.Minute + 30*time.Second))); err != nil { // 2 to 7 minutes old
				t.Fatal(err)
			}
			record(t, r, newChange(r, "7"))
			if err := h.Compact(t.Context(), time.Now().Add(-(4*time.Minute + 30*time.Second))); err != nil {
				t.Fatal(err)
			}
			want(4 + 1)
			time.Sleep(time.Hour)
			if err := h.Compact(t.Context(), time.Now().Add(-(time.Hour - time.Second))); err != nil {
				t.Fatal(err)
			}
			want(0)
		})
	})
}

// FuzzHistoryRecord checks that undoing any record leaves a document that is valid JSON and whose
// other fields are unchanged.
func FuzzHistoryRecord(f *testing.F) {
	e := &Edit{ID: newEditID(time.Now()), Dump: id, Changes: []Change{{At: []string{"properties", "a", "b"}, made: 2, New: Whole([]byte("1"))}}}
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
			changes = append(changes, ch.Document())
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

// TestHistoryOfAnEditTooLargeForTheStore checks that a record whose changes cannot be stored fails
// alone.
func TestHistoryOfAnEditTooLargeForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		h := open(s)
		r := recorder(t, h)
		s.Inject(mem.Fault{Op: mem.Put, Times: maxWriters, Delay: time.Second}) // so that the others share an object
		var waits []func(context.Context) error
		for i := range maxWriters + 3 {
			e := newChange(r, fmt.Sprint(i))
			if i == maxWriters+1 {
				e.Changes[0].Old = Whole([]byte(`"` + strings.Repeat("x", maxLine) + `"`))
				for _, kind := range []error{store.ErrTooLarge, store.ErrInvalid} {
					e := *e
					e.ID = newEditID(e.Time)
					s.Inject(mem.Fault{Op: mem.Put, Key: fmt.Sprintf("%s/%s-1", largeDir, e.ID), Kind: kind})
					waits = append(waits, r.Begin(&e))
				}
				continue
			}
			waits = append(waits, r.Begin(e))
			synctest.Wait()
		}
		for _, wait := range waits {
			if err := wait(t.Context()); err != nil {
				t.Error(err)
			}
		}
		record(t, r, newChange(r, "later"))
		if n := len(edits(t, h)); n != maxWriters+3 {
			t.Errorf("%d edits", n)
		}
	})
}

// TestHistoryOfHostileSize checks that changes that would need much more memory than their text are
// refused while they are decoded.
func TestHistoryOfHostileSize(t *testing.T) {
	const size = 24 << 20
	for name, text := range map[string]string{
		"changes": "[" + strings.Repeat("{},", size/3) + "{}]",
		"keys":    `[{"at":["properties"` + strings.Repeat(`,""`, size/3) + "]}]",
	} {
		t.Run(name, func(t *testing.T) {
			s := mem.New()
			e := &Edit{ID: newEditID(time.Now()), Dump: id, try: 1, ref: hex.EncodeToString(sha256Sum([]byte(text)))}
			s.Set(e.largeKey(), []byte(text))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := open(s).Changes(t.Context(), e); !errors.Is(err, ErrNoChanges) {
				t.Error(err)
			}
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 8*size {
				t.Errorf("%d MiB for a text of %d", n>>20, size>>20)
			}
		})
	}
}

// TestHistoryOfTooManyEditsAtOnce checks that the memory for records of the same time, which must
// all be held at once, is limited.
func TestHistoryOfTooManyEditsAtOnce(t *testing.T) {
	s := mem.New()
	line, _, err := (&Edit{ID: newEditID(time.Now()), Dump: id}).encode()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		s.Set(fmt.Sprintf("%s/%s-%016x", editsDir, time.Now().Add(time.Hour).UTC().Format(timeFormat), i), bytes.Repeat(line, 100))
	}
	for _, tt := range []struct {
		limit int
		want  error
	}{{200 * len(line), nil}, {200*len(line) - 1, errTooMany}} {
		m := newMerger(open(s), time.UnixMilli(0))
		m.maxHeld = tt.limit
		if err := m.list(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := m.next(t.Context()); !errors.Is(err, tt.want) {
			t.Errorf("%d bytes: %v", tt.limit, err)
		}
	}
}
