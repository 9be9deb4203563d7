package document

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// sampleDocument is a document in the original's layout, which tests damage.
const sampleDocument = `{
	"name": "/thoth/stor/thoth/6433c1ccfb41929dedf3257a8d9160ea",
	"dump": "/thoth/stor/thoth/6433c1ccfb41929dedf3257a8d9160ea/core.svc.startd.70377",
	"pid": "70377",
	"cmd": "svc.startd",
	"psargs": "/lib/svc/bin/svc.startd",
	"platform": "joyent_20130625T221319Z",
	"node": "eb9ca020-77a6-41fd-aabb-8f95305f9aa6",
	"version": "1",
	"time": 1373566304,
	"stack": [ "libc.so.1` + "`" + `_lwp_kill+0x15()", "utmpx_postfork+0x44()" ],
	"type": "core",
	"ticket": "OS-2359",
	"properties": {}
}
`

var sampleFields = map[string]string{
	"pid": "70377", "cmd": "svc.startd", "psargs": "/lib/svc/bin/svc.startd", "platform": "joyent_20130625T221319Z",
	"node": "eb9ca020-77a6-41fd-aabb-8f95305f9aa6", "version": "1", "time": "1373566304", "type": "core",
	"ticket": "OS-2359", "stack": "[\"libc.so.1`_lwp_kill+0x15()\",\"utmpx_postfork+0x44()\"]",
}

// checkFields checks the text at each path; "" means absent.
func checkFields(t *testing.T, d *Document, want map[string]string) {
	t.Helper()
	for path, text := range want {
		v, ok := d.Get(path)
		if v.Text() != text || ok != (text != "") {
			t.Errorf("%s: got %q, %v, want %q", path, v.Text(), ok, text)
		}
	}
}

func TestDocument(t *testing.T) {
	d := Parse([]byte(sampleDocument))
	if d.Damage() != "" {
		t.Errorf("damage: %s", d.Damage())
	}
	checkFields(t, d, sampleFields)
	if string(d.Raw()) != sampleDocument || string(d.Text()) != sampleDocument {
		t.Error("the bytes are not kept")
	}
	if at, ok := d.Time(); !ok || !at.Equal(time.Date(2013, 7, 11, 18, 11, 44, 0, time.UTC)) || at.Location() != time.UTC {
		t.Errorf("time: got %v, %v", at, ok)
	}
	if want := []string{"libc.so.1`_lwp_kill+0x15()", "utmpx_postfork+0x44()"}; !slices.Equal(d.Stack(), want) {
		t.Errorf("stack: got %q", d.Stack())
	}
	if _, list, ok := d.Lookup("stack"); !ok || len(list) != 2 {
		t.Errorf("lookup of the stack: got %q, %v", list, ok)
	}
}

func TestDocumentGet(t *testing.T) {
	d := Parse([]byte(`{"a":{"b":{"c":1e3,"":"x"},"b.c":2},"a.b":{"c":3,"d":[10,{"e":"f"},[true]]},` +
		`"null":null,"twice":1,"s":"\u00e9\ud83d\ude00\n\"\\\/\ud800x","twice":{"x":-0.50E+2},"":7,"empty":{},"list":[]}`))
	if d.Damage() != "" {
		t.Fatal(d.Damage())
	}
	checkFields(t, d, map[string]string{
		"a.b.c": "3", "a.b.d.0": "10", "a.b.d.1.e": "f", "a.b.d.2.0": "true", "a.b.d.3": "", "a.b.d.-1": "", "a.b.d.01": "",
		"a.b.d.x": "", "a.b.d.1.x": "", "a.b.": "x", "twice.x": "-0.50E+2", "twice": `{"x":-0.50E+2}`, "null": "null",
		"s": "é😀\n\"\\/\ufffdx", "": "7", "a": `{"b":{"c":1e3,"":"x"},"b.c":2}`, "x": "", ".": "", "a..": "", "empty": "{}",
		"list": "[]", "list.0": "", "a.b.c.d": "",
	})
	if text := d.String("null"); text != "" {
		t.Errorf("null: got %q", text)
	}
	if _, _, ok := d.Lookup("null"); ok {
		t.Error("null counts as something")
	}
	if _, list, ok := d.Lookup("list"); list == nil || !ok {
		t.Error("an empty array is no array")
	}
}

func TestDocumentStack(t *testing.T) {
	for in, want := range map[string][]string{
		`{}`: nil, `{"stack":null}`: nil, `{"stack":[]}`: {}, `{"stack":["a",1]}`: {"a", "1"}, `{"stack":"a\nb\n"}`: {"a", "b"},
	} {
		if got := Parse([]byte(in)).Stack(); !slices.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

func TestDocumentWalk(t *testing.T) {
	d := Parse([]byte(`{"b":1,"a":{"x":{"y":2,"z":{}},"l":[1,{"q":2}]},"b":3,"properties":{}}`))
	var got []string
	d.Walk(func(path string, v Value) bool {
		got = append(got, path+"="+v.Text())
		return true
	})
	want := []string{"b=3", "a.x.y=2", "a.x.z={}", `a.l=[1,{"q":2}]`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	n := 0
	d.Walk(func(string, Value) bool { n++; return n < 2 })
	if n != 2 {
		t.Errorf("went on to %d leaves", n)
	}
}

func TestDocumentManyMembers(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"cmd":"first"`)
	for i := range 3 * maxMembers {
		b.WriteString(`,"k` + strings.Repeat("x", i%700) + `":` + `{"n":1}`)
	}
	b.WriteString(`,"cmd":"last"}`)
	d := Parse([]byte(b.String()))
	checkFields(t, d, map[string]string{"cmd": "last", "kxx.n": "1", "kxx.m": ""})
	n := 0
	d.Walk(func(string, Value) bool { n++; return true })
	if n != 701 {
		t.Errorf("walked %d leaves", n)
	}
}

func TestDocumentTime(t *testing.T) {
	for in, want := range map[string]string{
		`1373566304`:            "2013-07-11T18:11:44Z",
		`1373566304.123`:        "2013-07-11T18:11:44.123Z",
		`1373566304.1234567891`: "2013-07-11T18:11:44.123456789Z",
		`"1373566304"`:          "2013-07-11T18:11:44Z",
		`" 1373566304.5 "`:      "2013-07-11T18:11:44.5Z",
		`0`:                     "1970-01-01T00:00:00Z",
		`-0.5`:                  "1969-12-31T23:59:59.5Z",
		`1.373566304e9`:         "2013-07-11T18:11:44Z",
		`null`:                  "",
		`"abc"`:                 "damage",
		`""`:                    "damage",
		`"0x10"`:                "damage",
		`1e400`:                 "damage",
		`-1e11`:                 "damage",
		`99999999999999999999`:  "damage",
		`[1]`:                   "damage",
		`true`:                  "damage",
	} {
		d := Parse([]byte(`{"time":` + in + `}`))
		at, ok := d.Time()
		got := ""
		if ok {
			got = at.Format(time.RFC3339Nano)
		} else if d.Damage() == "time is not a number of seconds" {
			got = "damage"
		}
		if got != want {
			t.Errorf("%s: got %s (%s), want %s", in, got, d.Damage(), want)
		}
	}
}

func TestDocumentText(t *testing.T) {
	for in, want := range map[string]string{"": "", "{}": "{}\n", "{}\n": "{}\n", "{}\n\n": "{}\n\n", "x": "x\n"} {
		if got := Parse([]byte(in)).Text(); string(got) != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestDocumentHuge(t *testing.T) {
	long := strings.Repeat("x", 32<<20)
	d := Parse([]byte(`{"psargs":"` + long + `","cmd":"a"}`))
	if d.Damage() != "" || d.String("cmd") != "a" || len(d.String("psargs")) != len(long) {
		t.Errorf("damage %q, cmd %q", d.Damage(), d.String("cmd"))
	}
	d = Parse([]byte(`{"psargs":"` + long))
	if d.Damage() != "damaged, and too large to mend" {
		t.Errorf("damage %q", d.Damage())
	}
}

func FuzzDocument(f *testing.F) {
	f.Add([]byte(sampleDocument), "properties.triage")
	for _, c := range damagedDocuments {
		f.Add([]byte(c.in), "stack.0")
	}
	f.Fuzz(func(t *testing.T, raw []byte, path string) {
		d := Parse(slices.Clone(raw))
		checkDocument(t, d, raw)
		d.Get(path)
	})
}

// checkDocument checks properties that hold for any Document, whatever its bytes.
func checkDocument(t *testing.T, d *Document, raw []byte) {
	t.Helper()
	if string(d.Raw()) != string(raw) {
		t.Fatal("the bytes are not kept")
	}
	if !json.Valid(d.Value().JSON()) || d.Value().Kind() != KindObject {
		t.Fatalf("what is shown is not JSON: %q", d.Value().JSON())
	}
	if sound := json.Valid(raw) && strings.HasPrefix(strings.TrimLeft(string(raw), " \t\r\n"), "{"); sound &&
		strings.ReplaceAll(strings.ReplaceAll(d.Damage(), "not UTF-8", ""), "time is not a number of seconds", "") != "" &&
		!strings.Contains(d.Damage(), ";") && !strings.Contains(d.Damage(), "nested") {
		t.Fatalf("a sound document is called %q", d.Damage())
	}
	d.Time()
	d.Stack()
	d.Walk(func(path string, v Value) bool {
		if _, ok := d.Get(path); !ok {
			t.Fatalf("%q is walked and not found", path)
		}
		v.Text()
		d.Lookup(path)
		return true
	})
}
