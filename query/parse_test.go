package query

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, canonical string }{
		{"", ""},
		{"  \t\n", ""},
		{"type=core", "type=core"},
		{" type=core   cmd=svc*  ticket=undefined mtime=6h ", "type=core cmd=svc* ticket=undefined mtime=6h"},
		{"time=2w otime=1w", "mtime=2w otime=1w"},
		{"mtime=h", "mtime=h"},
		{"mtime=1373566304", "mtime=1373566304"},
		{"mtime=2013-07-11 otime=2013-07-12T02:00:00+02:00", "mtime=2013-07-11 otime=2013-07-12T00:00:00Z"},
		{"time=undefined", "time=undefined"},
		{"limit=20 cmd=a limit=5", "cmd=a limit=5"},
		{"limit=0", ""},
		{"dump=stdin", "dump=stdin"},
		{"dumps=stdin", "dump=stdin"},
		{"name=stdin", "dump=stdin"},
		{`name=\stdin`, `name=\stdin`},
		{"6433c1ccfb41929d", "6433c1ccfb41929d"},
		{"./core.1", "./core.1"},
		{"type=core 6433c1", "6433c1 type=core"},
		{"properties.triage.engineer=bmc", "properties.triage.engineer=bmc"},
		{"ticket=", "ticket="},
		{"psargs=a=b", "psargs=a=b"},
		{"cmd=a cmd=b cmd=a", "cmd=a cmd=b"},
		{`psargs=sh\ -c`, `psargs=sh\ -c`},
		{`cmd=\a\*b`, `cmd=a\*b`},
		{`cmd=a\**`, `cmd=a\**`},
		{"cmd=a***b??", "cmd=a*b??"},
		{`ticket=\undefined`, `ticket=\undefined`},
		{`\limit=3`, `\limit=3`},
		{`\time=137`, `\time=137`},
		{`ti\me=137*`, `\time=137*`},
		{`\time=undefined`, `time=undefined`},
		{`\mtime=undefined`, `\mtime=undefined`},
		{`a\=b=c`, `a\=b=c`},
		{`a\=b`, `a\=b`},
		{`cmd=\\`, `cmd=\\`},
		{"stack=libc.so.1`abort+0x10e()", "stack=libc.so.1`abort+0x10e()"},
	} {
		t.Run(c.in, func(t *testing.T) {
			p, err := Parse(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if p.String() != c.canonical {
				t.Errorf("got %q, want %q", p.String(), c.canonical)
			}
			checkRoundTrip(t, p)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		in      string
		offset  int
		problem string
	}{
		{"=x", 0, "nothing stands before"},
		{"type=core =x", 10, "nothing stands before"},
		{"abc def", 4, "second word"},
		{"limit=many", 6, "whole number"},
		{"limit=-1", 6, "whole number"},
		{"limit=99999999999", 6, "whole number"},
		{"mtime=6x", 6, "not an age"},
		{"mtime=", 6, "missing"},
		{"otime=-5d", 6, "not an age"},
		{"mtime=undefined", 6, "not an age"},
		{"mtime=6*", 6, "not an age"},
		{"mtime=2013-13-01", 6, "not an age"},
		{`cmd=a\`, 5, "backslash"},
	} {
		t.Run(c.in, func(t *testing.T) {
			_, err := Parse(c.in)
			var e *SyntaxError
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if e.Offset != c.offset || !strings.Contains(e.Problem, c.problem) || e.Hint == "" || e.Spec != c.in {
				t.Errorf("got %#v", e)
			}
		})
	}
}

func TestParseArgs(t *testing.T) {
	for _, c := range []struct {
		args      []string
		canonical string
	}{
		{nil, ""},
		{[]string{"type=core", "cmd=svc*"}, "type=core cmd=svc*"},
		{[]string{"type=core cmd=svc*", "limit=3"}, "type=core cmd=svc* limit=3"},
		{[]string{"psargs=sh -c x"}, `psargs=sh\ -c\ x`},
		{[]string{"psargs=/bin/a *", "type=core"}, `psargs=/bin/a\ * type=core`},
		{[]string{"my core"}, `my\ core`},
		{[]string{"6433 type=core"}, `6433 type=core`},
		{[]string{"properties.log=a\nb"}, "properties.log=a\\\nb"},
	} {
		p, err := ParseArgs(c.args)
		if err != nil {
			t.Errorf("%q: %v", c.args, err)
			continue
		}
		if p.String() != c.canonical {
			t.Errorf("%q: got %q, want %q", c.args, p, c.canonical)
		}
		checkRoundTrip(t, p)
	}
	if _, err := ParseArgs([]string{"6433", "7544"}); err == nil {
		t.Error("two identifiers are taken")
	}
}

func TestParseAge(t *testing.T) {
	for _, c := range []struct {
		in   string
		want time.Duration
	}{
		{"90", 90 * time.Second}, {"90s", 90 * time.Second}, {"s", time.Second},
		{"5min", 5 * time.Minute}, {"minute", time.Minute}, {"6h", 6 * time.Hour},
		{"d", 24 * time.Hour}, {"2w", 14 * 24 * time.Hour}, {"week", 7 * 24 * time.Hour},
		{"fortnight", 14 * 24 * time.Hour}, {"m", 31 * 24 * time.Hour}, {"2month", 62 * 24 * time.Hour},
		{"1y", 365 * 24 * time.Hour}, {"year", 365 * 24 * time.Hour}, {"0d", 0}, {"007h", 7 * time.Hour},
		{"9999y", 1<<63 - 1}, {"99999999999999999999999d", 1<<63 - 1},
	} {
		if got, err := ParseAge(c.in); err != nil || got != c.want {
			t.Errorf("%q: got %v, %v, want %v", c.in, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "x", "6 h", "6H", "-1d", "1.5h", "hh", "1h30min", "H"} {
		if _, err := ParseAge(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"type=core cmd=svc* ticket=undefined mtime=6h", `a\ b=c\*?`, "limit=3 dump=stdin 64",
		"time=2013-07-11T00:00:00.5Z", `\limit=\undefined`, "x=%2F", "\xff=\xfe*", "mtime=0001-01-01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := Parse(s); err == nil {
			checkRoundTrip(t, p)
			p.Match(fields{"cmd": s}, time.Unix(0, 0))
			p.And(p).Match(fields{"stack": []string{s}}, time.Unix(0, 0))
		}
		if p, err := ParseArgs([]string{s, s}); err == nil {
			checkRoundTrip(t, p)
		}
	})
}
