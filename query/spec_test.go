package query

import (
	"fmt"
	"math/rand/v2"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// fields is a dump for tests. Its values are strings, []string, or a time.Time under "time".
type fields map[string]any

func (f fields) Lookup(path string) (string, []string, bool) {
	switch v := f[path].(type) {
	case string:
		return v, nil, true
	case []string:
		return "", v, true
	case time.Time:
		return v.String(), nil, true
	}
	return "", nil, false
}

func (f fields) Time() (time.Time, bool) {
	t, ok := f["time"].(time.Time)
	return t, ok
}

// checkRoundTrip checks that p is parsed from what it prints, both as text and as a name.
func checkRoundTrip(t *testing.T, p Spec) {
	t.Helper()
	for _, read := range []func() (Spec, error){
		func() (Spec, error) { return Parse(p.String()) },
		func() (Spec, error) { return ParseName(p.Name()) },
	} {
		q, err := read()
		if err != nil {
			t.Fatalf("%q does not parse: %v", p.String(), err)
		}
		if !reflect.DeepEqual(p, q) || !p.Equal(q) {
			t.Fatalf("%q: printed and read again it is\n%#v, was\n%#v", p.String(), q, p)
		}
	}
	if strings.ContainsAny(p.Name(), "/\x00\n") {
		t.Fatalf("%q is no file name", p.Name())
	}
}

var now = time.Date(2013, 7, 12, 12, 0, 0, 0, time.UTC)

func TestMatch(t *testing.T) {
	d := fields{
		"name": "/thoth/stor/thoth/6433c1ccfb41929dedf3257a8d9160ea", "type": "core", "cmd": "svc.startd",
		"psargs": "/lib/svc/bin/svc.startd", "empty": "",
		"stack":               []string{"libc.so.1`_lwp_kill+0x15()", "utmpx_postfork+0x44()"},
		"none":                []string{},
		"properties.paniclog": "first\nsecond PANIC\nthird",
		"properties.count":    "17",
		"properties.obj":      `{"a":1,"b":[true]}`,
		"time":                now.Add(-6 * time.Hour),
	}
	for spec, want := range map[string]bool{
		"":                                     true,
		"type=core":                            true,
		"type=crash":                           false,
		"type=core cmd=svc.startd":             true,
		"type=core cmd=svc":                    false,
		"cmd=svc* cmd=*d":                      true,
		"cmd=svc* cmd=*x":                      false,
		"cmd=svc?startd":                       true,
		"cmd=svc??startd":                      false,
		"cmd=SVC*":                             false,
		"psargs=/lib/*/svc.startd":             true,
		"ticket=undefined":                     true,
		"cmd=undefined":                        false,
		`cmd=\undefined`:                       false,
		"ticket=*":                             false,
		"empty=":                               true,
		"ticket=":                              false,
		"empty=undefined":                      false,
		"stack=utmpx_postfork+0x44()":          true,
		"stack=utmpx_postfork":                 false,
		"stack=utmpx*":                         true,
		"stack=*kill*fork*":                    false,
		"none=*":                               false,
		"none=undefined":                       false,
		"properties.paniclog=*PANIC*":          true,
		"properties.paniclog=first?second*":    true,
		"properties.count=17":                  true,
		`properties.obj={"a":1,"b":[true]}`:    true,
		"properties.a.b=undefined":             true,
		"mtime=7h":                             true,
		"mtime=6h":                             true,
		"mtime=5h":                             false,
		"otime=5h":                             true,
		"otime=6h":                             false,
		"mtime=2013-07-12 otime=2013-07-13":    true,
		"otime=2013-07-12":                     false,
		"mtime=2013-07-12T06:00:00.000000001Z": false,
		"mtime=9999y":                          true,
		"time=undefined":                       false,
		"6433c1":                               true,
		"6433c2":                               false,
		"id=6433c1ccfb41929dedf3257a8d9160ea":  true,
		"id=6433c1*":                           true,
		"id=undefined":                         false,
		"6433c1 type=core cmd=svc* limit=1":    true,
		"limit=1":                              true,
		"dump=stdin type=core":                 true,
		`cmd=svc\.startd`:                      true,
		"stack=undefined":                      false,
		"psargs=*svc*svc*":                     true,
		"psargs=*svc*svc*svc*":                 false,
		"properties.paniclog=*third properties=*": false,
		"cmd!=svc.startd":                         false,
		"cmd!=node":                               true,
		"ticket!=OS-1":                            true,
		"cmd!=svc*":                               false,
		"stack!=*abort*":                          true,
		"stack!=utmpx*":                           false,
		"none!=*":                                 true,
		"ticket=defined":                          false,
		"cmd=defined":                             true,
		"none=defined":                            true,
		"ticket!=undefined":                       false,
		"time=defined":                            true,
		"cmd=node,cmd=svc*":                       true,
		"cmd=node,cmd=java":                       false,
		"ticket=OS-1,ticket=undefined":            true,
		"cmd=node,cmd!=java":                      true,
		"stack=main,stack=utmpx*":                 true,
		"properties.count>16":                     true,
		"properties.count>17":                     false,
		"properties.count>=17":                    true,
		"properties.count<1K":                     true,
		"properties.count<17":                     false,
		"properties.count<=9":                     false,
		`properties.count<=\9`:                    true,
		"ticket>1":                                false,
		"cmd>1":                                   false,
		"cmd>=svc":                                true,
		"cmd<svc":                                 false,
		"time>=2013-07-12":                        true,
		"time<=2013-07-12":                        true,
		"time<2013-07-12":                         false,
		"time>2013-07-12":                         false,
		"time=2013-07-11..2013-07-12":             true,
		"time=2d..1h":                             true,
		"time=5h..1h":                             false,
	} {
		p, err := Parse(spec)
		if err != nil {
			t.Errorf("%q: %v", spec, err)
			continue
		}
		if got := p.Match(d, now); got != want {
			t.Errorf("%q: got %v", spec, got)
		}
	}
}

func TestMatchNoTime(t *testing.T) {
	for spec, want := range map[string]bool{"mtime=99y": false, "otime=0s": false, "time=undefined": true} {
		p, err := Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Match(fields{}, now); got != want {
			t.Errorf("%q: got %v", spec, got)
		}
	}
}

func TestAnd(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"type=core", "cmd=x", "type=core cmd=x"},
		{"type=core", "type=core", "type=core"},
		{"limit=3", "limit=2 cmd=x", "cmd=x limit=2"},
		{"limit=3", "cmd=x", "cmd=x limit=3"},
		{"dump=stdin", "cmd=x", "dump=stdin cmd=x"},
		{"64", "6433 cmd=x", "6433 cmd=x"},
		{"6433", "64", "6433"},
		{"6433", "75", "6433 id=75*"},
		{"6433", "a*", `6433 id=a\**`},
		{"", "75", "75"},
	} {
		a, _ := Parse(c.a)
		b, _ := Parse(c.b)
		if got := a.And(b); got.String() != c.want {
			t.Errorf("%q and %q: got %q, want %q", c.a, c.b, got, c.want)
		} else {
			checkRoundTrip(t, got)
		}
	}
}

// TestAndKeepsOperands checks that And does not modify its operands, even if their slices have
// spare capacity.
func TestAndKeepsOperands(t *testing.T) {
	a, _ := Parse("a=1 b=2 c=3")
	x, y := a.And(Equal("x", "1")), a.And(Equal("y", "1"))
	if a.String() != "a=1 b=2 c=3" || x.String() != "a=1 b=2 c=3 x=1" || y.String() != "a=1 b=2 c=3 y=1" {
		t.Errorf("got %q, %q, %q", a, x, y)
	}
}

func TestBetween(t *testing.T) {
	from := time.Date(2013, 7, 11, 0, 0, 0, 0, time.FixedZone("", 3600))
	if got, want := Between(from, from.Add(time.Hour)).String(),
		"mtime=2013-07-10T23:00:00Z otime=2013-07-11T00:00:00Z"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Between(time.Time{}, time.Time{}).String(); got != "" {
		t.Errorf("got %q", got)
	}
	for _, year := range []int{-5000, 0, 1, 9999, 10000, 200000} {
		at := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		checkRoundTrip(t, Between(at, at))
		checkRoundTrip(t, Between(time.Now(), at))
	}
}

// TestEqualAnyValue checks that Equal works for any value, and that its specification matches
// only that value.
func TestEqualAnyValue(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		path, value := randomText(rng), randomText(rng)
		if path == "" {
			continue
		}
		p := Equal(path, value)
		checkRoundTrip(t, p)
		checkRoundTrip(t, Spec{constraints: []Constraint{{Path: path, Op: OpUndefined}}})
		other := Constraint{Path: path, Op: OpEqual, Value: randomText(rng), Not: rng.IntN(2) == 0}
		checkRoundTrip(t, Spec{constraints: []Constraint{{Path: path, Op: OpEqual, Value: value, Or: []Constraint{other}}}})
		for _, number := range numbers {
			checkRoundTrip(t, Equal(number, value))
		}
		if !p.Match(fields{path: value}, now) || p.Match(fields{path: value + "x"}, now) {
			t.Fatalf("%q does not find exactly %q", p, value)
		}
	}
}

// TestMatchNaive checks that random specifications survive a round trip and match the same
// dumps as a naive implementation.
func TestMatchNaive(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	hits := 0
	for range 20000 {
		text := randomSpec(rng)
		p, err := Parse(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		checkRoundTrip(t, p)
		d := randomDump(rng)
		got, want := p.Match(d, now), naiveMatch(text, d)
		if got != want {
			t.Fatalf("%q on %v: got %v, want %v", text, d, got, want)
		}
		if got {
			hits++
		}
	}
	if hits < 500 {
		t.Errorf("only %d of the random specifications matched: the test proves little", hits)
	}
}

// randomText returns random text from characters and words with a special meaning and some
// without.
func randomText(rng *rand.Rand) string {
	words := []string{"a", "b", "é", "€", " ", "\n", "\t", `\`, "*", "?", "=", "%", "/", ".", "..", "undefined", "stdin",
		"limit", "mtime", "time", "otime", "dump", "name", "defined", ",", "!", "<", ">", "1G", "7", "%2F", "\x00", "\xff", "\u0085", "~", "%~"}
	var b strings.Builder
	for range rng.IntN(5) {
		b.WriteString(words[rng.IntN(len(words))])
	}
	return b.String()
}

var (
	naiveProps  = []string{"cmd", "node", "stack", "properties.x"}
	naiveValues = []string{"a", "ab", "aab", "é", "éa", "undefined", "a\na"}
)

// randomSpec returns a specification that naiveMatch understands.
func randomSpec(rng *rand.Rand) string {
	patterns := []string{"a", "ab", "aab", "*", "a*", "*b", "?", "a?b", "??", "*?a", "a*?", "é?", "*a*", "a**b", "undefined", "defined", "*b*a*"}
	var words []string
	for range 1 + rng.IntN(3) {
		switch rng.IntN(6) {
		case 0:
			words = append(words, []string{"mtime", "otime", "time"}[rng.IntN(3)]+fmt.Sprintf("=%dd", rng.IntN(5)))
		default:
			prop := naiveProps[rng.IntN(len(naiveProps))]
			word := prop + "=" + patterns[rng.IntN(len(patterns))]
			for rng.IntN(4) == 0 {
				word += "," + prop + "=" + patterns[rng.IntN(len(patterns))]
			}
			if rng.IntN(4) == 0 {
				word = strings.Replace(word, "=", "!=", 1)
			}
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

func randomDump(rng *rand.Rand) fields {
	d := fields{}
	for _, p := range naiveProps {
		if rng.IntN(4) == 0 {
			continue
		}
		v := naiveValues[rng.IntN(len(naiveValues))]
		if p == "stack" {
			d[p] = []string{v, naiveValues[rng.IntN(len(naiveValues))]}[:rng.IntN(3)]
		} else {
			d[p] = v
		}
	}
	if rng.IntN(4) > 0 {
		d["time"] = now.Add(-time.Duration(rng.IntN(5)) * 24 * time.Hour)
	}
	return d
}

// naiveMatch is an independent implementation of Match that reads the words one by one.
func naiveMatch(spec string, d fields) bool {
	for _, word := range strings.Fields(spec) {
		prop, value, _ := strings.Cut(word, "=")
		if strings.HasSuffix(prop, "time") {
			var days int
			fmt.Sscanf(value, "%dd", &days)
			at, ok := d["time"].(time.Time)
			older := ok && now.Sub(at) > time.Duration(days)*24*time.Hour
			if !ok || older != (prop == "otime") {
				return false
			}
			continue
		}
		if !slices.ContainsFunc(strings.Split(word, ","), func(s string) bool { return naiveHolds(s, d) }) {
			return false
		}
	}
	return true
}

// naiveHolds reports whether a dump satisfies PROP=PATTERN or PROP!=PATTERN.
func naiveHolds(word string, d fields) bool {
	prop, value, _ := strings.Cut(word, "=")
	prop, not := strings.CutSuffix(prop, "!")
	var candidates []string
	switch v := d[prop].(type) {
	case nil:
		return (value == "undefined") != not
	case string:
		candidates = []string{v}
	case []string:
		candidates = v
	}
	found := value == "defined" || value != "undefined" && slices.ContainsFunc(candidates, func(s string) bool { return naiveGlob(value, s) })
	return found != not
}

// naiveGlob matches a pattern by trying all possibilities.
func naiveGlob(pattern, s string) bool {
	p, r := []rune(pattern), []rune(s)
	switch {
	case len(p) == 0:
		return len(r) == 0
	case p[0] == '*':
		return naiveGlob(string(p[1:]), s) || len(r) > 0 && naiveGlob(pattern, string(r[1:]))
	}
	return len(r) > 0 && (p[0] == '?' || p[0] == r[0]) && naiveGlob(string(p[1:]), string(r[1:]))
}

// TestGlobHostile matches patterns that would take practically forever with backtracking.
func TestGlobHostile(t *testing.T) {
	for _, pattern := range []string{strings.Repeat("a*", 60) + "b", strings.Repeat("*a?", 60) + "b", strings.Repeat("*", 5000) + "b"} {
		p, err := Parse("cmd=" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		if p.Match(fields{"cmd": strings.Repeat("a", 100_000)}, now) {
			t.Errorf("%.20q… matches", pattern)
		}
	}
}

// FuzzGlob compares patterns with those of the standard library, where the syntax is the same.
func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("*é?", "xéa")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if strings.ContainsAny(pattern, `\[]`) || strings.ContainsAny(pattern+s, "/") || len(pattern) > 50 ||
			strings.ToValidUTF8(pattern+s, "") != pattern+s {
			t.Skip()
		}
		want, err := path.Match(pattern, s)
		if got := compile(pattern).match(s); err == nil && got != want {
			t.Errorf("%q on %q: got %v", pattern, s, got)
		}
	})
}

func TestConstraintPrefix(t *testing.T) {
	for spec, want := range map[string]string{"cmd=svc*": "svc", "cmd=s?c": "s", "cmd=*": "", `cmd=a\*b*c`: "a*b"} {
		p, err := Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Constraints()[0].Prefix; got != want {
			t.Errorf("%q: got %q, want %q", spec, got, want)
		}
	}
}

func TestConstraintCutoff(t *testing.T) {
	p, _ := Parse("mtime=6h otime=2013-07-11")
	c := p.Constraints()
	if got := c[0].Cutoff(now); !got.Equal(now.Add(-6 * time.Hour)) {
		t.Errorf("got %v", got)
	}
	if got := c[1].Cutoff(now); !got.Equal(time.Date(2013, 7, 11, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got %v", got)
	}
	if c[0].MatchText("") {
		t.Error("an age matches a text")
	}
}
