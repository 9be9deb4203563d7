package document

import (
	"maps"
	"strings"
	"testing"
)

// with returns sampleFields with some changes.
func with(changes map[string]string) map[string]string {
	fields := maps.Clone(sampleFields)
	maps.Copy(fields, changes)
	return fields
}

func replace(old, replacement string) string {
	if !strings.Contains(sampleDocument, old) {
		panic(old)
	}
	return strings.Replace(sampleDocument, old, replacement, 1)
}

const samplePsargs = `"psargs": "/lib/svc/bin/svc.startd"`

var damagedDocuments = []struct {
	name, in, damage string
	want             map[string]string
}{
	{"quotes in psargs", replace(samplePsargs, `"psargs": "sh -c "echo "a""`),
		`"psargs" holds unescaped quotes`, with(map[string]string{"psargs": `sh -c "echo "a"`})},
	{"JSON in psargs", replace(samplePsargs, `"psargs": "node -e {"a":"b","c":1}"`),
		`"psargs" holds unescaped quotes`, with(map[string]string{"psargs": `node -e {"a":"b","c":1}`})},
	{"only quotes in psargs", replace(samplePsargs, `"psargs": """"`),
		`"psargs" holds unescaped quotes`, with(map[string]string{"psargs": `""`})},
	{"quotes and backslashes in psargs", replace(samplePsargs, `"psargs": "grep "a\.b\n""`),
		`"psargs" holds unescaped quotes`, with(map[string]string{"psargs": `grep "a\.b\n"`})},
	{"quotes in psargs on one line", `{ "cmd": "sh", "psargs": "sh "a" b", "node": "n" }`,
		`"psargs" holds unescaped quotes`, map[string]string{"cmd": "sh", "psargs": `sh "a" b`, "node": "n"}},
	{"backslash in psargs", replace(samplePsargs, `"psargs": "grep a\.b	c"`),
		`"psargs" holds unescaped characters`, with(map[string]string{"psargs": `grep a\.b` + "\tc"})},
	{"quotes in psargs and a second document",
		replace(samplePsargs, `"psargs": "a "b" c"`) + `{ "properties": { "triage": "bmc" } }` + "\n",
		`"psargs" holds unescaped quotes; 2 documents in one file`,
		with(map[string]string{"psargs": `a "b" c`, "properties.triage": "bmc"})},
	{"two documents", replace(`"properties": {}`, `"properties": { "a": 1, "b": {"x":1e2} }`) +
		`{"properties":{"b":"new","c":[1, 2]},"ticket":"OS-1"}`,
		"2 documents in one file",
		with(map[string]string{"properties.a": "1", "properties.b": "new", "properties.c": "[1,2]", "ticket": "OS-1"})},
	{"a comma at the end", replace(`"properties": {}`, `"properties": {"a":[1,2,],},`), "a comma too many",
		with(map[string]string{"properties.a": "[1,2]"})},
	{"commas everywhere", `{,"a":1,,"b":2}`, "a comma too many", map[string]string{"a": "1", "b": "2"}},
	{"a comma forgotten", replace(`"cmd": "svc.startd",`, `"cmd": "svc.startd"`), "a comma is missing", sampleFields},
	{"a value forgotten", replace(`"time": 1373566304,`, `"time": ,`), `"time" has no value`, with(map[string]string{"time": ""})},
	{"no value at all", replace(`1373566304`, `13735x, "x": nul`), `"time" is not JSON; "x" is not JSON`, with(map[string]string{"time": ""})},
	{"quotes in the stack", replace(`"utmpx_postfork+0x44()"`, `"operator"" _km+0x1", "main"`), `"stack" holds unescaped quotes`,
		with(map[string]string{"stack": "[\"libc.so.1`_lwp_kill+0x15()\",\"operator\\\"\\\" _km+0x1\",\"main\"]"})},
	{"empty", "", "empty", nil},
	{"blank", " \n\t ", "empty", nil},
	{"zeros", "\x00\x00\x00", "empty", nil},
	{"an array", `[{"cmd":"x"}]`, "not a JSON object", map[string]string{"cmd": ""}},
	{"a string", `"cmd"`, "not a JSON object", nil},
	{"a page", "<html>503</html>", "not a JSON object", nil},
	{"a dump", "\x7fELF\x02\x01\xff", "not a JSON object; not UTF-8", nil},
	{"byte order mark", "\ufeff" + sampleDocument, "begins with a byte order mark", sampleFields},
	{"zeros at the end", sampleDocument + "\x00\x00", "text after the end", sampleFields},
	{"rubbish within", replace(`"pid"`, `!! oops, "pid"`), "unreadable text; a comma too many", sampleFields},
	{"cut in a string", sampleDocument[:strings.Index(sampleDocument, "joyent_2013")], "cut short",
		map[string]string{"pid": "70377", "psargs": "/lib/svc/bin/svc.startd", "platform": "", "node": ""}},
	{"cut in a number", sampleDocument[:strings.Index(sampleDocument, "566304")], "cut short",
		map[string]string{"version": "1", "time": ""}},
	{"cut in the stack", sampleDocument[:strings.Index(sampleDocument, "postfork")], "cut short",
		map[string]string{"stack": "[\"libc.so.1`_lwp_kill+0x15()\"]", "type": ""}},
	{"cut in the properties", replace(`{}`, `{"a":"b","c":`)[:len(sampleDocument)+8], "cut short",
		map[string]string{"properties.a": "b", "properties.c": ""}},
	{"too deep", `{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `,"b":{"c":1}}`, "nested too deeply",
		map[string]string{"b.c": "1"}},
	{"deep and cut", `{"b":1,"a":` + strings.Repeat(`{"x":`, 100_000), "nested too deeply; cut short", map[string]string{"b": "1"}},
	{"Latin-1", strings.Replace(sampleDocument, "OS-2359", "OS-\xe9", 1), "not UTF-8", with(map[string]string{"ticket": "OS-\xe9"})},
	{"quotes under a long key", `{"` + strings.Repeat("k", 50) + `":"a"b","c":1}`,
		`"` + strings.Repeat("k", 40) + `…" holds unescaped quotes`, map[string]string{"c": "1", strings.Repeat("k", 50): `a"b`}},
	{"three documents", `{"properties":{}}{"properties":{"a":1}}{"properties":{}}{`, "cut short; 4 documents in one file",
		map[string]string{"properties.a": "1"}},
	{"NaN", `{"a":NaN,"b":1}`, `"a" is not JSON`, map[string]string{"a": "", "b": "1"}},
	{"an array without its end", `{"a":[1,2,"b":3}`, `"a" has no end; unreadable text; text after the end`, nil},
}

func TestDamage(t *testing.T) {
	for _, c := range damagedDocuments {
		t.Run(c.name, func(t *testing.T) {
			d := Parse([]byte(c.in))
			if c.want != nil && d.Damage() != c.damage || d.Damage() == "" {
				t.Errorf("damage: got %q, want %q", d.Damage(), c.damage)
			}
			checkDocument(t, d, []byte(c.in))
			checkFields(t, d, c.want)
		})
	}
}

// TestDamageCut checks that a document cut at any position has the values before the cut, and no
// others.
func TestDamageCut(t *testing.T) {
	for n := range len(sampleDocument) - len("}\n") {
		d := Parse([]byte(sampleDocument[:n]))
		checkDocument(t, d, []byte(sampleDocument[:n]))
		if d.Damage() == "" {
			t.Errorf("cut at %d: no damage", n)
		}
		for path, text := range sampleFields {
			if got := d.String(path); got != "" && got != text && path != "stack" {
				t.Errorf("cut at %d: %s is %q", n, path, got)
			}
		}
	}
}

// TestDamageHostile checks that many broken strings on one line do not take quadratic time, in
// which case the test would not finish.
func TestDamageHostile(t *testing.T) {
	for _, piece := range []string{`"a":"x"y `, `"a":"x"y,`, `"`, `":"`, `{"a":1}`, `[`, `{"a":`, `"a":"\`, `,`, `"a" `, `"a":["x"y,`, "\n"} {
		raw := []byte(`{` + strings.Repeat(piece, (1<<20)/len(piece)))
		checkDocument(t, Parse(raw), raw)
	}
}
