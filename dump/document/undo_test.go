package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// undone applies edits one after the other and reverts them. It returns the document after each
// step.
func undone(t *testing.T, doc string, edits ...[]Edit) (after, reverted string, outcomes []Outcome) {
	t.Helper()
	var changes []Change
	now := Parse([]byte(doc))
	for _, e := range edits {
		raw, _, err := now.Apply(e...)
		if err != nil {
			t.Fatal(err)
		}
		next := Parse(raw)
		changes = append(Changes(now, next), changes...)
		now = next
	}
	raw, _, outcomes, err := now.Revert(changes)
	if err != nil {
		t.Fatal(err)
	}
	return string(now.Raw()), string(raw), outcomes
}

func TestRevert(t *testing.T) {
	for _, tt := range []struct {
		name, doc string
		edits     []Edit
	}{
		{"a ticket", `{"cmd":"x"}`, []Edit{Set("ticket", "A")}},
		{"a ticket that is a number", `{"ticket": 17, "cmd": "x"}`, []Edit{Set("ticket", "A")}},
		{"a ticket that goes", `{"cmd":"x","ticket":null}`, []Edit{Unset("ticket")}},
		{"a ticket that is an array", "{\n\t\"cmd\": \"x\",\n\t\"ticket\": [ \"A\",\"B\" ]\n}\n", []Edit{Unset("ticket")}},
		{"numbers, escapes", `{"properties":{"a":1.50,"b":"\u0041","c":-0}}`, []Edit{Unset("properties.c"), Unset("properties.b"), Unset("properties.a")}},
		{"not UTF-8", "{\"properties\":{\"a\xff\":\"\xfe\",\"b\":1}}", []Edit{Unset("properties.a\xff")}},
		{"the first property", "{\n\t\"cmd\": \"x\"\n}\n", []Edit{Set("properties.a", "b")}},
		{"in an object of its own", `{"properties":{}}`, []Edit{Set("properties.a.b.c", "d"), Set("properties.a.b.e", "f")}},
		{"a property of null", `{"properties":{"a":null}}`, []Edit{Set("properties.a.b", "d")}},
		{"properties of null", `{"properties":null}`, []Edit{Set("properties.a.b", "d")}},
		{"a dot in a key", `{"properties":{"a.b":1,"a":{"b.c":2}}}`, []Edit{Unset("properties.a.b"), Unset("properties.a.b.c"), Unset("properties.a")}},
		{"an empty key", `{"properties":{"":1,"a":2}}`, []Edit{Unset("properties.a")}},
		{"an object as a value", `{"properties":{"a":{"x":[1, 2]}}}`, []Edit{Set("properties.a", "text"), Set("properties.b", `{"y":{}}`)}},
		{"the same twice", `{"properties":{"a":"1"}}`, []Edit{Set("properties.a", "2"), Set("properties.a", "3"), Unset("properties.a")}},
		{"facts of the dump", `{"cmd":"x","signal":{"number":6},"size":1}`, []Edit{{Path: "signal.number", Value: []byte("11")}, {Path: "signal.name", Value: []byte(`"SIGSEGV"`)},
			{Path: "size", Value: []byte("2")}, {Path: "exe", Value: []byte(`"/bin/x"`)}, {Path: "os", Value: []byte(`{"kernel":"6.1"}`)}}},
		{"there and gone", `{"properties":{"b":1}}`, []Edit{Set("properties.a", "2"), Unset("properties.a")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var one [][]Edit
			for _, e := range tt.edits {
				one = append(one, []Edit{e})
			}
			for _, edits := range [][][]Edit{one, {tt.edits}} {
				after, back, outcomes := undone(t, tt.doc, edits...)
				if !sameJSON(t, back, tt.doc) {
					t.Errorf("%s became %s, and then %s", tt.doc, after, back)
				}
				if slices.Contains(outcomes, Differs) {
					t.Error(outcomes)
				}
				// The values are identical byte for byte.
				was, is := editableLeaves(Parse([]byte(tt.doc))), editableLeaves(Parse([]byte(back)))
				if !slices.EqualFunc(was, is, func(a, b member) bool { return a.key == b.key && bytes.Equal(a.value.raw, b.value.raw) }) {
					t.Errorf("%s is not %s", back, tt.doc)
				}
			}
		})
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		t.Fatalf("not JSON: %q, %q", a, b)
	}
	return reflect.DeepEqual(x, y)
}

// TestRevertKeepsTheLayout checks that the layout of a document is preserved, and that removed
// members are restored in their original order.
func TestRevertKeepsTheLayout(t *testing.T) {
	doc := "{\n\t\"cmd\": \"x\",\n\t\"properties\": {\n\t\t\"a\": {\n\t\t\t\"b\": [ 1,2 ]\n\t\t},\n\t\t\"c\": 1.0\n\t},\n\t\"ticket\": \"T\"\n}\n"
	after, back, _ := undone(t, doc, []Edit{Unset("properties.a")}, []Edit{Unset("properties.c")}, []Edit{Unset("ticket")})
	if back != doc {
		t.Errorf("%s\nwas\n%s\nafter\n%s", back, doc, after)
	}
}

// TestRevertLeavesLaterEdits checks that later changes by others are kept, and that all other
// values are restored.
func TestRevertLeavesLaterEdits(t *testing.T) {
	doc := Parse([]byte(`{"properties":{"a":"1","b":"1","c":"1"}}`))
	raw, _, err := doc.Apply(Set("properties.a", "2"), Set("properties.b", "2"), Unset("properties.c"), Set("properties.d.e", "2"), Set("ticket", "T"))
	if err != nil {
		t.Fatal(err)
	}
	changes := Changes(doc, Parse(raw))
	later, _, err := Parse(raw).Apply(Set("properties.a", "x"), Set("properties.c", "x"), Set("properties.d.f", "x"), Set("properties.g", "x"))
	if err != nil {
		t.Fatal(err)
	}
	raw, changed, outcomes, err := Parse(later).Revert(changes)
	want := `{"properties":{"a":"x","b":"1","c":"x","d":{"f":"x"},"g":"x"}}`
	if err != nil || !changed || !sameJSON(t, string(raw), want) {
		t.Errorf("%s, %v", raw, err)
	}
	for i, c := range changes {
		want := Reverted
		if path := strings.Join(c.At, "."); path == "properties.a" || path == "properties.c" {
			want = Differs
		}
		if outcomes[i] != want {
			t.Errorf("%q: %v", c.At, outcomes[i])
		}
	}
	again, changed, outcomes, err := Parse(raw).Revert(changes)
	if err != nil || changed || !bytes.Equal(again, raw) || slices.Contains(outcomes, Reverted) {
		t.Errorf("again: %s, %v, %v", again, outcomes, err)
	}
}

// TestRevertChains checks that a chain of edits is undone once, whatever order the clocks give
// it.
func TestRevertChains(t *testing.T) {
	chain := []Change{ // latest first
		{At: []string{"ticket"}, Old: []byte(`"C"`), New: []byte(`"D"`)},
		{At: []string{"ticket"}, Old: []byte(`"B"`), NewSum: Sum([]byte(`"C"`))},
		{At: []string{"ticket"}, Old: nil, New: []byte(`"B"`)},
	}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
		var changes []Change
		for _, i := range order {
			changes = append(changes, chain[i])
		}
		raw, _, outcomes, err := Parse([]byte(`{"cmd":"x","ticket":"D"}`)).Revert(changes)
		if err != nil || string(raw) != `{"cmd":"x"}` || slices.Contains(outcomes, Differs) {
			t.Errorf("%v: %s, %v, %v", order, raw, outcomes, err)
		}
	}
	// The latest change has already been undone separately.
	some, _, outcomes, err := Parse([]byte(`{"cmd":"x","ticket":"C"}`)).Revert(chain)
	if err != nil || string(some) != `{"cmd":"x"}` || !slices.Equal(outcomes, []Outcome{Already, Reverted, Reverted}) {
		t.Errorf("%s, %v, %v", some, outcomes, err)
	}
	raw, changed, outcomes, err := Parse([]byte(`{"cmd":"x"}`)).Revert(chain)
	if err != nil || changed || slices.Contains(outcomes, Reverted) || slices.Contains(outcomes, Differs) {
		t.Errorf("again: %s, %v, %v", raw, outcomes, err)
	}
}

func TestRevertRefuses(t *testing.T) {
	doc := Parse([]byte(`{"cmd":"x","ticket":"A"}`))
	for _, c := range []Change{
		{}, {At: []string{"cmd"}, Old: []byte(`"y"`), New: []byte(`"x"`)}, {At: []string{"ticket", "a"}},
		{At: []string{"ticket"}, Old: []byte(`"y`), New: []byte(`"A"`)}, {At: []string{"ticket"}, Old: []byte(` "y"`), New: []byte(`"A"`)},
		{At: []string{"properties"}, Made: -1}, {At: []string{"properties"}, Made: 2}, {At: make([]string, maxDepth+1)},
	} {
		if raw, changed, _, err := doc.Revert([]Change{c}); !errors.Is(err, ErrEdit) || changed || string(raw) != string(doc.Raw()) {
			t.Errorf("%+v: %s, %v", c, raw, err)
		}
	}
	// Malformed changes do no harm.
	for _, c := range []Change{
		{At: []string{"properties", "a", "b"}}, {At: []string{"properties", "a"}, Made: 1, NewSum: Sum(nil)},
		{At: []string{"properties", "a"}, Old: []byte(strings.Repeat("[", maxDepth-3) + strings.Repeat("]", maxDepth-3))},
	} {
		raw, _, _, err := doc.Revert([]Change{c})
		if err != nil || Parse(raw).Damage() != "" {
			t.Errorf("%+v: %s, %v", c, raw, err)
		}
	}
	damaged := Parse([]byte(`{"cmd":"x","ticket":"A"`))
	var lossy *DamagedError
	if _, _, _, err := damaged.Revert([]Change{{At: []string{"ticket"}, New: []byte(`"A"`)}}); !errors.As(err, &lossy) {
		t.Error(err)
	}
}

// TestRevertOfManyIsLinear checks that the time for many changes is linear in their number.
func TestRevertOfManyIsLinear(t *testing.T) {
	const n = 50_000
	var doc bytes.Buffer
	var changes []Change
	doc.WriteString(`{"properties":{"x":0`)
	for i := range n {
		if i%2 == 0 {
			fmt.Fprintf(&doc, `,"p%d":%d`, i, i)
		}
		c := Change{At: []string{"properties", fmt.Sprintf("p%d", i)}, Old: []byte(`"old"`)}
		if i%2 == 0 {
			c.New, c.Old = []byte(fmt.Sprint(i)), nil
		}
		changes = append(changes, c)
	}
	doc.WriteString(`}}`)
	type result struct {
		raw      []byte
		outcomes []Outcome
	}
	done := make(chan result, 1)
	go func() {
		raw, _, outcomes, _ := Parse(doc.Bytes()).Revert(changes)
		done <- result{raw, outcomes}
	}()
	select {
	case r := <-done:
		if slices.Contains(r.outcomes, Differs) || bytes.Count(r.raw, []byte("old")) != n/2 {
			t.Errorf("%d values are back", bytes.Count(r.raw, []byte("old")))
		}
	case <-time.After(time.Minute): // scanning the document for each change would take an hour
		t.Fatal("not done within a minute")
	}
}

// TestRevertRandom checks that random edits that are undone in order restore the previous values.
func TestRevertRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	keys := []string{"a", "b", "a.b", "c"}
	values := []string{"1", "x", `{"a":1}`, `{"b":{"c":2}}`, "[1]", "{}"}
	for range 3000 {
		doc := `{"cmd":"x","properties":{"a":{"b":1,"c":"2"},"b.c":3,"c":null}}`
		now, changes := Parse([]byte(doc)), []Change(nil)
		for range 1 + r.IntN(6) {
			var edits []Edit
			for range 1 + r.IntN(3) {
				path := "properties." + keys[r.IntN(len(keys))] + "." + keys[r.IntN(len(keys))]
				if r.IntN(2) == 0 {
					path = "properties." + keys[r.IntN(len(keys))]
				}
				e := Set(path, values[r.IntN(len(values))])
				if r.IntN(3) == 0 {
					e = Unset(path)
				}
				if _, _, err := now.Apply(append(slices.Clone(edits), e)...); err == nil {
					edits = append(edits, e)
				}
			}
			raw, _, _ := now.Apply(edits...)
			next := Parse(raw)
			changes = append(Changes(now, next), changes...)
			now = next
		}
		raw, _, outcomes, err := now.Revert(changes)
		if err != nil || !sameJSON(t, string(raw), doc) || slices.Contains(outcomes, Differs) {
			t.Fatalf("%s became %s, and then %s, %v, %v", doc, now.Raw(), raw, outcomes, err)
		}
	}
}
