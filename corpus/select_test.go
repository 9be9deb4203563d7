package corpus

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/query"
	"thothfs/store"
	"thothfs/store/mem"
)

var (
	someTexts = []string{"", "a", "ab", "abc", "b", "svc.startd", "a*b", "undefined", "nul\x00x", "new\nline", "ü", "\U0010ffff", "7", "../../etc", " a", "bmc", "x[y", "a\xffb", "100", "2048", "-3", "1.5", "007", "9007199254740993"}
	somePaths = []string{"signal", "signal.name", "exe", "size", "size", "signature", "properties.signature", "x", "list", "cmd", "cmd", "ticket", "node", "type", "platform", "properties.x", "stack", "id", "properties.triage.engineer", "triage.engineer", "properties.list", "stack.1", "properties.x.0"}
	someTimes = []any{nil, 0, 1, 1.5, 1.25, 2, -1, "1", "1.75", 1e9, 253402300800.0, -62135596801.0, "never", 1e300, 1500000000.123}
)

// randomDocument returns a document with random values in the indexed fields.
func randomDocument(r *rand.Rand) []byte {
	m := map[string]any{}
	for _, f := range catalog.Fields {
		if f.Number && r.IntN(2) == 0 {
			m[f.Path] = []any{0, 100, 1024, 2048, 1 << 53, -3, 1.5, json.Number("9007199254740993"), json.Number("1e3"), json.Number("1e30")}[r.IntN(10)]
			continue
		}
		switch r.IntN(12) {
		case 0, 1, 2: // not set
		case 3:
			m[f.Path] = nil
		case 4:
			m[f.Path] = []any{someTexts[r.IntN(len(someTexts))], someTexts[r.IntN(len(someTexts))]}
		case 5:
			m[f.Path] = []any{7, map[string]any{"a": "b"}, true, []int{}}[r.IntN(4)]
		default:
			m[f.Path] = someTexts[r.IntN(len(someTexts))]
		}
	}
	switch r.IntN(4) {
	case 0:
		m["signal"] = map[string]any{"number": 6, "name": someTexts[r.IntN(len(someTexts))]}
	case 1:
		m["signal"] = []any{"SIGABRT", map[string]any{"number": 7}, []any{"a"}, nil}[r.IntN(4)]
	}
	if t := someTimes[r.IntN(len(someTimes))]; t != nil {
		m["time"] = t
	}
	if r.IntN(2) == 0 {
		properties := map[string]any{"x": someTexts[r.IntN(len(someTexts))], "triage.engineer": "bmc", "list": []any{"a", "ab", 7}}
		if v, ok := m[catalog.Signature.Path]; ok && r.IntN(4) > 0 { // the usual place; a key with a dot is found as well
			delete(m, catalog.Signature.Path)
			properties["signature"] = v
		}
		m["properties"] = properties
	}
	if r.IntN(3) == 0 {
		m["stack"] = []string{"libc`abort+0x1", "main"}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	switch r.IntN(20) {
	case 0:
		return raw[:r.IntN(len(raw))]
	case 1: // the same document with escapes
		return []byte(strings.NewReplacer("properties", `\u0070roperties`, "bmc", `b\u006dc`).Replace(string(raw)))
	case 2: // an extra quote, no comma, and a control character
		return bytes.ReplaceAll(raw, []byte(`"bmc",`), []byte("\"b\"mc\x01\"\n"))
	}
	return raw
}

// randomSpec returns a specification that matches some random documents.
func randomSpec(r *rand.Rand, id dump.ID) query.Spec {
	var s query.Spec
	for range r.IntN(4) {
		switch r.IntN(6) {
		case 0:
			moment := func() time.Time { return time.UnixMilli(1000 + int64(r.IntN(5))*250) }
			s = s.And(query.Between(moment(), moment()))
		case 1:
			s = s.And(must(query.Parse([]string{"mtime=1h", "otime=1h", "mtime=100y", "otime=300y", "mtime=2001-09-09", "otime=1970-01-01T00:00:01Z", "time=..1970-01-01"}[r.IntN(7)])))
		case 2:
			s = s.And(must(query.Parse(id.String()[:1+r.IntN(32)])))
		default:
			path := somePaths[r.IntN(len(somePaths))]
			word := path + randomValue(r, path, id)
			for r.IntN(4) == 0 {
				word += "," + path + randomValue(r, path, id)
			}
			s = s.And(must(query.Parse(word)))
		}
	}
	return s
}

// randomValue returns an operator and a value for a constraint on path.
func randomValue(r *rand.Rand, path string, id dump.ID) string {
	op := []string{"=", "=", "!="}[r.IntN(3)]
	switch r.IntN(6) {
	case 0:
		return "=" + []string{"undefined", "defined"}[r.IntN(2)]
	case 1:
		return op + []string{"*", "a*", "?", "*b*", "svc.*", "7*", `\**`, id.String()[:r.IntN(5)] + "*", "bm*", "mai*", "1*", "*tart?", "*[*", "*b", "n*x", "*\n*", "*ü"}[r.IntN(17)]
	case 2:
		bound := []string{"0", "1K", "2K", "1.5", "100", "9007199254740992", "a", "ab", `\100`, "svc"}[r.IntN(10)]
		if query.IsNumber(path) && r.IntN(2) == 0 {
			return op + []string{"0..1K", "1K..2K", "..100", "100..", "-5..1.5", "9007199254740993.."}[r.IntN(6)]
		} else if query.IsNumber(path) {
			bound = strings.TrimLeft(bound, "absvc")
		}
		return []string{"<", "<=", ">", ">="}[r.IntN(4)] + cmp.Or(bound, "7")
	}
	_, text, _ := strings.Cut(query.Equal(path, someTexts[r.IntN(len(someTexts))]).String(), "=")
	return op + text
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// testDump is the fields of a dump, and the dump.
type testDump struct {
	query.Fields
	dump *catalog.Dump
}

func TestIndexNeverChangesTheAnswer(t *testing.T) {
	const dumps, specs = 300, 400
	r, lists := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(3, 4))
	s, docs := mem.New(), map[dump.ID]query.Fields{}
	for i := range dumps {
		raw := randomDocument(r)
		s.Set(infoKey(ident(i)), raw)
		d := catalog.NewDump(ident(i), raw, store.Attr{}, "")
		docs[ident(i)] = testDump{d.Fields(), d}
	}
	c := open(t, options(t, s))
	now := time.Unix(1_000_000_000, 0)
	c.now = func() time.Time { return now }
	sync1(t, c)
	found := 0
	for range specs {
		spec := randomSpec(r, ident(r.IntN(dumps)))
		var want []dump.ID
		for id, doc := range docs {
			if spec.Match(doc, now) {
				want = append(want, id)
			}
		}
		slices.SortFunc(want, catalog.CompareIDs)
		found += len(want)
		if diff := gocmp.Diff(want, selected(t, c, spec.String())); diff != "" {
			t.Fatalf("%q\n%s", spec, diff)
		}
		checkOrder(t, c, spec, docs, want)
		checkList(t, c, spec, docs, want, randomList(lists))
		checkCounts(t, c, somePaths[r.IntN(len(somePaths))], spec, docs, want)
	}
	all := slices.SortedFunc(maps.Keys(docs), catalog.CompareIDs)
	for i := range catalog.Fields {
		checkValues(t, c, &catalog.Fields[i], docs, all)
	}
	checkYears(t, c, docs)
	if found < specs {
		t.Errorf("only %d matches", found)
	}
}

// byTime returns ids in the order of Dumps.
func byTime(docs map[dump.ID]query.Fields, ids []dump.ID) []dump.ID {
	return slices.SortedFunc(slices.Values(ids), func(a, b dump.ID) int {
		return cmp.Or(cmp.Compare(secondOf(docs[a]), secondOf(docs[b])), catalog.CompareIDs(a, b))
	})
}

func secondOf(doc query.Fields) int64 {
	t, ok := doc.Time()
	if !ok {
		return math.MinInt64
	}
	return t.Unix()
}

func checkOrder(t *testing.T, c *Corpus, spec query.Spec, docs map[dump.ID]query.Fields, want []dump.ID) {
	t.Helper()
	want = byTime(docs, want)
	limit := 1 + len(want)/2
	for _, limited := range []bool{false, true} {
		if limited {
			spec, want = spec.And(must(query.Parse(fmt.Sprint("limit=", limit)))), want[max(0, len(want)-limit):]
		}
		var got []dump.ID
		for d, err := range c.Dumps(t.Context(), spec) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, d.ID)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("order of %q\n%s", spec, diff)
		}
	}
	sorted := slices.Clone(want)
	slices.SortFunc(sorted, catalog.CompareIDs)
	if diff := gocmp.Diff(sorted, selected(t, c, spec.String())); diff != "" {
		t.Fatalf("%q\n%s", spec, diff)
	}
}

// randomList returns options for a list.
func randomList(r *rand.Rand) catalog.ListOptions {
	o := catalog.ListOptions{Reverse: r.IntN(2) == 0, Documents: r.IntN(4) == 0}
	if r.IntN(2) == 0 {
		o.Last = 1 + r.IntN(50)
	}
	if r.IntN(4) > 0 {
		o.Sort = &catalog.Fields[r.IntN(len(catalog.Fields))]
	}
	for range r.IntN(5) {
		o.Fields = append(o.Fields, &catalog.Fields[r.IntN(len(catalog.Fields))])
	}
	return o
}

// integer returns a number that the catalogue has in a column, or the least one.
func integer(text string) int64 {
	// Not by fmt.Sscan, whose recovered panics slow the race detector down from then on.
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return math.MinInt64
	}
	return n
}

// checkList compares a list, its order and its values with those of the documents.
func checkList(t *testing.T, c *Corpus, spec query.Spec, docs map[dump.ID]query.Fields, ids []dump.ID, o catalog.ListOptions) {
	t.Helper()
	text := func(d *Dump, f *Field) string {
		if v, ok := d.Value(f.Name); ok {
			return v.Text()
		}
		return ""
	}
	value := func(id dump.ID, f *Field) string { return text(docs[id].(testDump).dump, f) }
	order := func(a, b dump.ID) int {
		if o.Sort == nil {
			return 0
		}
		x, y := value(a, o.Sort), value(b, o.Sort)
		if !o.Sort.Number {
			return strings.Compare(x, y)
		}
		return cmp.Compare(integer(x), integer(y))
	}
	sorted := byTime(docs, ids)
	slices.SortStableFunc(sorted, order)
	if o.Last > 0 && o.Last < len(sorted) {
		sorted = sorted[len(sorted)-o.Last:]
	}
	if o.Reverse {
		slices.Reverse(sorted)
	}
	var want, got []string
	for _, id := range sorted {
		line := id.String()
		for _, f := range o.Fields {
			line += " " + value(id, f)
		}
		want = append(want, line)
	}
	for d, err := range c.List(t.Context(), spec, o) {
		if err != nil {
			t.Fatal(err)
		}
		line := d.ID.String()
		for _, f := range o.Fields {
			if d.Doc != nil {
				line += " " + text(d, f)
			} else {
				line += " " + d.Text(f)
			}
		}
		got = append(got, line)
		if o.Documents && d.Doc == nil {
			t.Fatalf("%s has no document", d.ID)
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatalf("%q %+v\n%s", spec, o, diff)
	}
}

func checkValues(t *testing.T, c *Corpus, f *Field, docs map[dump.ID]query.Fields, ids []dump.ID) {
	t.Helper()
	want := map[string]Value{}
	for _, id := range ids {
		text, list, ok := docs[id].Lookup(f.Path)
		if !ok {
			continue
		}
		if list == nil {
			list = []string{text}
		}
		slices.Sort(list)
		for _, text := range slices.Compact(list) {
			v := want[text]
			v.Text, v.Count = text, v.Count+1
			want[text] = v
		}
	}
	got, err := c.Values(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, v := range got {
		texts = append(texts, v.Text)
		if v.Count != want[v.Text].Count {
			t.Fatalf("%s: %q counts %d, want %d", f.Name, v.Text, v.Count, want[v.Text].Count)
		}
	}
	if diff := gocmp.Diff(slices.Sorted(maps.Keys(want)), texts); diff != "" {
		t.Fatalf("%s\n%s", f.Name, diff)
	}
	for _, text := range append(texts, someTexts...) {
		if has, err := c.HasValue(t.Context(), f, text); err != nil || has != slices.Contains(texts, text) {
			t.Fatalf("%s has %q: %v, %v", f.Name, text, has, err)
		}
	}
}

// checkCounts compares Count and CountBy with the documents of ids.
func checkCounts(t *testing.T, c *Corpus, path string, spec query.Spec, docs map[dump.ID]query.Fields, ids []dump.ID) {
	t.Helper()
	if n, err := c.Count(t.Context(), spec); err != nil || n != len(ids) {
		t.Fatalf("%q: %d, want %d, %v", spec, n, len(ids), err)
	}
	if len(ids) > 3 {
		limited := spec.And(must(query.Parse("limit=3")))
		if n, err := c.Count(t.Context(), limited); err != nil || n != 3 {
			t.Fatalf("%q: %d, %v", limited, n, err)
		}
		checkCountBy(t, c, path, limited, docs, byTime(docs, ids)[len(ids)-3:])
	}
	checkCountBy(t, c, path, spec, docs, ids)
}

func checkCountBy(t *testing.T, c *Corpus, path string, spec query.Spec, docs map[dump.ID]query.Fields, ids []dump.ID) {
	t.Helper()
	want := map[string]int{}
	for _, id := range ids {
		if v, ok := docs[id].(testDump).dump.Value(path); ok {
			want[v.Text()]++
		}
	}
	got, err := c.CountBy(t.Context(), path, spec)
	if diff := gocmp.Diff(want, got); err != nil || diff != "" {
		t.Fatalf("%q by %s: %v\n%s", spec, path, err, diff)
	}
}

func checkYears(t *testing.T, c *Corpus, docs map[dump.ID]query.Fields) {
	t.Helper()
	want := map[int]bool{}
	for _, doc := range docs {
		if at, ok := doc.Time(); ok && at.Year() >= 1 && at.Year() <= 9999 {
			want[at.Year()] = true
		}
	}
	got, err := c.Days(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(slices.Sorted(maps.Keys(want)), got); diff != "" {
		t.Fatalf("years:\n%s", diff)
	}
}

func TestDays(t *testing.T) {
	s := mem.New()
	for i, at := range []string{"2013-07-11T18:00:00Z", "2013-07-11T00:00:00Z", "2013-07-31T23:59:59Z", "2013-08-01T00:00:00Z", "2020-02-29T12:00:00Z", "2013-12-31T23:59:59Z", "2014-01-01T00:00:00Z"} {
		s.Set(infoKey(ident(i)), info(ident(i), fmt.Sprint("c", i), "", must(time.Parse(time.RFC3339, at)).Unix()))
	}
	s.Set(infoKey(ident(99)), info(ident(99), "untimed", "", 0))
	c := open(t, options(t, s))
	sync1(t, c)
	for _, tt := range []struct {
		year, month int
		want        []int
	}{
		{0, 0, []int{2013, 2014, 2020}},
		{2013, 0, []int{7, 8, 12}},
		{2013, 7, []int{11, 31}},
		{2013, 12, []int{31}},
		{2014, 1, []int{1}},
		{2020, 2, []int{29}},
		{2019, 0, nil},
	} {
		got, err := c.Days(t.Context(), tt.year, tt.month)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%d %d: %v %v, want %v", tt.year, tt.month, got, err, tt.want)
		}
	}
}

// TestSignature checks that dumps with the same signature are found together as soon as they have
// one.
func TestSignature(t *testing.T) {
	s := mem.New()
	seed(s, 4)
	c := open(t, options(t, s))
	sync1(t, c)
	for i, signature := range []string{"0123456789012345", "b", "b"} {
		d, err := c.Edit(t.Context(), ident(i), document.Set("properties.signature", signature))
		if err != nil || d.Text(catalog.Signature) != signature {
			t.Fatal(d, err)
		}
	}
	got, err := c.Values(t.Context(), catalog.Signature)
	want := []Value{{Text: "0123456789012345", Count: 1, Newest: 1_000_000}, {Text: "b", Count: 2, Newest: 1_000_002}}
	if diff := gocmp.Diff(want, got); err != nil || diff != "" {
		t.Error(diff, err)
	}
	wantCount(t, c, "properties.signature=b", 2)
	wantCount(t, c, "properties.signature=0*", 1)
	wantCount(t, c, "properties.signature=undefined", 1)
}
