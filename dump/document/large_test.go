package document

import (
	"fmt"
	"strings"
	"testing"
)

// manyProperties returns a document with n properties. Some keys contain a dot, or lead to the
// same path in two ways.
func manyProperties(n int) *Document {
	var b strings.Builder
	b.WriteString(`{"cmd": "x", "properties": {"a": {"b": "by two keys", "c": 3}, "a.b": "by one"`)
	for i := range n {
		fmt.Fprintf(&b, `, "p%d": "v%[1]d", "q.%[1]d": {"r": %[1]d}`, i)
	}
	b.WriteString(`, "p1": "the last counts"}}`)
	return Parse([]byte(b.String()))
}

// TestGetOfALargeDocument checks that Get returns the same results for a large object as for a
// small one, and does not read all of it each time.
func TestGetOfALargeDocument(t *testing.T) {
	const n = 5000
	small, large := manyProperties(3), manyProperties(n)
	for _, path := range []string{"properties.a.b", "properties.a.c", "properties.a", "properties.p1", "properties.q.2.r", "properties.q.2", "properties.q",
		"properties.none", "properties.", "properties..", "properties.p1.x", "cmd", ""} {
		a, oka := small.Get(path)
		b, okb := large.Get(path)
		if oka != okb || a.Text() != b.Text() {
			t.Errorf("%q is %q (%v) of a small document, %q (%v) of a large one", path, a.Text(), oka, b.Text(), okb)
		}
	}
	path := fmt.Sprintf("properties.q.%d.r", n-1)
	if allocated := testing.AllocsPerRun(10, func() {
		if _, ok := large.Get(path); !ok {
			t.Error("not found")
		}
	}); allocated > 20 {
		t.Errorf("a question takes %.0f allocations in a document of %d properties", allocated, 2*n)
	}
}

// TestPathsAreLinear checks that a long key around many members does not produce paths of
// quadratic total length.
func TestPathsAreLinear(t *testing.T) {
	const few, times = 1000, 8
	work := func(n int) (walked, diffed int) {
		document := func(value string) *Document {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, `,"%d":{"x":%s}`, i, value)
			}
			return Parse([]byte(`{"properties":{"a":1,"` + strings.Repeat("k", n) + `":{"":0` + b.String() + `}}}`))
		}
		old, new := document("1"), document("2")
		old.Walk(func(path string, v Value) bool {
			walked += len(path)
			return true
		})
		edits, err := Diff(old, new)
		if raw, _, aerr := old.Apply(edits...); err != nil || aerr != nil || string(raw) != string(new.Raw()) {
			t.Fatalf("%d edits do not make the new document: %v, %v", len(edits), err, aerr)
		}
		for _, e := range edits {
			diffed += len(e.Path)
		}
		return walked, diffed
	}
	walked, diffed := work(few)
	walkedMany, diffedMany := work(times * few)
	if walkedMany > 2*times*walked || diffedMany > 2*times*diffed {
		t.Errorf("%d times the document has paths of %d bytes instead of %d, and edits of %d instead of %d",
			times, walkedMany, walked, diffedMany, diffed)
	}
}
