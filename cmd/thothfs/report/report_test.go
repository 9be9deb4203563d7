package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/store"
)

// sequence yields dumps with the given documents, followed by err, if not nil.
func sequence(err error, documents ...string) iter.Seq2[*corpus.Dump, error] {
	return func(yield func(*corpus.Dump, error) bool) {
		for i, raw := range documents {
			if !yield(catalog.NewDump(dump.ID{byte(i)}, []byte(raw), store.Attr{}, ""), nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// count returns the report of dumps of some days of July 2013.
func count(t *testing.T, period Period, properties ...string) *Report {
	t.Helper()
	at := func(day, hour int) int64 { return time.Date(2013, 7, day, hour, 59, 0, 0, time.UTC).Unix() }
	r := &Report{Properties: properties, Period: period, Zone: time.UTC}
	err := r.Count(sequence(nil,
		fmt.Sprintf(`{"cmd":"node","signal":{"name":"SIGSEGV"},"time":%d,"properties":{"x":"1"}}`, at(7, 1)),
		fmt.Sprintf(`{"cmd":"node","signal":{"name":"SIGABRT"},"time":%d,"properties":{"x":"1"}}`, at(7, 2)),
		fmt.Sprintf(`{"cmd":"node","signal":{"name":"SIGABRT"},"time":%d}`, at(8, 0)),
		fmt.Sprintf(`{"cmd":"a\u001b\n<&","time":%d}`, at(11, 0)),
		`{"cmd":"","signal":null}`))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func table(t *testing.T, r *Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteTable(&b, output.Screen{}, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		period     Period
		properties []string
		want       string
	}{
		{"", []string{"cmd", "signal"}, `
CMD       SIGNAL  COUNT
(none)    (none)      1
a\x1b\n<& (none)      1
node      SIGSEGV     1
node      SIGABRT     2
`},
		{"", []string{"x"}, `
X      COUNT
1          2
(none)     3
`},
		{"hour", []string{"time"}, `
TIME             COUNT
(none)               1
2013-07-07 01:00     1
2013-07-07 02:00     1
2013-07-08 00:00     1
2013-07-11 00:00     1
`},
		{"day", []string{"time", "cmd"}, `
TIME       CMD       COUNT
(none)     (none)        1
2013-07-07 node          2
2013-07-08 node          1
2013-07-11 a\x1b\n<&     1
`},
		{"week", []string{"time"}, `
TIME     COUNT
(none)       1
2013-W27     2
2013-W28     2
`},
		{"month", []string{"cmd", "time"}, `
CMD       TIME    COUNT
(none)    (none)      1
a\x1b\n<& 2013-07     1
node      2013-07     3
`},
		{"year", []string{"time"}, `
TIME   COUNT
(none)     1
2013       4
`},
	} {
		if got := table(t, count(t, c.period, c.properties...)); got != c.want[1:] {
			t.Errorf("%v by %s:\n%swant\n%s", c.properties, c.period, got, c.want[1:])
		}
	}
	broken := errors.New("broken")
	if err := new(Report).Count(sequence(broken)); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestLimitAndReverse(t *testing.T) {
	t.Parallel()
	r := count(t, "day", "time")
	r.Limit(2)
	r.Reverse()
	if got, want := table(t, r), "TIME       COUNT\n2013-07-07     2\n(none)         1\n"; got != want {
		t.Errorf("%s", got)
	}
}

func TestFillGaps(t *testing.T) {
	t.Parallel()
	first, last := time.Date(2013, 7, 7, 1, 0, 0, 0, time.UTC), time.Date(2013, 7, 11, 0, 0, 0, 0, time.UTC)
	for period, want := range map[Period]int{"hour": 5 + 92, "day": 4 + 2, "week": 3, "month": 2, "year": 2} {
		r := count(t, period, "time")
		r.FillGaps(first, last)
		if len(r.Rows) != want {
			t.Errorf("%s: %d rows, want %d\n%s", period, len(r.Rows), want, table(t, r))
		}
	}
	r := count(t, "hour", "time")
	r.FillGaps(first, last.AddDate(100, 0, 0))
	if len(r.Rows) != 5 {
		t.Errorf("%d rows", len(r.Rows))
	}
	r = count(t, "day", "time", "cmd")
	r.FillGaps(first, last)
	if len(r.Rows) != 4 {
		t.Errorf("%d rows", len(r.Rows))
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	write := func(err error) string {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
		defer b.Reset()
		return b.String()
	}
	if got, want := write(count(t, "", "cmd").WriteJSON(&b)), "{\n    \"a\\u001b\\n<&\": 1,\n    \"node\": 3\n}\n"; got != want {
		t.Errorf("%q", got)
	}
	if got := write((&Report{Properties: []string{"cmd"}}).WriteJSON(&b)); got != "{}\n" {
		t.Errorf("%q", got)
	}
	if got := write((&Report{Properties: []string{"cmd", "x"}}).WriteJSON(&b)); got != "[]\n" {
		t.Errorf("%q", got)
	}
	got := write(count(t, "", "cmd", "signal").WriteJSON(&b))
	if !json.Valid([]byte(got)) || !strings.Contains(got, `    {"count": 2, "values": {"cmd": "node", "signal": "SIGABRT"}}`) || !strings.Contains(got, `{"count": 1, "values": {"cmd": null, "signal": null}}`) {
		t.Errorf("%s", got)
	}
	if got, want := write(count(t, "", "cmd", "signal").WriteTSV(&b, false)), "cmd\tsignal\tcount\n\t\t1\na\\x1b\\n<&\t\t1\nnode\tSIGSEGV\t1\nnode\tSIGABRT\t2\n"; got != want {
		t.Errorf("%q", got)
	}
}

func TestPlot(t *testing.T) {
	t.Parallel()
	r := &Report{Properties: []string{"cmd"}, Rows: []Row{{[]Value{{"small", true}}, 1}, {[]Value{{}}, 0}, {[]Value{{"large", true}}, 160}}}
	for _, c := range []struct {
		screen output.Screen
		want   string
	}{
		{output.Screen{Width: 32, UTF8: true}, "CMD    COUNT \nsmall      1 ▏\n(none)     0  \nlarge    160 ███████████████████\n"},
		{output.Screen{Width: 23}, "CMD    COUNT \nsmall      1 #\n(none)     0  \nlarge    160 ##########\n"},
	} {
		var b strings.Builder
		if err := r.Plot(&b, c.screen); err != nil || b.String() != c.want {
			t.Errorf("%v, got\n%swant\n%s", err, b.String(), c.want)
		}
		for line := range strings.Lines(b.String()) {
			if n := output.TextWidth(strings.TrimSuffix(line, "\n")); n > c.screen.Width {
				t.Errorf("%d columns: %s", n, line)
			}
		}
	}
	long := &Report{Properties: []string{"cmd"}, Rows: []Row{{[]Value{{strings.Repeat("x", 1000), true}}, 1}}}
	var b strings.Builder
	if err := long.Plot(&b, output.Screen{UTF8: true}); err != nil || !strings.Contains(b.String(), "█████") || len(b.String()) > 400 {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestSVG(t *testing.T) {
	t.Parallel()
	r := count(t, "", "cmd")
	for i := range 2 * maxBars {
		r.Rows = append(r.Rows, Row{[]Value{{fmt.Sprintf("<script>%d\x00\x1b\xff", i), true}}, i})
	}
	text := r.SVG("dumps by <cmd>")
	bars := 0
	for d := xml.NewDecoder(strings.NewReader(string(text))); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			if e.Name.Local == "script" {
				t.Error("a value is markup")
			}
			if e.Name.Local == "rect" {
				bars++
			}
		}
	}
	if bars != maxBars+1 {
		t.Errorf("%d bars", bars)
	}
}
