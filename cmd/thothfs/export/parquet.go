package export

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"thothfs/corpus"
	"thothfs/corpus/catalog"
)

// Limits of a row group, which is held in memory in compressed form.
const (
	groupRows  = 100_000
	groupBytes = 64 << 20 // total size of documents
)

// parquetColumn is a column of the file: its name, its options in the library's tag syntax, its
// type, and a function that returns its value for a dump.
type parquetColumn struct {
	name, options string
	kind          any
	value         func(*corpus.Dump) parquet.Value
}

// parquetColumns returns the columns. A field is null if it is not set or is an array; info
// contains arrays. Times are in microseconds because nanoseconds would overflow in 2262.
// Dictionaries are used for values that repeat.
func parquetColumns() []parquetColumn {
	const micros = ",optional,timestamp(microsecond:utc)"
	columns := []parquetColumn{{"id", "", "", func(d *corpus.Dump) parquet.Value { return textValue(d.ID.String()) }}}
	for i := range catalog.Fields {
		f := &catalog.Fields[i]
		if f.Number {
			columns = append(columns, parquetColumn{f.Name, ",optional", int64(0), func(d *corpus.Dump) parquet.Value { return numberValue(d.Text(f)) }})
			continue
		}
		columns = append(columns, parquetColumn{f.Name, ",optional,dict", "", func(d *corpus.Dump) parquet.Value { return textValue(d.Text(f)) }})
	}
	return append(columns,
		parquetColumn{"time", micros, time.Time{}, func(d *corpus.Dump) parquet.Value { return timeValue(d.Time) }},
		parquetColumn{"modified", micros, time.Time{}, func(d *corpus.Dump) parquet.Value { return timeValue(d.ModTime) }},
		parquetColumn{"damage", ",optional", "", func(d *corpus.Dump) parquet.Value { return textValue(d.Damage) }},
		parquetColumn{"info", ",optional,json", json.RawMessage{}, func(d *corpus.Dump) parquet.Value { return textValue(string(documentJSON(d.Doc))) }})
}

// parquetSchema returns the schema of a file with these columns, in this order.
func parquetSchema(columns []parquetColumn) *parquet.Schema {
	var fields []reflect.StructField
	for i, c := range columns {
		fields = append(fields, reflect.StructField{Name: fmt.Sprint("Column", i), Type: reflect.TypeOf(c.kind),
			Tag: reflect.StructTag(fmt.Sprintf("parquet:%q", c.name+c.options))})
	}
	return parquet.NewSchema("dumps", parquet.SchemaOf(reflect.New(reflect.StructOf(fields)).Interface()))
}

// parquetRow returns the row for one dump. It avoids the library's own conversion from structs,
// which loses optional JSON (parquet-go 0.32).
func parquetRow(columns []parquetColumn, d *corpus.Dump) parquet.Row {
	row := make(parquet.Row, len(columns))
	for i, c := range columns {
		v, defined := c.value(d), 1
		if i == 0 || v.IsNull() { // id is not optional
			defined = 0
		}
		row[i] = v.Level(0, defined, i)
	}
	return row
}

// textValue returns text as valid UTF-8, which readers require, or null if it is empty.
func textValue(text string) parquet.Value {
	if text == "" {
		return parquet.NullValue()
	}
	return parquet.ByteArrayValue([]byte(strings.ToValidUTF8(text, "\uFFFD")))
}

// numberValue returns text as an integer, or null if it is none.
func numberValue(text string) parquet.Value {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return parquet.NullValue()
	}
	return parquet.Int64Value(n)
}

func timeValue(t time.Time) parquet.Value {
	if t.IsZero() {
		return parquet.NullValue()
	}
	return parquet.Int64Value(t.UnixMicro())
}

// writeGroups writes one row per dump, in row groups of about size bytes at most. Only one group is
// in memory at a time.
func writeGroups(w io.Writer, dumps iter.Seq2[*corpus.Dump, error], version string, size int) error {
	// A large dictionary means that values do not repeat. Bounds of documents are useless and may
	// be large.
	columns := parquetColumns()
	out := parquet.NewWriter(w, parquetSchema(columns), parquet.Compression(&zstd.Codec{}), parquet.CreatedBy("thothfs", version, ""),
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
		if _, err := out.WriteRows([]parquet.Row{parquetRow(columns, d)}); err != nil {
			return err
		}
		rows++
		held += len(d.Doc.Raw())
	}
	return out.Close()
}
