package catalog

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thothfs/query"
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
	for spec, index := range map[string]string{
		"":                                  "COVERING INDEX dumps_list",
		"cmd=x":                             "COVERING INDEX dumps_cmd",
		"node=x":                            "COVERING INDEX dumps_node",
		"ticket=x":                          "COVERING INDEX dumps_ticket",
		"ticket=undefined":                  "COVERING INDEX dumps_ticket",
		"platform=x":                        "COVERING INDEX dumps_platform",
		"properties.signature=x":            "COVERING INDEX dumps_signature",
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
		if text := strings.Join(plan, "; "); err != nil || !strings.Contains(text, index) || !strings.Contains(spec, "time") && strings.Contains(text, "B-TREE") {
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
