package catalog

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thothfs/dump"
	"thothfs/query"
	"thothfs/store"
)

func parse(t *testing.T, text string) query.Spec {
	t.Helper()
	spec, err := query.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// TestListsComeFromIndexes checks that the queries of views use covering indexes.
func TestListsComeFromIndexes(t *testing.T) {
	c, err := Open(t.Context(), t.TempDir(), "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sorts := map[string]bool{"mtime=2013-07-11 otime=2013-07-12": true, "cmd=a,cmd=b": true, "cmd=a*": true,
		"platform>=joyent_2013": true, "size=1G..4G": true, "size>4G": true} // of several values
	for spec, index := range map[string]string{
		"":                                  "COVERING INDEX dumps_list",
		"cmd=x":                             "COVERING INDEX dumps_cmd",
		"node=x":                            "COVERING INDEX dumps_node",
		"ticket=x":                          "COVERING INDEX dumps_ticket",
		"ticket=undefined":                  "COVERING INDEX dumps_ticket",
		"platform=x":                        "COVERING INDEX dumps_platform",
		"properties.signature=x":            "COVERING INDEX dumps_signature",
		"signature=x":                       "COVERING INDEX dumps_signature",
		"signal=SIGSEGV":                    "COVERING INDEX dumps_signal",
		"cmd=a,cmd=b":                       "COVERING INDEX dumps_cmd",
		"cmd=a*":                            "COVERING INDEX dumps_cmd",
		"platform>=joyent_2013":             "COVERING INDEX dumps_platform",
		"size=1G..4G":                       "COVERING INDEX dumps_bytes",
		"size>4G":                           "COVERING INDEX dumps_bytes",
		"mtime=2013-07-11 otime=2013-07-12": "COVERING INDEX dumps_time",
	} {
		p := newQueryPlan(parse(t, spec), time.Now())
		sql, args := p.sql(true, "", orderID), p.args
		if spec == "" {
			sql, args = rowsAfter, []any{[]byte{}}
		}
		var plan []string
		err := c.read(t.Context(), func(q querier) error {
			return each(t.Context(), q, func(scan scanFunc) error {
				var a, b, d int
				var text string
				err := scan(&a, &b, &d, &text)
				plan = append(plan, text)
				return err
			}, "EXPLAIN QUERY PLAN "+sql, args...)
		})
		if text := strings.Join(plan, "; "); err != nil || !strings.Contains(text, index) || !sorts[spec] && strings.Contains(text, "B-TREE") {
			t.Errorf("%q: %s %v", spec, text, err)
		}
	}
}

// TestDocumentsArePassedOver checks which words a document must contain to be parsed at all.
func TestDocumentsArePassedOver(t *testing.T) {
	for spec, want := range map[string][]string{
		"properties.triage.engineer=bmc": {"bmc", "engineer", "triage", "properties"},
		"properties.triage.engineer=bm*": {"bm", "engineer", "triage", "properties"},
		"properties.triage.engineer=*":   {"engineer", "triage", "properties"},
		"properties.x=1.50":              {"x", "properties"},
		"stack.0=main":                   {"main", "stack"},
		"7.8=7":                          {"7"},
		"a=7 b-c=ä":                      {"7", "a", "b-c"},
		"a.b.c.d.e.f=":                   {"f", "e", "d", "c"},
		"properties.x=undefined":         nil,
		"properties.x=undefined y=z*":    {"z", "y"},
		"triage.engineer=bmc":            {"bmc", "engineer", "triage"},
		"x!=7":                           nil,
		"x=7,x=8":                        {"x"},
		"x=7,x=undefined":                nil,
		"x=7,x!=8":                       nil,
		"x=defined":                      {"x"},
		"x>5":                            {"x"},
	} {
		p := newQueryPlan(parse(t, spec), time.Now())
		var got []string
		for _, word := range p.words {
			got = append(got, string(word))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", spec, diff)
		}
	}
}

// TestNumbers checks that the fields of numbers are those whose values may be written with units.
func TestNumbers(t *testing.T) {
	t.Parallel()
	for _, f := range Fields {
		if f.Number != query.IsNumber(f.Path) {
			t.Errorf("%s: %v", f.Name, f.Number)
		}
	}
}

// TestNames checks which names the table has, and what it says about others.
func TestNames(t *testing.T) {
	t.Parallel()
	c, err := Open(t.Context(), t.TempDir(), "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	record := func(n byte, raw string) {
		t.Helper()
		d := NewDump(dump.ID{n}, []byte(raw), store.Attr{ETag: raw}, "")
		if _, err := c.Record(t.Context(), []Observation{{ID: d.ID, Kind: Found, At: time.Now(), Dump: d}}); err != nil {
			t.Fatal(err)
		}
	}
	record(1, `{"cmd":"a","stack":["f"],"odd":1,"properties":{"triage":{"engineer":"bmc","deep":{"er":1}},"a.b":2,"`+strings.Repeat("n", 200)+`":1}}`)
	record(2, `{"properties":{"count":3}`) // damaged
	record(1, `{"cmd":"a","properties":{"later":1}}`)
	r := Reader{Catalog: c}
	names, err := r.Names(t.Context())
	want := []string{"a.b", "cmd", "count", "later", "odd", "stack", "triage", "triage.deep", "triage.deep.er", "triage.engineer"}
	if diff := cmp.Diff(want, names.All); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for name, lacks := range map[string]bool{"cmd": false, "node": false, "size": false, "signal": false, "signal.name": false, "odd": false, "triage": false,
		"triage.engineer": false, "properties.triage": false, "stack.0": false, "later": false, "os": false, "a.b.c.d.e": false, strings.Repeat("n", 200): false,
		"nosuch": true, "properties.nosuch": true, "triage.nosuch": true, "os.nosuch": true, "ticket!": true, "0": true} {
		if got := names.Lack(name); got != lacks {
			t.Errorf("%.20s: got %v", name, got)
		}
	}
}

// TestNamesAreBounded checks that hostile documents cannot fill the table without end.
func TestNamesAreBounded(t *testing.T) {
	t.Parallel()
	c, err := Open(t.Context(), t.TempDir(), "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range byte(3) {
		var b strings.Builder
		for j := range 3000 {
			fmt.Fprintf(&b, `,"p%d.%d":0`, i, j)
		}
		raw := `{"properties":{"x":1` + b.String() + `}}`
		d := NewDump(dump.ID{i}, []byte(raw), store.Attr{ETag: "e"}, "")
		if _, err := c.Record(t.Context(), []Observation{{ID: d.ID, Kind: Found, At: time.Now(), Dump: d}}); err != nil {
			t.Fatal(err)
		}
	}
	r := Reader{Catalog: c}
	names, err := r.Names(t.Context())
	if err != nil || len(names.All) != maxNames || names.Lack("nosuch") {
		t.Errorf("%d names, %v", len(names.All), err)
	}
}

// TestSQLiteGlob checks which patterns are left to SQLite.
func TestSQLiteGlob(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"*77": "*77 true", `a*[\**`: "a*[[][*]* true", "a?b*": "a*b* false", "ü*": " false", "a*\x00": " false",
		"*a*b*c*d*": " false", "*" + strings.Repeat("x", 2000): " false"} {
		pattern, isWhole := sqliteGlob(value)
		if got := fmt.Sprint(pattern, " ", isWhole); got != want {
			t.Errorf("%.20q: got %q, want %q", value, got, want)
		}
	}
}
