package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"thothfs/corpus"
	"thothfs/corpus/catalog"
	"thothfs/dump/document"
	"thothfs/query"
	"thothfs/store/mem"
)

// oddDocuments maps the first digit of a hash to an unusual document.
var oddDocuments = map[string]string{
	"1": `{"cmd": "java", "ticket": ["OS-1", "OS-2"], "time": 1373566305}`,
	"2": `{"cmd": "no time"}`,
	"3": `{"cmd": "broken", "time": 1373566306, "pl`,
	"4": `["no", "object"]`,
	"5": `null`,
	"6": "{\"cmd\": \"not \xff UTF-8\", \"time\": \"-62135596799\"}",
	"7": `{"cmd": "` + strings.Repeat("long ", 1000) + `", "time": 253402300799.999999}`,
	"8": `{"cmd": "", "node": null, "ticket": 17}`,
	"9": "{\"cmd\": \"\u00fcml\u00e4ut \\u0000\"}\n",
	"a": `{"cmd": "node", "type": "core", "node": "h1", "platform": "p", "ticket": "OS-1", "time": 1373566304.25, "properties": {"signature": "ab"}}`,
}

func oddCorpus(t *testing.T) *corpus.Corpus {
	t.Helper()
	s := mem.New()
	for digit, doc := range oddDocuments {
		s.Set(strings.Repeat(digit, 32)+"/info.json", []byte(doc))
	}
	c, err := corpus.Open(t.Context(), corpus.Options{Store: s, Name: "odd", Root: "/odd", Dir: t.TempDir(), Poll: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// parquetTable reads a file with the library. It returns the names of the columns and the rows of
// each group.
func parquetTable(t *testing.T, file []byte) (names []string, groups [][]parquet.Row) {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, column := range f.Schema().Columns() {
		names = append(names, strings.Join(column, "."))
	}
	for _, g := range f.RowGroups() {
		rows := g.Rows()
		var all []parquet.Row
		for buf := make([]parquet.Row, 7); ; {
			n, err := rows.ReadRows(buf)
			for _, row := range buf[:n] {
				all = append(all, row.Clone())
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		rows.Close()
		groups = append(groups, all)
	}
	return names, groups
}

// timeColumn is the index of the column after those of the fields.
const timeColumn = 1 + len(catalog.Fields)

// wantRow returns the expected values of a dump's row, as text.
func wantRow(d *corpus.Dump) []string {
	text := func(s string) string {
		if s == "" {
			return "null"
		}
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return "null"
		}
		return fmt.Sprint(t.UnixMicro())
	}
	info := "null"
	if d.Doc.IsJSON() {
		info = text(string(d.Doc.Raw()))
	}
	row := []string{d.ID.String()}
	for i := range catalog.Fields {
		row = append(row, text(d.Text(&catalog.Fields[i])))
	}
	return append(row, at(d.Time), at(d.ModTime), text(d.Damage), info)
}

func gotRow(row parquet.Row) (texts []string) {
	for _, v := range row {
		switch {
		case v.IsNull():
			texts = append(texts, "null")
		case v.Kind() == parquet.Int64:
			texts = append(texts, fmt.Sprint(v.Int64()))
		default:
			texts = append(texts, string(v.ByteArray()))
		}
	}
	return texts
}

// TestExportParquet checks that a Parquet file agrees with the corpus for all kinds of documents.
func TestExportParquet(t *testing.T) {
	c := oddCorpus(t)
	var file bytes.Buffer
	if err := writeGroups(&file, c.Dumps(t.Context(), query.Spec{}), "", groupBytes); err != nil {
		t.Fatal(err)
	}
	names, groups := parquetTable(t, file.Bytes())
	if got := strings.Join(names, " "); !strings.HasPrefix(got, "id type cmd node platform ticket signature ") || !strings.HasSuffix(got, " time modified damage info") {
		t.Errorf("columns: %s", got)
	}
	var want [][]string
	for d, err := range c.Dumps(t.Context(), query.Spec{}) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, wantRow(d))
	}
	var got [][]string
	for _, row := range slices.Concat(groups...) {
		got = append(got, gotRow(row))
	}
	if len(got) != len(oddDocuments) {
		t.Errorf("%d rows of %d dumps", len(got), len(oddDocuments))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, row := range got { // independently check the important values
		if strings.HasPrefix(row[0], "11") && (row[5] != "null" || row[timeColumn] != "1373566305000000" || !strings.Contains(row[timeColumn+3], "OS-2")) {
			t.Errorf("an array: %q", row)
		}
		if strings.HasPrefix(row[0], "33") && (row[2] != "broken" || row[timeColumn+2] == "null" || row[timeColumn+3] != "null") {
			t.Errorf("a broken document: %q", row)
		}
	}
}

// TestExportParquetTypes checks that the columns have the documented types.
func TestExportParquetTypes(t *testing.T) {
	s := parquetSchema(parquetColumns())
	for _, column := range []struct{ name, kind string }{{"id", "STRING"}, {"cmd", "STRING"}, {"time", "TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)"}, {"info", "JSON"}} {
		leaf, ok := s.Lookup(column.name)
		if !ok || fmt.Sprint(leaf.Node.Type()) != column.kind || leaf.Node.Optional() != (column.name != "id") {
			t.Errorf("%s is %v", column.name, leaf.Node)
		}
	}
}

// TestExportParquetGroups checks that row groups limit memory use, and that errors of the corpus
// and of the disk are returned.
func TestExportParquetGroups(t *testing.T) {
	const size = 1 << 20
	large := &corpus.Dump{Doc: document.Parse([]byte("{" + strings.Repeat(" ", size/2+1) + "}"))}
	dumps := func(n int, last error) iter.Seq2[*corpus.Dump, error] {
		return func(yield func(*corpus.Dump, error) bool) {
			for range n {
				if !yield(large, nil) {
					return
				}
			}
			if last != nil {
				yield(nil, last)
			}
		}
	}
	var file bytes.Buffer
	if err := writeGroups(&file, dumps(5, nil), "", size); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	_, groups := parquetTable(t, file.Bytes())
	for _, g := range groups {
		sizes = append(sizes, len(g))
		for _, row := range g {
			if n := len(row[timeColumn+3].ByteArray()); n != size/2+3 {
				t.Errorf("a document of %d bytes", n)
			}
		}
	}
	if !slices.Equal(sizes, []int{2, 2, 1}) {
		t.Errorf("groups of %v rows", sizes)
	}
	file.Reset()
	if err := writeGroups(&file, dumps(0, nil), "", size); err != nil {
		t.Error(err)
	}
	if names, groups := parquetTable(t, file.Bytes()); len(names) != timeColumn+4 || len(groups) != 0 {
		t.Errorf("of an empty corpus: %d columns, %d groups", len(names), len(groups))
	}
	gone := errors.New("the catalogue is gone")
	if err := writeGroups(io.Discard, dumps(1, gone), "", size); !errors.Is(err, gone) {
		t.Error(err)
	}
	if err := writeGroups(fullDisk{}, dumps(1, nil), "", size); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, os.ErrClosed }

// TestExportLines checks that each line is valid JSON, with null for a document that is not.
func TestExportLines(t *testing.T) {
	c := oddCorpus(t)
	var file bytes.Buffer
	if err := writeLines(&file, c.Dumps(t.Context(), query.Spec{})); err != nil {
		t.Fatal(err)
	}
	if !utf8.Valid(file.Bytes()) {
		t.Error("not UTF-8")
	}
	lines := slices.Collect(strings.Lines(file.String()))
	if len(lines) != len(oddDocuments) {
		t.Errorf("%d lines", len(lines))
	}
	for _, line := range lines {
		var l struct {
			ID   string
			Info map[string]any
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		none := strings.Contains("345", l.ID[:1])
		if (l.Info == nil) != none {
			t.Errorf("%s", line)
		}
	}
}

// TestExportedDocument checks that a single odd document cannot make the whole file unreadable.
func TestExportedDocument(t *testing.T) {
	for in, want := range map[string]string{
		`{"a": "\ud83d\ude00 \uD83D\uDE00"}`:   `{"a": "\ud83d\ude00 \uD83D\uDE00"}`,
		`{"a": "\ud83d", "b": "\ude00\ud83d"}`: `{"a": "\ufffd", "b": "\ufffd\ufffd"}`,
		`{"a": "\ud83d\ud83d\ude00x\uDFFFF"}`:  `{"a": "\ufffd\ud83d\ude00x\ufffdF"}`,
		`{"a": "\\ud83d \\\ud83d"}`:            `{"a": "\\ud83d \\\ufffd"}`,
		"{\"a\": \"\xff\xc3\"}":                "{\"a\": \"\uFFFD\"}",
		`{"a": 1} {"b": 2}`:                    "",
		`{"a": 1`:                              "",
		`17`:                                   "",
	} {
		if got := string(documentJSON(document.Parse([]byte(in)))); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
