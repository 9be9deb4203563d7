package export

import (
	"encoding/json"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"thothfs/corpus"
)

// A row group is held in memory, compressed. These limits end it.
const (
	groupRows  = 100_000
	groupBytes = 64 << 20 // of documents
)

// parquetColumns are the columns of the row of one dump. A text is null when its field is
// unset or an array. Times have microseconds, because nanoseconds end in 2262. Columns
// with repeating values have dictionaries.
type parquetColumns struct {
	ID        string          `parquet:"id"`
	Type      string          `parquet:"type,optional,dict"`
	Cmd       string          `parquet:"cmd,optional,dict"`
	Node      string          `parquet:"node,optional,dict"`
	Platform  string          `parquet:"platform,optional,dict"`
	Ticket    string          `parquet:"ticket,optional,dict"`
	Signature string          `parquet:"signature,optional,dict"`
	Time      time.Time       `parquet:"time,optional,timestamp(microsecond:utc)"`
	Modified  time.Time       `parquet:"modified,optional,timestamp(microsecond:utc)"`
	Damage    string          `parquet:"damage,optional"`
	Info      json.RawMessage `parquet:"info,optional,json"`
}

// parquetRow returns the row of one dump, in the order of parquetColumns. The library's own
// conversion of structs loses optional JSON (parquet-go 0.32).
func parquetRow(d *corpus.Dump) parquet.Row {
	values := []parquet.Value{
		textValue(d.ID.String()),
		textValue(d.Type), textValue(d.Cmd), textValue(d.Node), textValue(d.Platform), textValue(d.Ticket), textValue(d.Signature),
		timeValue(d.Time), timeValue(d.ModTime), textValue(d.Damage), textValue(string(documentJSON(d.Doc))),
	}
	for i, v := range values {
		defined := 1
		if i == 0 || v.IsNull() { // id is not optional
			defined = 0
		}
		values[i] = v.Level(0, defined, i)
	}
	return values
}

// textValue returns text as valid UTF-8, which readers require, or null if it is empty.
func textValue(text string) parquet.Value {
	if text == "" {
		return parquet.NullValue()
	}
	return parquet.ByteArrayValue([]byte(strings.ToValidUTF8(text, "\uFFFD")))
}

func timeValue(t time.Time) parquet.Value {
	if t.IsZero() {
		return parquet.NullValue()
	}
	return parquet.Int64Value(t.UnixMicro())
}

// writeGroups writes a row for each dump, in row groups of at most about size bytes, one of
// which is in memory at a time.
func writeGroups(w io.Writer, dumps iter.Seq2[*corpus.Dump, error], version string, size int) error {
	// A large dictionary has values that do not repeat. Bounds of documents, which may be
	// large, are of no use.
	out := parquet.NewWriter(w, parquet.SchemaOf(parquetColumns{}), parquet.Compression(&zstd.Codec{}), parquet.CreatedBy("thothfs", version, ""),
		parquet.DictionaryMaxBytes(1<<20), parquet.SkipPageBounds("info"))
	rows, held := 0, 0
	for d, err := range dumps {
		if err != nil {
			return err
		}
		if rows == groupRows || held > size {
			if err := out.Flush(); err != nil {
				return err
			}
			rows, held = 0, 0
		}
		if _, err := out.WriteRows([]parquet.Row{parquetRow(d)}); err != nil {
			return err
		}
		rows++
		held += len(d.Doc.Raw())
	}
	return out.Close()
}
