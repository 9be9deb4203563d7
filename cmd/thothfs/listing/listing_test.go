package listing

import (
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/store"
)

const (
	startd = `{"type":"core","time":1373566303.75,"cmd":"svc.startd","node":"n","ticket":"OS-2359","properties":{"triage":{"engineer":"bmc"}}}`
	panicd = `{"type":"crash","time":"1373566304","node":"eb9ca020-77a6-41fd-aabb-8f95305f9aa6","stack":["a","b"],"ticket":null}`
	worker = `{"type":"core","time":1373566305,"cmd":"worker","exe":"/opt/a/long/path/to/bin/worker","signal":{"name":"SIGSEGV","number":11},"size":3221225472,"uid":0}`
)

// sequence yields dumps whose hashes begin with 0, 1, 2, …, followed by err, if not nil.
func sequence(err error, documents ...string) iter.Seq2[*corpus.Dump, error] {
	return func(yield func(*corpus.Dump, error) bool) {
		for i, raw := range documents {
			id, _ := dump.ParseID("0433c1ccfb41929dedf3257a8d9160ea")
			id[0] = byte(i << 4)
			if !yield(catalog.NewDump(id, []byte(raw), store.Attr{}, ""), nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	screen := output.Screen{Width: 80}
	all := []string{startd, panicd, worker}
	for _, c := range []struct {
		name string
		o    Options
		docs []string
		want string
	}{
		{"in a pipe", Options{UTC: true}, all, `
TIME                 DUMP                             SIG     CMD        EXE/NODE                                   SIZE TICKET
2013-07-11T18:11:43Z 0033c1ccfb41929dedf3257a8d9160ea -       svc.startd n                                             - OS-2359
2013-07-11T18:11:44Z 1033c1ccfb41929dedf3257a8d9160ea -       -          eb9ca020-77a6-41fd-aabb-8f95305f9aa6          - -
2013-07-11T18:11:45Z 2033c1ccfb41929dedf3257a8d9160ea SIGSEGV worker     /opt/a/long/path/to/bin/worker       3221225472 -
`},
		{"on a terminal", Options{UTC: true, Screen: screen}, all, `
TIME                 DUMP         SIG     CMD        EXE/NODE       SIZE TICKET
2013-07-11 18:11:43Z 0033c1ccfb41 -       svc.startd n                 - OS-2359
2013-07-11 18:11:44Z 1033c1ccfb41 -       -          …-8f95305f9aa6    - -
2013-07-11 18:11:45Z 2033c1ccfb41 SIGSEGV worker     …to/bin/worker 3.0G -
`},
		{"on a wide terminal", Options{Relative: true, Screen: output.Screen{Width: 120}}, all, `
TIME    DUMP             SIG     CMD        EXE/NODE                             SIZE TICKET
16s ago 0033c1ccfb41929d -       svc.startd n                                       - OS-2359
16s ago 1033c1ccfb41929d -       -          eb9ca020-77a6-41fd-aabb-8f95305f9aa6    - -
15s ago 2033c1ccfb41929d SIGSEGV worker     /opt/a/long/path/to/bin/worker       3.0G -
`},
		{"with properties", Options{UTC: true, NoHeaders: true, Properties: []string{"properties.triage.engineer", "time", "stack", "id"}}, []string{startd, panicd}, `
2013-07-11T18:11:43Z 0033c1ccfb41929dedf3257a8d9160ea - svc.startd n                                    - OS-2359 bmc 2013-07-11T18:11:43Z -         0033c1ccfb41929dedf3257a8d9160ea
2013-07-11T18:11:44Z 1033c1ccfb41929dedf3257a8d9160ea - -          eb9ca020-77a6-41fd-aabb-8f95305f9aa6 - -       -   2013-07-11T18:11:44Z ["a","b"] 1033c1ccfb41929dedf3257a8d9160ea
`},
		{"kilobytes on a terminal", Options{UTC: true, Screen: screen, Properties: []string{"psargs", "stack"}}, []string{`{"type":"core","cmd":"x","psargs":"` + strings.Repeat("word ", 1000) + `","stack":["` + strings.Repeat("frame", 1000) + `"]}`}, `
TIME DUMP         SIG CMD EXE/NODE SIZE TICKET PSARGS           STACK
-    0033c1ccfb41 -   x   -           - -      word word word … ["frameframefra…
`},
		{"wide", Options{Format: Wide, UTC: true, Screen: screen}, []string{worker}, `
TIME                 DUMP             TYPE SIG     CMD    EXE                            NODE SIZE UID TICKET PLATFORM SIGNATURE
2013-07-11 18:11:45Z 0033c1ccfb41929d core SIGSEGV worker /opt/a/long/path/to/bin/worker -    3.0G 0   -      -        -
`},
		{"tsv", Options{Format: TSV, UTC: true, Screen: screen, Properties: []string{"triage.engineer"}}, all, "\n" +
			"id\ttime\ttype\tsignal\tcmd\texe\tnode\tsize\tticket\ttriage.engineer\n" +
			"0033c1ccfb41929dedf3257a8d9160ea\t2013-07-11T18:11:43Z\tcore\t\tsvc.startd\t\tn\t\tOS-2359\tbmc\n" +
			"1033c1ccfb41929dedf3257a8d9160ea\t2013-07-11T18:11:44Z\tcrash\t\t\t\teb9ca020-77a6-41fd-aabb-8f95305f9aa6\t\t\t\n" +
			"2033c1ccfb41929dedf3257a8d9160ea\t2013-07-11T18:11:45Z\tcore\tSIGSEGV\tworker\t/opt/a/long/path/to/bin/worker\t\t3221225472\t\t\n"},
		{"name", Options{Format: Name, Screen: screen}, []string{startd, panicd}, "\n0033c1ccfb41929dedf3257a8d9160ea\n1033c1ccfb41929dedf3257a8d9160ea\n"},
		{"jsonl", Options{Format: JSONL}, []string{`{"a": 1.50, "b": "` + "\u202e" + `"}`, `{}`}, "\n" +
			`{"id":"0033c1ccfb41929dedf3257a8d9160ea","a":1.50,"b":"\u202e"}` + "\n" + `{"id":"1033c1ccfb41929dedf3257a8d9160ea"}` + "\n"},
		{"json", Options{Format: JSON}, nil, "\n[]\n"},
		{"yaml of none", Options{Format: YAML}, nil, "\n[]\n"},
		{"yaml", Options{Format: YAML}, []string{`{"n":1.50,"s":"7","t":"true","list":[1,[],{}],"two":"a\nb\n","odd":"\u001b[2J\u202e\ud83d\ude00","nul":null,"o":{"x: y":"#"},"cr":"a\rb"}`, `{}`}, `
- id: 0033c1ccfb41929dedf3257a8d9160ea
  "n": 1.50
  s: "7"
  t: "true"
  list:
    - 1
    - []
    - {}
  two: |
    a
    b
  odd: "\e[2J\U0000202e\U0001F600"
  nul: null
  o:
    'x: y': '#'
  cr: "a\rb"
- id: 1033c1ccfb41929dedf3257a8d9160ea
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.o.Format == "" {
				c.o.Format = Table
			}
			c.o.Now = time.Unix(1373566320, 0)
			var b strings.Builder
			if err := c.o.Write(&b, sequence(nil, c.docs...)); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); got != c.want[1:] {
				t.Errorf("got\n%swant\n%s", got, c.want[1:])
			}
		})
	}
}

// TestYAMLIsJSON checks that YAML has the values that JSON has, whatever the document.
func TestYAMLIsJSON(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{startd, panicd, worker, `{"a":"- x","b":"~","c":"0x1f","d":"1e3","e":" lead","f":"trail ","g":"","h":"yes","i":"2013-07-11","j":"\u0000\u0085\u2028","k":"a: b #c","l":"\ttab","m":"\n","n":"x\n\n","o":-0.5e3,"<<":"merge","p":"=","q":"\u007f\u009b"}`} {
		var text strings.Builder
		if err := (&Options{Format: YAML}).Write(&text, sequence(nil, raw)); err != nil {
			t.Fatal(err)
		}
		var got, want []map[string]any
		if err := yaml.Unmarshal([]byte(text.String()), &got); err != nil {
			t.Fatalf("%v\n%s", err, text.String())
		}
		text.Reset()
		if err := (&Options{Format: JSON}).Write(&text, sequence(nil, raw)); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(text.String()), &want); err != nil {
			t.Fatal(err)
		}
		a, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var normal []map[string]any
		if err := json.Unmarshal(a, &normal); err != nil {
			t.Fatal(err)
		}
		b, _ := json.Marshal(want)
		if a, _ = json.Marshal(normal); string(a) != string(b) {
			t.Errorf("got %s\nwant %s", a, b)
		}
	}
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		o         Options
		documents bool
		fields    int
	}{
		{Options{Format: Table}, false, 6},
		{Options{Format: Wide}, false, 10},
		{Options{Format: TSV}, false, 7},
		{Options{Format: Name}, false, 0},
		{Options{Format: JSON}, true, 0},
		{Options{Format: YAML}, true, 0},
		{Options{Format: Table, Properties: []string{"uid", "time", "id"}}, false, 7},
		{Options{Format: Table, Properties: []string{"psargs"}}, true, 0},
	} {
		fields, documents := c.o.Needs()
		if documents != c.documents || len(fields) != c.fields || slices.Contains(fields, nil) {
			t.Errorf("%+v: %d fields, %v", c.o, len(fields), documents)
		}
	}
}

func TestWriteError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, f := range Formats {
		var b strings.Builder
		if err := (&Options{Format: f}).Write(&b, sequence(broken, startd)); !errors.Is(err, broken) || !strings.Contains(b.String(), "0033c1ccfb41") {
			t.Errorf("%s: %v\n%s", f, err, b.String())
		}
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{0: "0s ago", 59 * time.Second: "59s ago", time.Hour - 1: "59min ago", 47 * time.Hour: "47h ago", 48 * time.Hour: "2d ago",
		99 * 24 * time.Hour: "99d ago", 100 * 24 * time.Hour: "14w ago", 730 * 24 * time.Hour: "2y ago", -90 * time.Minute: "in 1h"} {
		if got := age(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
