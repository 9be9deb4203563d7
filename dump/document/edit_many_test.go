package document

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// allocated returns the number of bytes that fn allocates. No other test may run at the same
// time.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// manyEdits returns a document with n properties, and one in which each of them is changed,
// removed, or has another one next to it.
func manyEdits(n int) (old, new *Document) {
	var before, after strings.Builder
	for i := range n {
		fmt.Fprintf(&before, `,"p%d":%[1]d,"q.%[1]d":{"r":%[1]d}`, i)
		if i%3 > 0 {
			fmt.Fprintf(&after, `,"p%d":"changed"`, i)
		}
		fmt.Fprintf(&after, `,"q.%d":{"r":%[1]d,"s":1},"new%[1]d":{"a":1}`, i)
	}
	return Parse([]byte(`{"properties":{"x":0` + before.String() + `}}`)), Parse([]byte(`{"properties":{"x":0` + after.String() + `}}`))
}

// TestManyEditsAreLinear checks that many edits do not read or write the whole document each
// time. It measures memory, because time depends on other programs.
func TestManyEditsAreLinear(t *testing.T) {
	const few, times = 200, 8
	work := func(n int) (diff, apply uint64) {
		old, new := manyEdits(n)
		var edits []Edit
		diff = allocated(func() {
			var err error
			if edits, err = Diff(old, new); err != nil || len(edits) != 3*n {
				t.Fatalf("%d edits, %v", len(edits), err)
			}
		})
		apply = allocated(func() {
			raw, _, err := old.Apply(edits...)
			if err != nil || !equalEditable(Parse(raw), new) {
				t.Fatalf("the edits do not make the new document: %v", err)
			}
		})
		return diff, apply
	}
	diff, apply := work(few)
	diffMany, applyMany := work(times * few)
	if diffMany > 2*times*diff {
		t.Errorf("Diff of %d times as many changes allocates %d times as much", times, diffMany/diff)
	}
	if applyMany > 2*times*apply {
		t.Errorf("Apply of %d times as many edits allocates %d times as much", times, applyMany/apply)
	}
}

// TestApplyBoundsTheLayout checks that an edit of a document that consists mostly of space fails
// before it uses up the memory, since each new property copies the layout.
func TestApplyBoundsTheLayout(t *testing.T) {
	doc := Parse([]byte("{\"properties\":{\n" + strings.Repeat(" ", 1<<20) + "\"a\":1}}"))
	var edits []Edit
	for i := range 2000 {
		edits = append(edits, Set(fmt.Sprintf("properties.%d.b", i), "1"))
	}
	var err error
	if n := allocated(func() { _, _, err = doc.Apply(edits...) }); n > 20*MaxSize {
		t.Errorf("%d MB are allocated", n>>20)
	}
	if err == nil || !strings.Contains(err.Error(), ErrTooLarge.Error()) {
		t.Errorf("%.100v", err)
	}
}

var editedLayouts = []string{
	`{}`, `{"properties":{}}`, `{"properties": { } , "x": 1}`, `{"properties":null,"ticket":7}`,
	"{\n\t\"cmd\": \"x\",\n\t\"properties\": {\n\t\t\"a\": {\n\t\t\t\"b\": 1\n\t\t},\n\t\t\"c\": 1.0\n\t},\n\t\"ticket\": \"T\"\n}\n",
	"{\r\n  \"properties\": { \"a\": {} , \"b\" : [ 1 ],\r\n \"c\": \"x\" }\r\n}\r\n",
	`{"properties": {"a": {"b": 1, "b": {"c": 2}}, "a.b": {"c": null}, "a": {"b.c": 3}, "b": null}}`,
	`{ "properties.a":1 , "properties":{"a":{"a":{"a":1},"a.a":2},"a.a.a":{"b":3}},"properties":{"\u0061":{ "c" : {} } } }`,
}

// randomEdit returns an edit of one of a few paths, so that edits affect each other.
func randomEdit(r *rand.Rand) Edit {
	if r.IntN(10) == 0 {
		return Edit{Path: ticketPath, Value: []byte(`"T"`)}
	}
	was := []string{"1", "x", "7"}[r.IntN(3)]
	path := "properties"
	for range 1 + r.IntN(3) {
		path += "." + string(rune('a'+r.IntN(3)))
	}
	if r.IntN(3) == 0 {
		return Unset(path)
	} else if r.IntN(10) == 0 {
		return Edit{Path: path, Was: &was}
	}
	values := []string{"1", " 1.0", "x", `{"a":1}`, "{ \"b\": {\"c\":2 } }", "{\n\t\"a.b\": 1\n}", "[1]", "{ }", `{"a":1,"a":{"b":1}}`}
	e := Set(path, values[r.IntN(len(values))])
	if r.IntN(10) == 0 {
		e.Value = []byte("null")
	}
	e.If = []If{Always, Always, Always, IfAbsent, IfPresent}[r.IntN(5)]
	return e
}

// TestApplyAtOnceIsOneByOne checks that several edits applied at once produce the same bytes as
// when applied one by one.
func TestApplyAtOnceIsOneByOne(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		doc := editedLayouts[r.IntN(len(editedLayouts))]
		now, edits := Parse([]byte(doc)), []Edit(nil)
		for range 1 + r.IntN(12) {
			e := randomEdit(r)
			raw, _, err := now.Apply(e)
			if err != nil {
				_, changed, together := Parse([]byte(doc)).Apply(append(edits, e)...)
				if changed || together == nil || together.Error() != err.Error() {
					t.Fatalf("%v and then %v of %s: %v, not %v", edits, e, doc, together, err)
				}
				continue
			}
			edits, now = append(edits, e), Parse(raw)
		}
		raw, changed, err := Parse([]byte(doc)).Apply(edits...)
		if err != nil || string(raw) != string(now.Raw()) || changed != (string(raw) != doc) {
			t.Fatalf("%v of %q: %v, %v\ngot  %q\nwant %q", edits, doc, changed, err, raw, now.Raw())
		}
	}
}
