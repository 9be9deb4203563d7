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

func tableOf(t *testing.T, props []string, documents ...string) string {
	t.Helper()
	var b strings.Builder
	if err := WriteTable(&b, sequence(nil, documents...), props); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const (
	startd = `{"type":"core","time":1373566303.75,"cmd":"svc.startd","node":"n","ticket":"OS-2359","properties":{"triage":{"engineer":"bmc"}}}`
	panicd = `{"type":"crash","time":"1373566304","node":"eb9ca020-77a6-41fd-aabb-8f95305f9aa6","stack":["a","b"]}`
)

func TestTable(t *testing.T) {
	for _, c := range []struct {
		name      string
		props     []string
		documents []string
		want      string
	}{
		{"of cores", nil, []string{startd, startd}, `
DUMP             TYPE  TIME                NODE/CMD         TICKET
0433c1ccfb41929d core  2013-07-11T18:11:43 svc.startd       OS-2359
1433c1ccfb41929d core  2013-07-11T18:11:43 svc.startd       OS-2359
`},
		{"with a crash", nil, []string{startd, panicd}, `
DUMP             TYPE  TIME                NODE/CMD                             TICKET
0433c1ccfb41929d core  2013-07-11T18:11:43 svc.startd                           OS-2359
1433c1ccfb41929d crash 2013-07-11T18:11:44 eb9ca020-77a6-41fd-aabb-8f95305f9aa6 -
`},
		{"with properties", []string{"properties.triage.engineer", "time", "stack", "id"}, []string{startd, panicd}, `
DUMP             TYPE  TIME                NODE/CMD                             TICKET  ENGINEER TIME                STACK     ID
0433c1ccfb41929d core  2013-07-11T18:11:43 svc.startd                           OS-2359 bmc      2013-07-11T18:11:43 -         0433c1ccfb41929dedf3257a8d9160ea
1433c1ccfb41929d crash 2013-07-11T18:11:44 eb9ca020-77a6-41fd-aabb-8f95305f9aa6 -       -        2013-07-11T18:11:44 ["a","b"] 1433c1ccfb41929dedf3257a8d9160ea
`},
		{"narrow with a property", []string{"pid"}, []string{`{"type":"core","pid":"7"}`}, `
DUMP             TYPE TIME                NODE/CMD TICKET PID
0433c1ccfb41929d core -                   -        -      7
`},
		{"of none", nil, nil, `
DUMP             TYPE  TIME                NODE/CMD         TICKET
`},
		{"of a damaged one", nil, []string{"<html>", `{"type":"core","cmd":"a`}, `
DUMP             TYPE  TIME                NODE/CMD         TICKET
0433c1ccfb41929d -     -                   -                -
1433c1ccfb41929d core  -                   -                -
`},
		{"of a hostile one", nil, []string{`{"type":"core","cmd":"a\n\u001b[2J\u009b\u202e\u0000é","ticket":"` + "\xff" + `"}`}, `
DUMP             TYPE  TIME                NODE/CMD                    TICKET
0433c1ccfb41929d core  -                   a\n\x1b[2J\u009b\u202e\x00é \xff
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := tableOf(t, c.props, c.documents...); got != c.want[1:] {
				t.Errorf("got\n%swant\n%s", got, c.want[1:])
			}
		})
	}
}

// TestTableStreams checks that a long table is printed as rows arrive, and that a long value widens
// its column only up to a limit.
func TestTableStreams(t *testing.T) {
	r, w := io.Pipe()
	go func() { // ends with the reader
		long := `{"type":"core","cmd":"` + strings.Repeat("x", 100_000) + `","ticket":"T"}`
		endless := func(yield func(*corpus.Dump, error) bool) {
			for {
				for l := range sequence(nil, long, startd) {
					if !yield(l, nil) {
						return
					}
				}
			}
		}
		w.CloseWithError(WriteTable(w, endless, nil))
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
	if err := WriteTable(&b, sequence(broken, startd), nil); !errors.Is(err, broken) || strings.Count(b.String(), "\n") != 2 {
		t.Errorf("got %v and\n%s", err, b.String())
	}
}
