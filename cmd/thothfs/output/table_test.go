package output

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
)

// sequence yields dumps whose hashes begin with 0, 1, 2, …, followed by err, if not nil.
func sequence(err error, documents ...string) iter.Seq2[*corpus.Dump, error] {
	return func(yield func(*corpus.Dump, error) bool) {
		for i, raw := range documents {
			id, _ := dump.ParseID(fmt.Sprintf("%x433c1ccfb41929dedf3257a8d9160ea", i%16))
			if !yield(&corpus.Dump{ID: id, Doc: document.Parse([]byte(raw))}, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// lines yields rows whose cells are separated by "|", followed by err, if not nil.
func lines(err error, all ...string) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		for _, line := range all {
			if !yield(strings.Split(line, "|"), nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

func TestTable(t *testing.T) {
	for _, c := range []struct {
		name   string
		screen Screen
		rows   []string
		want   string
	}{
		{"in a pipe", Screen{}, []string{"a|1|/usr/bin/program|x", "||long|a longer value"}, `
NAME N PATH             LAST
a    1 /usr/bin/program x
-    - long             a longer value
`},
		{"fits", Screen{Width: 38}, []string{"a|1|/usr/bin/program|x", "||long|a longer value"}, `
NAME N PATH             LAST
a    1 /usr/bin/program x
-    - long             a longer value
`},
		{"narrow", Screen{Width: 25}, []string{"a|1|/usr/bin/program|x", "||long|a longer value"}, `
NAME N PATH     LAST
a    1 …program x
-    - long     a longer…
`},
		{"too narrow", Screen{Width: 5}, []string{"abcdefgh|12345|/usr/bin/program|x"}, `
NAME         N PATH LAST
abcdefgh 12345 …ram x
`},
		{"wide characters", Screen{Width: 25}, []string{"ü|1|ab日本語|日本語日本語日本語"}, `
NAME N PATH     LAST
ü    1 ab日本語 日本語日…
`},
		{"colours", Screen{Width: 80, Colours: true}, []string{"a||/x|y"}, "\n\x1b[1mNAME\x1b[0m \x1b[1mN\x1b[0m \x1b[1mPATH\x1b[0m \x1b[1mLAST\x1b[0m\n\x1b[33ma\x1b[0m    - /x   y\n"},
		{"hostile", Screen{}, []string{"a\n\x1b[2J\u009b\u202e\x00é|1||\xff"}, `
NAME                        N PATH LAST
a\n\x1b[2J\u009b\u202e\x00é 1 -    \xff
`},
		{"none", Screen{}, nil, "\nNAME N PATH LAST\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			table := Table{Screen: c.screen, Columns: []Column{{Head: "NAME", Colour: Yellow}, {Head: "N", Right: true}, {Head: "PATH", Min: 4, Cut: ShortenStart}, {Head: "LAST", Min: 4}}}
			if err := table.Write(&b, lines(nil, c.rows...)); err != nil || b.String() != c.want[1:] {
				t.Errorf("%v, got\n%swant\n%s", err, b.String(), c.want[1:])
			}
		})
	}
}

// TestTableStreams checks that a long table is printed as rows arrive, and that a long value widens
// its column only up to a limit.
func TestTableStreams(t *testing.T) {
	r, w := io.Pipe()
	go func() { // ends with the reader
		endless := func(yield func([]string, error) bool) {
			for yield([]string{strings.Repeat("x", 100_000), "T"}, nil) && yield([]string{"short", "OS-2359"}, nil) {
			}
		}
		w.CloseWithError((&Table{Columns: []Column{{Head: "A"}, {Head: "B"}}}).Write(w, endless))
	}()
	head := make([]byte, 1<<20)
	if _, err := io.ReadFull(r, head); err != nil {
		t.Fatal(err)
	}
	r.Close()
	lines := strings.Split(string(head), "\n")
	if len(lines[0]) > 300 || len(lines[2]) > 300 || !strings.Contains(lines[1], "…") || !strings.HasSuffix(lines[2], " OS-2359") {
		t.Errorf("got heads of %d and a row of %d", len(lines[0]), len(lines[2]))
	}
}

func TestTableError(t *testing.T) {
	broken := errors.New("broken")
	var b strings.Builder
	table := Table{Columns: []Column{{Head: "A"}}, NoHeaders: true}
	if err := table.Write(&b, lines(broken, "x")); !errors.Is(err, broken) || b.String() != "x\n" {
		t.Errorf("got %v and\n%s", err, b.String())
	}
}

func TestWriteTSV(t *testing.T) {
	broken := errors.New("broken")
	var b strings.Builder
	err := WriteTSV(&b, []string{"a", "b"}, false, lines(broken, "1|2", "|tab\there\\\n\r", "\x1b[2J\u202e\xff|"+strings.Repeat("é", 100_000)))
	want := "a\tb\n1\t2\n\ttab\\there\\\\\\n\\r\n\\x1b[2J\\u202e\\xff\t" + strings.Repeat("é", 100_000) + "\n"
	if !errors.Is(err, broken) || b.String() != want {
		t.Errorf("%v, got %.200q", err, b.String())
	}
}

func TestScreenOf(t *testing.T) {
	for env, want := range map[string]bool{"LANG=de_DE.UTF-8": true, "LANG=C.utf8 LC_ALL=C": false, "LC_CTYPE=en_US.utf8@euro LANG=C": true, "": false, "LANG=de_DE.ISO-8859-1": false} {
		getenv := func(name string) string {
			for kv := range strings.FieldsSeq(env) {
				if value, ok := strings.CutPrefix(kv, name+"="); ok {
					return value
				}
			}
			return ""
		}
		if s := ScreenOf(&strings.Builder{}, getenv); s != (Screen{UTF8: want}) {
			t.Errorf("%s: %+v", env, s)
		}
	}
}

func TestPagerCommand(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"TERM": "xterm", "PAGER": ""}, ""},
		{map[string]string{"TERM": "xterm", "PAGER": " cat"}, ""},
		{map[string]string{"TERM": "xterm", "PAGER": "more -d"}, "more -d"},
		{map[string]string{"TERM": "dumb"}, ""},
		{map[string]string{}, ""},
		{map[string]string{"TERM": "dumb", "PAGER": "more"}, "more"},
	} {
		if got := PagerCommand(func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }); got != c.want {
			t.Errorf("%v: %q", c.env, got)
		}
	}
}

func TestShortSize(t *testing.T) {
	for in, want := range map[string]string{"0": "0", "1023": "1023", "1024": "1.0K", "10188": "9.9K", "10189": "10K", "1023488": "1.0M", "262144": "256K",
		"3221225472": "3.0G", "9223372036854775807": "8.0E", "": "", "x": "x", "-1": "-1"} {
		if got := ShortSize(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
