package document

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

var documentDiffs = []struct {
	name, old, new string
	want           string // path=value, or just path for a removal
}{
	{"nothing", `{"ticket":"A","properties":{"a":1}}`, "{\n\"properties\": { \"a\" : 1 }, \"ticket\":\"\\u0041\"}", ""},
	{"a ticket", `{"cmd":"x"}`, `{"cmd":"x","ticket":"OS-1"}`, `ticket="OS-1"`},
	{"a ticket that is a number", `{}`, `{"ticket":17}`, `ticket="17"`},
	{"a ticket as text", `{"ticket":17}`, `{"ticket":"17"}`, ""},
	{"another ticket", `{"ticket":"A"}`, `{"ticket":"B"}`, `ticket="B"`},
	{"no ticket", `{"ticket":"A"}`, `{}`, `ticket`},
	{"a null ticket", `{"ticket":"A"}`, `{"ticket":null}`, `ticket`},
	{"first property", `{}`, `{"properties":{"a":"b"}}`, `properties.a="b"`},
	{"in the place of null", `{"properties":null}`, `{"properties":{"a":"b"}}`, `properties.a="b"`},
	{"a property replaced", `{"properties":{"a":"b","c":1}}`, `{"properties":{"a":2,"c":1}}`, `properties.a=2`},
	{"a property removed", `{"properties":{"a":"b","c":1}}`, `{"properties":{"c":1}}`, `properties.a`},
	{"all removed", `{"properties":{"a":"b","c":1}}`, `{"x":1}`, `properties.a properties.c`},
	{"deep", `{"properties":{"a":{"b":{"c":1,"d":2}}}}`, `{"properties":{"a":{"b":{"c":3,"d":2}}}}`, `properties.a.b.c=3`},
	{"deep, removed", `{"properties":{"a":{"b":1}}}`, `{"properties":{"a":{}}}`, `properties.a.b`},
	{"an object for a scalar", `{"properties":{"a":1}}`, `{"properties":{"a":{"b":1}}}`, `properties.a={"b":1}`},
	{"a scalar for an object", `{"properties":{"a":{"b":1}}}`, `{"properties":{"a":1}}`, `properties.a=1`},
	{"an array whole", `{"properties":{"a":[1,2]}}`, `{"properties":{"a":[1,3]}}`, `properties.a=[1,3]`},
	{"an empty object", `{"properties":{}}`, `{"properties":{"a":{}}}`, `properties.a={}`},
	{"other fields do not count", `{"cmd":"a","time":1,"properties":{}}`, `{"cmd":"b","stack":[]}`, ""},
	{"a number keeps its form", `{"properties":{"a":1.50,"b":1}}`, `{"properties":{"a":1.50,"b":2}}`, `properties.b=2`},
	{"a number in another form", `{"properties":{"a":1}}`, `{"properties":{"a":1.0}}`, `properties.a=1.0`},
	{"as JavaScript writes it", `{"properties":{"a":[1.50,-0,1E3,2e999,12345678901234567890],"b":{"2":"\u00e9","1":"` + "\xff\xfe" + `"}}}`,
		`{"properties":{"a":[1.5,0,1000,null,12345678901234567000],"b":{"1":"��","2":"é"}}}`, ""},
	{"a key with a dot stays", `{"properties":{"a.b":1,"c":1}}`, `{"properties":{"a.b":1,"c":2}}`, `properties.c=2`},
	{"a key with a dot is set", `{"properties":{"a.b":1}}`, `{"properties":{"a.b":2}}`, `properties.a.b=2`},
	{"a key with a dot is a path", `{"properties":{"a":{"b":1}}}`, `{"properties":{"a.b":1}}`, ""},
	{"a new key with a dot", `{}`, `{"properties":{"libc.so.6":"x"}}`, `properties.libc.so.6="x"`},
	{"of two at one path one goes", `{"properties":{"a.b":1,"a":{"b":2}}}`, `{"properties":{"a":{"b":2}}}`, `properties.a.b properties.a.b=2`},
	{"a key that is there twice", `{"properties":{"a":1,"a":2}}`, `{"properties":{"a":2}}`, ""},
	{"from a damaged one", `{"properties":{"a":1},}`, `{"properties":{"a":2}}`, `properties.a=2`},
}

func TestDiff(t *testing.T) {
	for _, c := range documentDiffs {
		t.Run(c.name, func(t *testing.T) {
			edits, err := Diff(Parse([]byte(c.old)), Parse([]byte(c.new)))
			var got []string
			for _, e := range edits {
				if got = append(got, e.Path); e.Value != nil {
					got[len(got)-1] += "=" + string(e.Value)
				}
			}
			if err != nil || strings.Join(got, " ") != c.want {
				t.Errorf("got %q, %v\nwant %q", got, err, c.want)
			}
		})
	}
}

func TestDiffRefuses(t *testing.T) {
	for name, c := range map[string]struct{ old, new, words string }{
		"nothing":                   {`{}`, ``, "empty"},
		"cut short":                 {`{"properties":{"a":1}}`, `{"properties":{"a":1`, "no longer JSON"},
		"an array":                  {`{}`, `[1]`, "no longer JSON"},
		"two documents":             {`{}`, `{} {"properties":{"a":1}}`, "no longer JSON"},
		"properties are text":       {`{}`, `{"properties":"x"}`, "not an object"},
		"an empty name":             {`{}`, `{"properties":{"":1}}`, "not a name"},
		"an empty name within":      {`{}`, `{"properties":{"a.":1}}`, "not a name"},
		"a path that says two":      {`{}`, `{"properties":{"a.b":1,"a":{"b":2}}}`, "dots"},
		"a value that is no UTF-8":  {`{}`, "{\"properties\":{\"a\":\"\xff\"}}", "UTF-8"},
		"what was there is no room": {`{"properties":7}`, `{"properties":{"a":1}}`, "not an object"},
	} {
		t.Run(name, func(t *testing.T) {
			edits, err := Diff(Parse([]byte(c.old)), Parse([]byte(c.new)))
			if edits != nil || !errors.Is(err, ErrEdit) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v, %v", edits, err)
			}
		})
	}
}

// TestDiffAppliedToALaterVersion checks that later changes by others are kept, and that new
// values have the layout of the document.
func TestDiffAppliedToALaterVersion(t *testing.T) {
	edits, err := Diff(Parse([]byte(`{"properties":{"a":{"x":1,"y":1}}}`)), Parse([]byte(`{"properties":{"a":{"x":1,"y":2}},"ticket":"A"}`)))
	if err != nil {
		t.Fatal(err)
	}
	raw, _, err := Parse([]byte("{\n\t\"properties\": {\"a\": {\"x\": 1.50, \"y\": 1}}\n}\n")).Apply(edits...)
	if want := "{\n\t\"properties\": {\"a\": {\"x\": 1.50, \"y\": 2}},\n\t\"ticket\": \"A\"\n}\n"; err != nil || string(raw) != want {
		t.Errorf("got %q, %v", raw, err)
	}
}

func TestMerged(t *testing.T) {
	old := Parse([]byte(`{"ticket":"A","properties":{"a":{"x":1,"y":1},"b":1,"c":[1]}}`))
	edits, err := Merge(old, Parse([]byte(`{"stack":[],"properties":{"a":{"y":2,"z":{}},"b":{"n":1},"c":[2]}}`)))
	if err != nil {
		t.Fatal(err)
	}
	raw, _, err := old.Apply(edits...)
	if want := `{"ticket":"A","properties":{"a":{"x":1,"y":2,"z":{}},"b":{"n":1},"c":[2]}}`; err != nil || string(raw) != want {
		t.Errorf("got %s, %v", raw, err)
	}
	if edits, err := Merge(old, Parse([]byte(`{"ticket":"B"}`))); err != nil || len(edits) != 1 || string(edits[0].Value) != `"B"` {
		t.Errorf("a ticket: %v, %v", edits, err)
	}
	for _, bad := range []string{``, `[]`, `{"properties":[]}`, `{} {}`} {
		if edits, err := Merge(old, Parse([]byte(bad))); edits != nil || !errors.Is(err, ErrEdit) {
			t.Errorf("%q: %v, %v", bad, edits, err)
		}
	}
}

func TestForeignChanges(t *testing.T) {
	old := Parse([]byte(`{"cmd":"a","time":1.50,"pid":"1","ticket":"A","properties":{}}`))
	if got := ReadOnlyChanges(old, Parse([]byte(`{"properties":{"a":1},"pid":"1","time":1.5,"cmd":"a"}`))); len(got) > 0 {
		t.Errorf("%q", got)
	}
	if got := ReadOnlyChanges(old, Parse([]byte(`{"cmd":"b","time":1.5,"stack":[]}`))); strings.Join(got, " ") != "cmd pid stack" {
		t.Errorf("%q", got)
	}
}

func FuzzDiff(f *testing.F) {
	for _, c := range documentDiffs {
		f.Add([]byte(c.old), []byte(c.new))
		f.Add([]byte(c.new), []byte(c.old))
	}
	for _, c := range damagedDocuments {
		f.Add([]byte(c.in), []byte(sampleDocument))
		f.Add([]byte(sampleDocument), []byte(c.in))
	}
	f.Fuzz(func(t *testing.T, before, after []byte) {
		if len(before)+len(after) > 64<<10 {
			return
		}
		old, new := Parse(before), Parse(after)
		edits, err := Diff(old, new)
		if err != nil {
			if edits != nil || !errors.Is(err, ErrEdit) {
				t.Errorf("edits %v, error %v", edits, err)
			}
			return
		}
		raw, _, err := old.Apply(edits...)
		var damaged *DamagedError
		if errors.As(err, &damaged) || errors.Is(err, ErrEdit) && strings.Contains(err.Error(), "nested too deeply") {
			return
		}
		if err != nil {
			t.Fatalf("edits %v cannot be made: %v", edits, err)
		}
		got := Parse(raw)
		if g, w := editable(got), editable(new); !slices.Equal(g, w) && !equalEditable(got, new) {
			t.Errorf("edits %v make %q of %q, not %q", edits, g, editable(old), w)
		}
		if other := leaves(old, "properties"); !slices.Equal(without(other, "ticket"), without(leaves(got, "properties"), "ticket")) {
			t.Errorf("other fields changed: %q", raw)
		}
		if again, err := Diff(got, new); err != nil || len(again) > 0 {
			t.Errorf("a second time: %v, %v", again, err)
		}
	})
}

// editable returns the ticket and the properties of a document as sorted path=value strings.
func editable(d *Document) (all []string) {
	d.Walk(func(path string, v Value) bool {
		if path == ticketPath && v.Kind() != KindNull || strings.HasPrefix(path, propertiesPath) {
			all = append(all, path+"="+v.Text())
		}
		return true
	})
	slices.Sort(all)
	return all
}

func without(leaves []string, field string) []string {
	return slices.DeleteFunc(leaves, func(l string) bool { return strings.HasPrefix(l, field+"=") || strings.HasPrefix(l, field+".") })
}
