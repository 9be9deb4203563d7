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
		// negation and defined
		{"cmd!=node", "cmd!=node"},
		{"cmd!=a* cmd!=a**", "cmd!=a*"},
		{"ticket=defined", "ticket=defined"},
		{"ticket!=undefined", "ticket=defined"},
		{"ticket!=defined", "ticket=undefined"},
		{"time=defined", "time=defined"},
		{"time!=defined", "time=undefined"},
		{`ticket=\defined`, `ticket=\defined`},
		{`ticket!=\undefined`, `ticket!=\undefined`},
		{`cmd\!=node`, `cmd\!=node`},
		{`cmd\\!=node`, `cmd\\!=node`},
		{"dump!=stdin", `dump!=\stdin`},
		{`cmd=\=a`, `cmd=\=a`},
		{`cmd!==a`, `cmd!=\=a`},
		{`cmd=\=*`, `cmd=\=*`},
		// alternatives
		{"cmd=node,cmd=java", "cmd=node,cmd=java"},
		{"cmd=node,cmd=ja*,cmd=undefined type=core", "cmd=node,cmd=ja*,cmd=undefined type=core"},
		{"cmd=node,java", "cmd=node,java"},
		{"cmd=node,type=core", "cmd=node,type=core"},
		{`cmd=node\,cmd=java`, `cmd=node\,cmd=java`},
		{`cmd=a,cmd=b\,cmd=c`, `cmd=a,cmd=b\,cmd=c`},
		{`a\,b=1,a\,b=2`, `a\,b=1,a\,b=2`},
		{"stack=*add(long*,int)*", "stack=*add(long*,int)*"},
		{"psargs=*-o\\ rw,uid=0*", "psargs=*-o\\ rw,uid=0*"},
		{"size<1M,size>=1G", "size<1M,size>=1G"},
		{"cmd=a,cmd!=a", "cmd=a,cmd!=a"},
		// comparisons and ranges
		{"size>1G", "size>1G"},
		{"size>=1g size<=1.5KiB", "size>=1g size<=1.5KiB"},
		{"size=1G..4G", "size=1G..4G"},
		{"size=..4G", "size<=4G"},
		{"size=1..", "size>=1"},
		{"size!=1..", "size!=1.."},
		{"size!=1K..2K", "size!=1K..2K"},
		{"size=1G", "size=1073741824"},
		{"size!=1k", "size!=1024"},
		{`size=\1G`, `size=\1G`},
		{`size=\1..2`, `size=\1..2`},
		{"size=1*", "size=1*"},
		{"size=", "size="},
		{"lines=1..5", "lines=1..5"},
		{"heap>=1.5G", "heap>=1.5G"},
		{`heap>=\1`, `heap>=\1`},
		{`size>\abc`, `size>\abc`},
		{"platform>=joyent_2013", "platform>=joyent_2013"},
		{`platform>=a\ \*`, `platform>=a\ \*`},
		{`a>\=b`, `a>\=b`},
		{"a<b=c", "a<b=c"},
		{"a>", "a\\>"},
		{"<a", `\<a`},
		// times
		{"time>=2026-11-01", "mtime=2026-11-01"},
		{"time>2026-11-01", "mtime=2026-11-02T00:00:00Z"},
		{"time<2026-11-01", "otime=2026-11-01"},
		{"time<=2026-11-01", "otime=2026-11-02T00:00:00Z"},
		{"time=2026-11-01..2026-11-03", "mtime=2026-11-01 otime=2026-11-04T00:00:00Z"},
		{"time=2w..1w", "mtime=2w otime=1w"},
		{"time=2w..", "mtime=2w"},
		{"time=..2013-07-11T18:00", "otime=2013-07-11T18:00:00.000000001Z"},
		{"time>6h", "mtime=6h"},
		{"time<=9999-12-31", "otime=9999-12-31T23:59:59.999999999Z"},
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
		{"cmd==node", 3, "does not exist"},
		{"type=core !=x", 10, "nothing stands before"},
		{"a,b=1", 0, "not the name"},
		{"a!b=1", 0, "not the name"},
		{"type=core <a=b", 10, "not the name"},
		{"limit!=3", 0, "takes no"},
		{"mtime>=3d", 0, "takes no"},
		{"otime!=3d", 0, "takes no"},
		{"time!=3d", 0, "takes no"},
		{"mtime=3d,mtime=5d", 6, "no alternatives"},
		{"limit=3,limit=5", 6, "no alternatives"},
		{"time=..", 7, "missing"},
		{"time=1d..x", 9, "not an age"},
		{"size=big", 5, "not a number"},
		{"size=1GB", 5, "not a number"},
		{"size=1..x", 5, "not a number"},
		{"size=0.3K", 5, "not a whole number"},
		{"heap>=1GB", 6, "not a number"},
		{"cmd=a type=core,type=b size=1,size=x", 35, "not a number"},
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
		{[]string{"type=core size>1G cmd!=a"}, "type=core size>1G cmd!=a"},
		{[]string{"psargs=cat <x >y"}, `psargs=cat\ <x\ >y`},
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

// TestParseLarge parses specifications that would take practically forever if each comma or constraint
// were compared with all that follow or precede it by their texts.
func TestParseLarge(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"cmd=" + strings.Repeat(",", 1<<17), "cmd=" + strings.Repeat("a,", 1<<16) + "cmd<1", "cmd=a" + strings.Repeat(",cmd=a", 1<<13),
		`a=b` + strings.Repeat(`\,a=b`, 1<<13), strings.Repeat("a>1 a>2 ", 1<<11)} {
		p, err := Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		checkRoundTrip(t, p)
		p.And(p).Match(fields{"cmd": "x"}, now)
	}
}

func TestIsConstraint(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]bool{"cmd=a": true, "cmd!=a": true, "size>1": true, "size<=1": true, "type=core size>1": true, "=": true,
		"cmd": false, "./core": false, "a b<c": false, ">": false, "size>": false, `cmd\=a`: false, "<1": false} {
		if got := IsConstraint(arg); got != want {
			t.Errorf("%q: got %v", arg, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"0": 0, "-5": -5, "1K": 1024, "1k": 1024, "2KiB": 2048, "1.5M": 3 << 19, "4G": 4 << 30, "1T": 1 << 40, "2P": 2 << 50, "1.0": 1, "1e3": 1000} {
		if got, ok := parseSize(text); !ok || got != (Number{Int: want}) {
			t.Errorf("%q: got %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "K", "1KB", "1B", "1iB", "1 K", "0x10", "inf", "nan", "1_000", "+1", ".5", "1e999", "1eK", "1KK", "--1"} {
		if got, ok := parseSize(text); ok {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
	for _, c := range []struct{ low, high string }{{"9007199254740992", "9007199254740993"}, {"-1", "0"}, {"1.5", "2"}, {"9223372036854775807", "1e19"}, {"8192P", "9000P"}} {
		low, lok := parseSize(c.low)
		high, hok := parseSize(c.high)
		if !lok || !hok || low.compare(high) >= 0 || high.compare(low) <= 0 || low.compare(low) != 0 {
			t.Errorf("%s is not less than %s", c.low, c.high)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"type=core cmd=svc* ticket=undefined mtime=6h", `a\ b=c\*?`, "limit=3 dump=stdin 64",
		"cmd!=a,cmd=b*,cmd=defined", "size=1G..4G size>1K,size=5", `a>=\1,a<b`, "time=2w..1w time>2026-11-01", `x!=1..2,x=\=y\,x=z`,
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
