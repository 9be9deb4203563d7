package complete

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/store"
)

// reader returns a catalogue of dumps whose hashes begin with 00, 01, 02, …, one for each document.
func reader(t *testing.T, documents ...string) *catalog.Reader {
	t.Helper()
	c, err := catalog.Open(t.Context(), t.TempDir(), "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	var seen []catalog.Observation
	for i, raw := range documents {
		d := catalog.NewDump(dump.ID{byte(i), 0xab}, []byte(raw), store.Attr{ETag: raw}, "")
		seen = append(seen, catalog.Observation{ID: d.ID, Kind: catalog.Found, At: time.Now(), Dump: d})
	}
	if _, err := c.Record(t.Context(), seen); err != nil {
		t.Fatal(err)
	}
	return &catalog.Reader{Catalog: c, Now: time.Now}
}

func words(all []Candidate) string {
	var b strings.Builder
	for _, c := range all {
		b.WriteString(" " + c.Word)
	}
	return strings.TrimPrefix(b.String(), " ")
}

func TestDumps(t *testing.T) {
	t.Parallel()
	at := time.Date(2013, 7, 11, 18, 11, 43, 0, time.Local)
	r := reader(t, fmt.Sprintf(`{"cmd":"old","time":%d}`, at.Unix()), `{"node":"db7"}`, fmt.Sprintf(`{"cmd":"new","time":%d}`, at.Unix()+60), `{"cmd":["odd","\u001b"],"time":1}`)
	for word, want := range map[string]string{
		"":                  "02ab000000000000 00ab000000000000 03ab000000000000 01ab000000000000",
		"0":                 "02ab000000000000 00ab000000000000 03ab000000000000 01ab000000000000",
		"01A":               "01Ab000000000000",
		"02ab0000000000000": "02ab0000000000000" + strings.Repeat("0", 15),
		"1":                 "",
		"02ab1":             "",
	} {
		got, err := Dumps(t.Context(), r, word)
		if err != nil || words(got) != want {
			t.Errorf("%q: %s, %v", word, words(got), err)
		}
	}
	got, err := Dumps(t.Context(), r, "0")
	if err != nil || got[0].About != "new 2013-07-11 18:12" || got[3].About != "db7" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestConstraints(t *testing.T) {
	t.Parallel()
	r := reader(t, `{"cmd":"node","ticket":"OS-1","properties":{"triage":{"engineer":"bmc"},"note":"two words","list":["a","b"]}}`,
		`{"cmd":"java","ticket":"OS-2","size":7}`, `{"cmd":"na\u001bme"}`, `{"cmd":"*"}`)
	for word, want := range map[string]string{
		"tri":                  "triage= triage.engineer=",
		"properties.tri":       "properties.triage= properties.triage.engineer=",
		"signa":                "signal= signature=",
		"mt":                   "mtime=",
		"cmd=":                 `cmd=\* cmd=java cmd=node cmd=undefined cmd=defined`,
		"cmd!=n":               "cmd!=node",
		"cmd=d":                "cmd=defined",
		"cmd=node,cmd=j":       "cmd=node,cmd=java",
		"ticket=OS-":           "ticket=OS-1 ticket=OS-2",
		"size=":                "size=undefined size=defined",
		"mtime=1":              "mtime=1h mtime=1d mtime=1w mtime=1month mtime=1y",
		"triage.engineer=":     "triage.engineer=bmc triage.engineer=undefined triage.engineer=defined",
		"note=":                `note=two\ words note=undefined note=defined`,
		"list=":                "list=a list=b list=undefined list=defined",
		"nosuch=x":             "",
		"limit=":               "",
		"signal.name=undefine": "signal.name=undefined",
	} {
		got, err := Constraints(t.Context(), r, word)
		if err != nil || words(got) != want {
			t.Errorf("%q: %s, %v", word, words(got), err)
		}
	}
	got, err := Properties(t.Context(), r, "n")
	if err != nil || words(got) != "node note" {
		t.Errorf("%s, %v", words(got), err)
	}
	if got, err := Constraints(t.Context(), nil, "cm"); err != nil || words(got) != "cmd=" {
		t.Errorf("without a catalogue: %s, %v", words(got), err)
	}
	if got, err := Constraints(t.Context(), nil, "cmd=u"); err != nil || words(got) != "cmd=undefined" {
		t.Errorf("without a catalogue: %s, %v", words(got), err)
	}
}

// TestCandidatesAreBounded checks that hostile documents cannot flood the shell.
func TestCandidatesAreBounded(t *testing.T) {
	t.Parallel()
	var documents []string
	for i := range 256 {
		documents = append(documents, fmt.Sprintf(`{"cmd":"c%d","properties":{"p%[1]d":1,"list":["%[1]d","x%[1]d","%s"]}}`, i, strings.Repeat("long", 100)))
	}
	r := reader(t, documents...)
	for word, find := range map[string]func(context.Context, *catalog.Reader, string) ([]Candidate, error){"": Dumps, "p": Properties, "cmd=c": Constraints, "list=": Constraints} {
		got, err := find(t.Context(), r, word)
		if err != nil || len(got) > Most || len(got) < few {
			t.Errorf("%q: %d candidates, %v", word, len(got), err)
		}
		for _, c := range got {
			if len(c.Word) > maxLength {
				t.Errorf("%d bytes", len(c.Word))
			}
		}
	}
}
