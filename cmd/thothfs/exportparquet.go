package main

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

// A row group is held in memory, compressed, until it is whole: it ends after so many
// dumps, or bytes of documents.
const (
	groupRows  = 100_000
	groupBytes = 64 << 20
)

// parquetColumns is what a row has of one dump, as an analyst wants it. A text is null when
// its field is not set, or is an array, which info has. Times are to the microsecond:
// nanoseconds would end in 2262. Dictionaries are for what repeats.
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

// parquetRow is the row of one dump, in the order of parquetColumns. The library's own
// way from a struct to a row loses optional JSON (parquet-go 0.32).
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

// textValue is text in UTF-8, as readers of the format insist on; null for none.
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

// writeParquet writes a row for each dump, with the memory of one row group.
func writeParquet(w io.Writer, dumps iter.Seq2[*corpus.Dump, error]) error {
	return writeGroups(w, dumps, groupBytes)
}

func writeGroups(w io.Writer, dumps iter.Seq2[*corpus.Dump, error], size int) error {
	// A dictionary that grows large is of what does not repeat. Of documents, which may be
	// large, no reader wants the least and the greatest.
	out := parquet.NewWriter(w, parquet.SchemaOf(parquetColumns{}), parquet.Compression(&zstd.Codec{}), parquet.CreatedBy("thothfs", versionText(), ""),
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
