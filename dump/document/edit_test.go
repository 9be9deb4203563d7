package document

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

var appliedEdits = []struct {
	name, in string
	edits    []Edit
	want     string // "" means unchanged
}{
	{"replaced, the rest as odd as it was", "{ \"x\":1.50e+2 ,\"ticket\" :\t\"A\",\"\\u0061\": [ ] }\r\n\n", []Edit{Set("ticket", "B")},
		"{ \"x\":1.50e+2 ,\"ticket\" :\t\"B\",\"\\u0061\": [ ] }\r\n\n"},
	{"no newline at the end", `{"ticket":"A"}`, []Edit{Set("ticket", "B")}, `{"ticket":"B"}`},
	{"added, compact", `{"cmd":"x"}`, []Edit{Set("ticket", "A")}, `{"cmd":"x","ticket":"A"}`},
	{"added, spaced", `{ "cmd": "x" }`, []Edit{Set("ticket", "A")}, `{ "cmd": "x", "ticket": "A" }`},
	{"added, as Python writes", `{"cmd": "x"}`, []Edit{Set("ticket", "A")}, `{"cmd": "x", "ticket": "A"}`},
	{"added, as Python writes more", `{"cmd": "x", "pid": 1}`, []Edit{Set("ticket", "A")}, `{"cmd": "x", "pid": 1, "ticket": "A"}`},
	{"added, tabs", "{\n\t\"cmd\": \"x\"\n}\n", []Edit{Set("ticket", "A")}, "{\n\t\"cmd\": \"x\",\n\t\"ticket\": \"A\"\n}\n"},
	{"added, CRLF", "{\r\n  \"cmd\": \"x\"\r\n}\r\n", []Edit{Set("ticket", "A")}, "{\r\n  \"cmd\": \"x\",\r\n  \"ticket\": \"A\"\r\n}\r\n"},
	{"added to nothing", `{}`, []Edit{Set("ticket", "A")}, "{\n\t\"ticket\": \"A\"\n}"},
	{"into an empty object, tabs", "{\n\t\"properties\": {}\n}\n", []Edit{Set("properties.a", "b")},
		"{\n\t\"properties\": {\n\t\t\"a\": \"b\"\n\t}\n}\n"},
	{"into an empty object, four spaces", "{\n    \"properties\": { }\n}", []Edit{Set("properties.a", "b")},
		"{\n    \"properties\": {\n        \"a\": \"b\"\n    }\n}"},
	{"into an empty object, compact", `{"properties":{},"x":1}`, []Edit{Set("properties.a", "b")}, `{"properties":{"a":"b"},"x":1}`},
	{"into an empty object, Python", `{"x": 1, "properties": {}}`, []Edit{Set("properties.a", "b")}, `{"x": 1, "properties": {"a": "b"}}`},
	{"into an empty object, spaced", `{ "x": 1, "properties": {} }`, []Edit{Set("properties.a", "b")}, `{ "x": 1, "properties": { "a": "b" } }`},
	{"on one line in tabs", "{\n\t\"properties\": { \"a\": 1 }\n}\n", []Edit{Set("properties.b.c", "d")},
		"{\n\t\"properties\": { \"a\": 1, \"b\": { \"c\": \"d\" } }\n}\n"},
	{"parents made, tabs", "{\n\t\"cmd\": \"x\"\n}\n", []Edit{Set("properties.triage.engineer", "bmc")},
		"{\n\t\"cmd\": \"x\",\n\t\"properties\": {\n\t\t\"triage\": {\n\t\t\t\"engineer\": \"bmc\"\n\t\t}\n\t}\n}\n"},
	{"parents made, compact", `{"cmd":"x"}`, []Edit{Set("properties.a.b", "c")}, `{"cmd":"x","properties":{"a":{"b":"c"}}}`},
	{"parents made, CRLF", "{\r\n  \"cmd\": \"x\"\r\n}", []Edit{Set("properties.a", "b")},
		"{\r\n  \"cmd\": \"x\",\r\n  \"properties\": {\r\n    \"a\": \"b\"\r\n  }\r\n}"},
	{"null is an absent parent", `{"properties":null}`, []Edit{Set("properties.a", "b")}, `{"properties":{"a":"b"}}`},
	{"deep in tabs", "{\n\t\"properties\": {\n\t\t\"a\": {}\n\t}\n}", []Edit{Set("properties.a.b", "c")},
		"{\n\t\"properties\": {\n\t\t\"a\": {\n\t\t\t\"b\": \"c\"\n\t\t}\n\t}\n}"},

	{"first removed", `{"a":1, "b":2}`, []Edit{Unset("a")}, `{"b":2}`},
	{"last removed", "{\n\t\"a\":1,\n\t\"b\":2\n}", []Edit{Unset("b")}, "{\n\t\"a\":1\n}"},
	{"middle removed", "{ \"a\":1 , \"b\":2 , \"c\":3 }", []Edit{Unset("b")}, "{ \"a\":1 , \"c\":3 }"},
	{"only one removed", "{\"p\":{\n\t\"a\":1\n}}", []Edit{Unset("p.a")}, `{"p":{}}`},
	{"absent removed", `{"a":1}`, []Edit{Unset("b")}, ""},
	{"absent in a string removed", `{"a":"x"}`, []Edit{Unset("a.b")}, ""},
	{"an object removed", `{"p":{"a":{"b":1},"c":2}}`, []Edit{Unset("p.a")}, `{"p":{"c":2}}`},

	{"so already", "{ \"ticket\" : \"A\" }", []Edit{Set("ticket", "A")}, ""},
	{"so already but for escapes", `{"ticket":"\u0041"}`, []Edit{Set("ticket", "A")}, ""},
	{"so already but for space", `{"p":{"a":[1, 2]}}`, []Edit{Set("p.a", "[1,2]")}, ""},
	{"another way to write a number", `{"p":{"a":1}}`, []Edit{Set("p.a", "1.0")}, `{"p":{"a":1.0}}`},
	{"there and back", `{"ticket":"A"}`, []Edit{Set("ticket", "B"), Set("ticket", "A")}, ""},

	{"a key with a dot", `{"properties":{"a.b":1,"a":{"c":2}}}`, []Edit{Set("properties.a.b", "3")}, `{"properties":{"a.b":3,"a":{"c":2}}}`},
	{"past a key with a dot", `{"properties":{"a.b":1,"a":{"c":2}}}`, []Edit{Set("properties.a.c", "3")}, `{"properties":{"a.b":1,"a":{"c":3}}}`},
	{"beside a key with a dot", `{"properties":{"a.b":"x","a":{}}}`, []Edit{Set("properties.a.b.c", "3")}, `{"properties":{"a.b":"x","a":{"b":{"c":3}}}}`},
	{"all at a path removed", `{"p":{"a.b":1,"a":{"b":2,"b":3}},"p.a.b":4}`, []Edit{Unset("p.a.b")}, `{"p":{"a":{}}}`},
	{"of two the last is set", `{"ticket":"A","x":1,"ticket":"B"}`, []Edit{Set("ticket", "C")}, `{"ticket":"A","x":1,"ticket":"C"}`},
	{"of two both are removed", `{"ticket":"A","x":1,"ticket":"B"}`, []Edit{Unset("ticket")}, `{"x":1}`},
	{"of many all are removed", `{ "a":1 , "b":2, "a":3,"a":4,"c":5,"a":6 }`, []Edit{Unset("a")}, `{ "b":2,"c":5 }`},
	{"nothing but those removed", `{ "a":1 , "a":3 }`, []Edit{Unset("a")}, `{}`},
	{"the last of two parents", `{"p":{"a":1},"p":{"b":1}}`, []Edit{Set("p.a", "2")}, `{"p":{"a":1},"p":{"b":1,"a":2}}`},
	{"a key with an escape", `{"p":{"\u0061\n":1}}`, []Edit{Set("p.a\n", "2")}, `{"p":{"\u0061\n":2}}`},
	{"a key that needs escapes", `{"p":{}}`, []Edit{Set("p.a\"\x00é", "b")}, `{"p":{"a\"\u0000é":"b"}}`},

	{"a ticket is a string", `{"ticket":"A"}`, []Edit{{Path: "ticket", Value: []byte("7")}}, `{"ticket":"7"}`},
	{"null is no ticket", `{"ticket":"A"}`, []Edit{{Path: "ticket", Value: []byte("null")}}, `{}`},
	{"a scalar in the place of an object", `{"p":{"a":{"b":1}}}`, []Edit{Set("p.a", "x")}, `{"p":{"a":"x"}}`},
	{"not UTF-8 elsewhere", "{\"cmd\":\"\xe9\"}", []Edit{Set("ticket", "A")}, "{\"cmd\":\"\xe9\",\"ticket\":\"A\"}"},
	{"a time that is none", `{"time":"never"}`, []Edit{Set("ticket", "A")}, `{"time":"never","ticket":"A"}`},

	{"absent as asked", `{"a":1}`, []Edit{{Path: "b", Value: []byte("2"), If: IfAbsent}}, `{"a":1,"b":2}`},
	{"null as asked", `{"a":null}`, []Edit{{Path: "a", Value: []byte("2"), If: IfAbsent}}, `{"a":2}`},
	{"present as asked", `{"a":1}`, []Edit{{Path: "a", If: IfPresent}}, `{}`},
	{"what it was", `{"a":"x"}`, []Edit{{Path: "a", Value: []byte("2"), Was: new("x")}}, `{"a":2}`},
	{"so already, not what it was", `{"a":2}`, []Edit{{Path: "a", Value: []byte("2"), Was: new("x")}}, ""},
	{"nothing there", `{"a":1}`, []Edit{{Path: "b", Value: []byte("2"), Was: new("x")}}, `{"a":1,"b":2}`},

	{"two documents", "{\n\t\"a\": 1.0,\n\t\"properties\": {\"x\": 1}\n}\n{ \"properties\": { \"y\": \"z\" } }\n", []Edit{Set("ticket", "A")},
		"{\n\t\"a\": 1.0,\n\t\"properties\": {\"x\":1,\"y\":\"z\"},\n\t\"ticket\": \"A\"\n}\n"},
	{"quotes in psargs", "{\n\t\"psargs\": \"sh -c \"echo\"\",\n\t\"b\": 1e2\n}", []Edit{Set("ticket", "A")},
		"{\n\t\"psargs\": \"sh -c \\\"echo\\\"\",\n\t\"b\": 1e2,\n\t\"ticket\": \"A\"\n}"},
	{"a comma too many", `{"a":[1,],}`, []Edit{Set("ticket", "A")}, "{\n\t\"a\": [1],\n\t\"ticket\": \"A\"\n}"},
	{"damaged and so already", `{"ticket":"A",}`, []Edit{Set("ticket", "A")}, ""},
	{"cut short and so already", `{"ticket":"A",`, []Edit{Set("ticket", "A")}, ""},
}

func TestApply(t *testing.T) {
	for _, c := range appliedEdits {
		t.Run(c.name, func(t *testing.T) {
			raw, changed, err := Parse([]byte(c.in)).Apply(c.edits...)
			want := c.want
			if want == "" {
				want = c.in
			}
			if err != nil || string(raw) != want || changed != (c.want != "") {
				t.Fatalf("got %q, %v, %v\nwant %q", raw, changed, err, want)
			}
			if changed && !json.Valid(raw) {
				t.Error("not JSON")
			}
		})
	}
}

func TestApplyRefuses(t *testing.T) {
	set := func(path, value string, cond If) Edit { return Edit{Path: path, Value: []byte(value), If: cond} }
	for _, c := range []struct {
		name, in string
		edit     Edit
		want     error // nil means a DamagedError
		words    string
	}{
		{"through a string", `{"properties":{"a":"x"}}`, Set("properties.a.b", "1"), ErrEdit, `"properties.a" is not an object`},
		{"through an array", `{"properties":{"a":[1]}}`, Set("properties.a.0", "1"), ErrEdit, `"properties.a" is not an object`},
		{"through a number at the top", `{"properties":7}`, Set("properties.a", "1"), ErrEdit, `"properties" is not an object`},
		{"an empty key", `{}`, Set("properties..a", "1"), ErrEdit, "not a name"},
		{"an empty path", `{}`, Set("", "1"), ErrEdit, "not a name"},
		{"a key that is not UTF-8", `{}`, Set("properties.\xff", "1"), ErrEdit, "not a name"},
		{"a value that is not UTF-8", `{}`, Set("properties.a", "\xff"), ErrEdit, "UTF-8"},
		{"a value that is not JSON", `{}`, set("properties.a", "{", Always), ErrEdit, "JSON"},
		{"a value with something behind it", `{}`, set("properties.a", "1 2", Always), ErrEdit, "JSON"},
		{"an empty value", `{}`, set("properties.a", "", Always), ErrEdit, "JSON"},
		{"too deep a path", `{}`, Set("properties"+strings.Repeat(".a", 200), "1"), ErrEdit, "deep"},
		{"too deep a value", `{"properties":{}}`, Set("properties.a", strings.Repeat("[", 127)+strings.Repeat("]", 127)), ErrEdit, "deep"},
		{"there already", `{"a":1}`, set("a", "1", IfAbsent), ErrPresent, `"a": is already set`},
		{"not there", `{"a":1}`, set("b", "1", IfPresent), ErrAbsent, "is not set"},
		{"null is not there", `{"a":null}`, set("a", "1", IfPresent), ErrAbsent, ""},
		{"another", `{"a":"y"}`, Edit{Path: "a", Value: []byte("1"), Was: new("x")}, ErrMismatch, "has another value"},
		{"another to be removed", `{"a":"y"}`, Edit{Path: "a", Was: new("x")}, ErrMismatch, ""},
		{"not there to be removed", `{"a":1}`, Edit{Path: "b", If: IfPresent}, ErrAbsent, ""},
		{"too large", `{}`, Set("properties.a", strings.Repeat("x", MaxSize-10)), ErrTooLarge, "bytes"},

		{"cut short", `{"a":1,"b":"c`, Set("a", "2"), nil, "cut short"},
		{"empty", "", Set("ticket", "A"), nil, "empty"},
		{"no document", "<html>503</html>", Set("ticket", "A"), nil, "not a JSON object"},
		{"text after the end", `{"a":1} oops`, Set("a", "2"), nil, "text after the end"},
		{"a value is missing", `{"a":,"b":1}`, Set("b", "2"), nil, "no value"},
		{"two documents that differ", `{"cmd":"a"}{"cmd":"b"}`, Set("ticket", "2"), nil, "2 documents"},
		{"mended, and not UTF-8", "{\"psargs\":\"\"\xe9\"\",\"a\":1}", Set("a", "2"), nil, "not UTF-8"},
		{"mended, with half a character in a key", `{"\ud800":1,}`, Set("a", "2"), nil, "a comma too many"},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw, changed, err := Parse([]byte(c.in)).Apply(c.edit)
			var damaged *DamagedError
			if c.want == nil && !errors.As(err, &damaged) || c.want != nil && !errors.Is(err, c.want) {
				t.Fatalf("got error %v", err)
			}
			if string(raw) != c.in || changed || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %q, %v, %v", raw, changed, err)
			}
		})
	}
}

// TestApplyToDamaged checks that an edit of a damaged document either fails or keeps everything
// that was readable.
func TestApplyToDamaged(t *testing.T) {
	mended := 0
	for _, c := range damagedDocuments {
		t.Run(c.name, func(t *testing.T) {
			d := Parse([]byte(c.in))
			raw, _, err := d.Apply(Set("properties.new", "value"))
			var damaged *DamagedError
			switch {
			case errors.As(err, &damaged):
				return
			case err != nil:
				t.Fatal(err)
			}
			mended++
			checkEdited(t, d, raw, Set("properties.new", "value"))
			checkFields(t, Parse(raw), c.want)
		})
	}
	if mended < 10 {
		t.Errorf("only %d were mended", mended)
	}
}

func TestPropertyValue(t *testing.T) {
	for text, want := range map[string]string{
		"": `""`, "bmc": `"bmc"`, "a b": `"a b"`, " x ": `" x "`, "line\n": `"line\n"`, `"quoted"`: `"\"quoted\""`,
		"1": "1", "-1.50e3": "-1.50e3", " 12\n": "12", "007": `"007"`, "1.": `"1."`, "0x10": `"0x10"`,
		"true": "true", "false": "false", "null": `"null"`, "True": `"True"`,
		`{"a": [1, 2]}`: `{"a": [1, 2]}`, "[]": "[]", "[1,": `"[1,"`, "{a:1}": `"{a:1}"`,
		"2e999": `"2e999"`, "1234567890123e45": "1234567890123e45", "12345678901234567890": `"12345678901234567890"`,
		"9007199254740992": "9007199254740992", "9007199254740993": `"9007199254740993"`, "100000000000000000000": "100000000000000000000",
		"\xff": "\"\xff\"", "a\xff\nb": "\"a\xff\\nb\"",
	} {
		if got := string(PropertyValue(text)); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestWritable(t *testing.T) {
	for path, want := range map[string]bool{
		"ticket": true, "properties.a": true, "properties.a.b": true, "properties": false, "properties.": false,
		"ticket.a": false, "cmd": false, "": false, "propertiesx": false,
	} {
		if Writable(path) != want {
			t.Errorf("%q is not %v", path, want)
		}
	}
}

// checkEdited checks conditions that hold after every edit that changes a document.
func checkEdited(t *testing.T, d *Document, raw []byte, e Edit) {
	t.Helper()
	after := Parse(raw)
	if after.repaired || !json.Valid(raw) {
		t.Fatalf("not JSON: %q", raw)
	}
	value, _ := e.value()
	v, ok := after.Get(e.Path)
	switch {
	case value == nil && ok:
		t.Errorf("%q is still there: %q", e.Path, raw)
	case value != nil && (!ok || !sameValue(v, Value{value})):
		t.Errorf("%q is %s, want %s, in %q", e.Path, v.JSON(), value, raw)
	}
	if again, changed, err := after.Apply(Edit{Path: e.Path, Value: e.Value}); changed || err != nil || string(again) != string(raw) {
		t.Errorf("a second time: %q %v %v", again, changed, err)
	}
	before, now := leaves(d, e.Path), leaves(after, e.Path)
	if len(before) != len(now) {
		t.Fatalf("%d other leaves became %d: %q, %q", len(before), len(now), before, now)
	}
	for i := range before {
		if before[i] != now[i] {
			t.Errorf("%s became %s", before[i], now[i])
		}
	}
}

// leaves returns the leaves of a document as written, except for those on the path but and below
// it.
func leaves(d *Document, but string) (all []string) {
	d.Walk(func(path string, v Value) bool {
		if path != but && !strings.HasPrefix(path, but+".") && !strings.HasPrefix(but, path+".") {
			all = append(all, path+"="+string(v.JSON()))
		}
		return true
	})
	return all
}

func FuzzApply(f *testing.F) {
	for _, c := range appliedEdits {
		for _, e := range c.edits {
			f.Add([]byte(c.in), e.Path, string(e.Value), e.Value == nil)
		}
	}
	for _, c := range damagedDocuments {
		f.Add([]byte(c.in), "properties.a", "b", false)
	}
	f.Add([]byte(sampleDocument), "properties.a.b", "[1]", false)
	f.Fuzz(func(t *testing.T, in []byte, path, text string, remove bool) {
		if len(in) > 64<<10 {
			return
		}
		e := Set(path, text)
		if remove {
			e = Unset(path)
		}
		d := Parse(in)
		raw, changed, err := d.Apply(e)
		var damaged *DamagedError
		switch {
		case err != nil && !errors.As(err, &damaged) && !errors.Is(err, ErrEdit):
			t.Errorf("error of no kind: %v", err)
		case !changed && string(raw) != string(in):
			t.Errorf("changed without saying so: %q", raw)
		case changed:
			checkEdited(t, d, raw, e)
		}
	})
}
