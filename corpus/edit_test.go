package corpus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/corpus/catalog"
	"thothfs/dump/document"
	"thothfs/store"
	"thothfs/store/mem"
	"thothfs/store/storetest"
)

// corpusOfOne opens a corpus whose catalogue contains the dump ident(0) of a store.
func corpusOfOne(t testing.TB, s *mem.Store, over store.Store) *Corpus {
	t.Helper()
	s.Set(infoKey(ident(0)), info(ident(0), "x", "", 1))
	c := open(t, options(t, over))
	sync1(t, c)
	return c
}

// stored returns the document of ident(0) in the store.
func stored(t testing.TB, s *mem.Store) *document.Document {
	t.Helper()
	raw, _ := s.Data(infoKey(ident(0)))
	if !json.Valid(raw) {
		t.Fatalf("not JSON: %q", raw)
	}
	return document.Parse(raw)
}

// edit makes an edit, which must succeed and be in the catalogue afterwards.
func edit(t testing.TB, c *Corpus, edits ...document.Edit) *Dump {
	t.Helper()
	d, err := c.Edit(t.Context(), ident(0), edits...)
	if err != nil {
		t.Fatal(err)
	}
	known, err := c.Cached(t.Context(), ident(0))
	if err != nil || known.ETag != d.ETag || string(known.Doc.Raw()) != string(d.Doc.Raw()) {
		t.Errorf("the catalogue has %+v, %v", known, err)
	}
	return d
}

// foreign edits the document in the store without using a corpus.
func foreign(t testing.TB, s *mem.Store, edits ...document.Edit) {
	t.Helper()
	raw, _, err := stored(t, s).Apply(edits...)
	if err != nil {
		t.Fatal(err)
	}
	s.Set(infoKey(ident(0)), raw)
}

func TestEdit(t *testing.T) {
	s := mem.New()
	c := corpusOfOne(t, s, s)
	w, cancel := watch(c)
	defer cancel()
	before := c.Generation()
	raw, _ := s.Data(infoKey(ident(0)))
	d := edit(t, c, document.Set("ticket", "OS-1"), document.Set("properties.triage.engineer", "bmc"))
	if c.Generation() == before {
		t.Error("Generation has not moved")
	}
	if d.Text(catalog.Ticket) != "OS-1" || stored(t, s).String("ticket") != "OS-1" || stored(t, s).String("properties.triage.engineer") != "bmc" {
		t.Errorf("%+v", d)
	}
	wantCount(t, c, "ticket=OS-1", 1)
	wantCount(t, c, "ticket=undefined", 0)
	ch := w.wait(t, 1)[0]
	if ch.ID != ident(0) || ch.Old == nil || ch.Old.Text(catalog.Ticket) != "" || ch.New == nil || ch.New.Text(catalog.Ticket) != "OS-1" {
		t.Errorf("%+v", ch)
	}
	edit(t, c, document.Unset("ticket"), document.Unset("properties.triage.engineer"), document.Unset("properties.triage"))
	if again, _ := s.Data(infoKey(ident(0))); string(again) != string(raw) {
		t.Errorf("there and back: %s, was %s", again, raw)
	}
	wantCount(t, c, "ticket=undefined", 1)
	if ch := w.wait(t, 2)[1]; ch.Old.Text(catalog.Ticket) != "OS-1" || ch.New.Text(catalog.Ticket) != "" {
		t.Errorf("%+v", ch)
	}
}

// TestEditIsSeenByOtherProcesses checks that processes that share a catalogue read edits from it.
func TestEditIsSeenByOtherProcesses(t *testing.T) {
	s := mem.New()
	o := options(t, s)
	s.Set(infoKey(ident(0)), info(ident(0), "x", "", 1))
	c, other := open(t, o), open(t, o)
	sync1(t, c)
	sync1(t, other)
	w, cancel := watch(other)
	defer cancel()
	d := edit(t, c, document.Set("ticket", "OS-1"))
	calls := s.Calls("")
	if seen, err := other.Cached(t.Context(), ident(0)); err != nil || seen.ETag != d.ETag {
		t.Errorf("%+v %v", seen, err)
	}
	if _, err := other.readJournal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ch := w.wait(t, 1)[0]; ch.New == nil || ch.New.Text(catalog.Ticket) != "OS-1" || s.Calls("") != calls {
		t.Errorf("%+v", ch)
	}
}

// TestEditRoundTrips counts the requests of an edit, and how many of them are sequential.
func TestEditRoundTrips(t *testing.T) {
	set := document.Set("ticket", "OS-1")
	for _, tt := range []struct {
		name        string
		age         time.Duration   // age of the known document
		meanwhile   []document.Edit // edits made by others
		trips       int             // sequential requests
		puts, calls int
		unknown     bool
	}{
		{name: "current", trips: 1, puts: 1, calls: 1},
		{name: "old, and still current", age: time.Minute, trips: 1, puts: 1, calls: 2},
		{name: "old, and changed", age: time.Minute, meanwhile: []document.Edit{document.Set("properties.a", "b")}, trips: 2, puts: 2, calls: 3},
		{name: "old, and so already", age: time.Minute, meanwhile: []document.Edit{set}, trips: 1, puts: 1, calls: 2},
		{name: "not known", unknown: true, trips: 2, puts: 1, calls: 2},
		{name: "young, and changed", meanwhile: []document.Edit{document.Set("properties.a", "b")}, trips: 3, puts: 2, calls: 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := mem.New()
				c := corpusOfOne(t, s, s)
				if tt.unknown {
					c = open(t, options(t, s))
				}
				time.Sleep(tt.age)
				if tt.meanwhile != nil {
					foreign(t, s, tt.meanwhile...)
				}
				s.Inject(mem.Fault{Times: mem.Always, Delay: time.Second})
				puts, calls, began := s.Calls(mem.Put), s.Calls(""), time.Now()
				edit(t, c, set)
				puts, calls = s.Calls(mem.Put)-puts, s.Calls("")-calls
				if took := time.Since(began); took/time.Second != time.Duration(tt.trips) || puts != tt.puts || calls != tt.calls {
					t.Errorf("%v, %d calls, %d of them to put", took, calls, puts)
				}
				if doc := stored(t, s); doc.String("ticket") != "OS-1" || tt.meanwhile != nil && doc.String(tt.meanwhile[0].Path) == "" {
					t.Errorf("%s", doc.Raw())
				}
			})
		})
	}
}

// TestEditThatIsSoAlready checks that an edit that changes nothing stores nothing, once the store
// has confirmed the version.
func TestEditThatIsSoAlready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		c := corpusOfOne(t, s, s)
		first := edit(t, c, document.Set("ticket", "OS-1"))
		gets, puts := s.Calls(mem.Get), s.Calls(mem.Put)
		if d := edit(t, c, document.Set("ticket", "OS-1")); d.ETag != first.ETag || s.Calls(mem.Put) != puts || s.Calls(mem.Get) != gets+1 {
			t.Errorf("%+v, %d gets", d, s.Calls(mem.Get)-gets)
		}
		foreign(t, s, document.Unset("ticket"))
		edit(t, c, document.Set("ticket", "OS-1"))
		if got := stored(t, s).String("ticket"); got != "OS-1" {
			t.Errorf("ticket is %q: lost", got)
		}
	})
}

func TestEditRefuses(t *testing.T) {
	damaged := []byte(`{"cmd":"x","ticket":"A"`)
	for _, tt := range []struct {
		name  string
		doc   []byte // nil for the usual one
		edit  document.Edit
		want  error // nil for a *document.DamagedError
		asked bool  // whether the store was asked
	}{
		{"a field that is not people's", nil, document.Set("cmd", "y"), ErrReadOnlyField, false},
		{"properties as a whole", nil, document.Set("properties", "{}"), ErrReadOnlyField, false},
		{"through a string", []byte(`{"properties":{"a":"b"}}`), document.Set("properties.a.b", "y"), document.ErrEdit, true},
		{"not UTF-8", nil, document.Set("properties.a", "\xff"), document.ErrEdit, true},
		{"there already", []byte(`{"ticket":"A"}`), document.Edit{Path: "ticket", Value: []byte(`"B"`), If: document.IfAbsent}, document.ErrPresent, true},
		{"not there", nil, document.Edit{Path: "ticket", If: document.IfPresent}, document.ErrAbsent, true},
		{"damaged", damaged, document.Set("ticket", "B"), nil, true},
		{"too large to be read", make([]byte, maxInfo+1), document.Set("ticket", "B"), nil, true},
		{"too large then", nil, document.Set("properties.a", strings.Repeat("x", document.MaxSize)), document.ErrTooLarge, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mem.New()
			c := corpusOfOne(t, s, s)
			if tt.doc != nil {
				s.Set(infoKey(ident(0)), tt.doc) // not in the catalogue yet
			}
			was, _ := s.Data(infoKey(ident(0)))
			calls := s.Calls("")
			d, err := c.Edit(t.Context(), ident(0), tt.edit)
			var lossy *document.DamagedError
			if d != nil || tt.want == nil && !errors.As(err, &lossy) || tt.want != nil && !errors.Is(err, tt.want) || (s.Calls("") > calls) != tt.asked {
				t.Errorf("%+v, %v, %d calls", d, err, s.Calls("")-calls)
			}
			if is, _ := s.Data(infoKey(ident(0))); string(is) != string(was) {
				t.Errorf("it is %q now", is)
			}
		})
	}
}

func TestEditOfNoDump(t *testing.T) {
	s := mem.New()
	c := corpusOfOne(t, s, s)
	if _, err := c.Edit(t.Context(), ident(1), document.Set("ticket", "A")); !errors.Is(err, store.ErrNotExist) {
		t.Error(err)
	}
	s.Delete(ident(0).String())
	if _, err := c.Edit(t.Context(), ident(0), document.Set("ticket", "A")); !errors.Is(err, store.ErrNotExist) {
		t.Error(err)
	}
	if _, err := c.Cached(t.Context(), ident(0)); !errors.Is(err, store.ErrNotExist) {
		t.Error("it is still known:", err)
	}
	if keys := s.Keys(); len(keys) != 0 {
		t.Error(keys)
	}
}

// TestEditConditions checks that an outdated catalogue does not decide a condition.
func TestEditConditions(t *testing.T) {
	create := document.Edit{Path: "ticket", Value: []byte(`"B"`), If: document.IfAbsent}
	replace := document.Edit{Path: "ticket", Value: []byte(`"B"`), If: document.IfPresent}
	for _, tt := range []struct {
		name      string
		believed  []document.Edit
		meanwhile document.Edit
		edit      document.Edit
		want      error
	}{
		{"create, gone meanwhile", []document.Edit{document.Set("ticket", "A")}, document.Unset("ticket"), create, nil},
		{"create, there meanwhile", nil, document.Set("ticket", "A"), create, document.ErrPresent},
		{"create, the same there meanwhile", nil, document.Set("ticket", "B"), create, document.ErrPresent},
		{"replace, gone meanwhile", []document.Edit{document.Set("ticket", "A")}, document.Unset("ticket"), replace, document.ErrAbsent},
		{"replace, there meanwhile", nil, document.Set("ticket", "A"), replace, nil},
		{"remove, gone meanwhile", []document.Edit{document.Set("ticket", "A")}, document.Unset("ticket"), document.Edit{Path: "ticket", If: document.IfPresent}, document.ErrAbsent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mem.New()
			c := corpusOfOne(t, s, s)
			if tt.believed != nil {
				edit(t, c, tt.believed...)
			}
			foreign(t, s, tt.meanwhile)
			if _, err := c.Edit(t.Context(), ident(0), tt.edit); !errorsIs(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestEditOfADamagedDocument(t *testing.T) {
	s := mem.New()
	c := corpusOfOne(t, s, s)
	s.Set(infoKey(ident(0)), []byte("{\n\t\"cmd\": \"x\",\n\t\"psargs\": \"sh -c \"a\"\"\n}\n{ \"properties\": { \"y\": 1.0 } }\n"))
	d := edit(t, c, document.Set("ticket", "A"))
	want := "{\n\t\"cmd\": \"x\",\n\t\"psargs\": \"sh -c \\\"a\\\"\",\n\t\"properties\": {\"y\":1.0},\n\t\"ticket\": \"A\"\n}\n"
	if raw, _ := s.Data(infoKey(ident(0))); string(raw) != want || d.Damage != "" {
		t.Errorf("%s, %q", raw, d.Damage)
	}
}

func TestAmend(t *testing.T) {
	s := mem.New()
	c := corpusOfOne(t, s, s)
	d, err := c.Amend(t.Context(), ident(0), document.Edit{Path: "stack", Value: []byte(`["main+0x1"]`)}, document.Set("cmd", "y"))
	if err != nil || d.Text(catalog.Cmd) != "y" || len(stored(t, s).Stack()) != 1 {
		t.Errorf("%+v %v", d, err)
	}
}

// TestEditFaults makes each call of the store fail in turn, with and without Retry. A successful
// edit must be stored and in the catalogue, the document must remain whole, and the next edit must
// succeed.
func TestEditFaults(t *testing.T) {
	for _, retry := range []bool{false, true} {
		name := map[bool]string{false: "bare", true: "behind retry"}[retry]
		t.Run(name, func(t *testing.T) {
			storetest.Faults(t, storetest.AllFaults(), func(t *testing.T, arm func(*mem.Faulty)) {
				synctest.Test(t, func(t *testing.T) { editTwice(t, retry, arm) })
			})
		})
	}
}

// editTwice edits with a fault, then without.
func editTwice(t *testing.T, retry bool, arm func(*mem.Faulty)) {
	s := mem.New()
	over := store.Store(s)
	if retry {
		over = store.Retry(s, store.RetryOptions{})
	}
	c := corpusOfOne(t, s, over)
	time.Sleep(time.Minute)
	foreign(t, s, document.Set("properties.theirs", "x"))
	arm(s.Faulty)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d, err := c.Edit(ctx, ident(0), document.Set("ticket", "OS-1"))
	doc := stored(t, s)
	switch {
	case err == nil && (doc.String("ticket") != "OS-1" || d.Text(catalog.Ticket) != "OS-1"):
		t.Errorf("acknowledged and lost: %s", doc.Raw())
	case err != nil && store.Kind(err) == nil && ctx.Err() == nil:
		t.Errorf("an error of no kind: %v", err)
	}
	s.Heal()
	edit(t, c, document.Set("properties.ours", "y"), document.Set("ticket", "OS-1"))
	doc = stored(t, s)
	if doc.String("ticket") != "OS-1" || doc.String("properties.ours") != "y" || doc.String("properties.theirs") != "x" {
		t.Errorf("%s", doc.Raw())
	}
	sync1(t, c)
	wantCount(t, c, "ticket=OS-1 properties.theirs=x", 1)
}

// TestEditParsesTwice checks that an edit of a current document reads the catalogue once and parses
// each of the two versions once. The history, the catalogue, subscribers and the caller share them.
func TestEditParsesTwice(t *testing.T) {
	s := mem.New()
	seed(s, 1)
	c := logging(t, s)
	sync1(t, c)
	w, cancel := watch(c)
	defer cancel()
	for n := 1; n <= 3; n++ {
		before := c.cat.Lookups.Load()
		d, err := c.Edit(t.Context(), ident(0), document.Set("ticket", fmt.Sprint("T-", n)))
		selects := c.cat.Lookups.Load() - before
		if err != nil || selects != 1 {
			t.Errorf("edit %d: %d selects, %v", n, selects, err)
		}
		changes := w.wait(t, n)
		if ch := changes[n-1]; len(changes) != n || ch.New.Doc != d.Doc || ch.Old.Doc == nil {
			t.Errorf("edit %d: %d changes, the last is %+v", n, len(changes), ch)
		}
		if got, err := c.Cached(t.Context(), ident(0)); err != nil || string(got.Doc.Raw()) != string(d.Doc.Raw()) || got.ETag != d.ETag {
			t.Errorf("the catalogue has %+v, %v", got, err)
		}
		wantCount(t, c, fmt.Sprint("ticket=T-", n), 1)
	}
}
