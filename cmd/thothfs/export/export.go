// Package export writes the dumps of a corpus to a file for other tools: an SQLite
// database, JSON lines or Parquet.
package export

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"regexp"

	"thothfs/corpus"
	"thothfs/dump/document"
	"thothfs/internal/atomicfile"
	"thothfs/query"
)

// A Writer writes a corpus to a new file.
type Writer func(ctx context.Context, c *corpus.Corpus) error

// To returns a Writer for the file at path, based on the extension of its name. version is the
// version of this program.
func To(path, version string) (Writer, error) {
	var write func(io.Writer, iter.Seq2[*corpus.Dump, error]) error
	switch filepath.Ext(path) {
	case ".db":
		return func(ctx context.Context, c *corpus.Corpus) error {
			return writeNew(path, func(f *os.File) error { return c.Export(ctx, f.Name()) })
		}, nil
	case ".jsonl":
		write = writeLines
	case ".parquet":
		write = func(w io.Writer, dumps iter.Seq2[*corpus.Dump, error]) error {
			return writeGroups(w, dumps, version, groupBytes)
		}
	default:
		return nil, fmt.Errorf("--export %s: the name must end in .db, .jsonl or .parquet", path)
	}
	return func(ctx context.Context, c *corpus.Corpus) error {
		return writeNew(path, func(f *os.File) error {
			w := bufio.NewWriterSize(f, 1<<20)
			return cmp.Or(write(w, c.Dumps(ctx, query.Spec{})), w.Flush())
		})
	}, nil
}

// writeLines writes one line of JSON for each dump.
func writeLines(w io.Writer, dumps iter.Seq2[*corpus.Dump, error]) error {
	out := json.NewEncoder(w)
	for d, err := range dumps {
		if err != nil {
			return err
		}
		err := out.Encode(struct {
			ID   string          `json:"id"`
			Info json.RawMessage `json:"info"`
		}{d.ID.String(), documentJSON(d.Doc)})
		if err != nil {
			return err
		}
	}
	return nil
}

// documentJSON returns a document as valid UTF-8 without unpaired surrogates, or nil if it is not a
// JSON object. A single invalid document would make DuckDB reject the whole file.
func documentJSON(doc *document.Document) json.RawMessage {
	raw := doc.Raw()
	if !doc.IsJSON() || !json.Valid(raw) {
		return nil
	}
	if bytes.Contains(raw, []byte(`\ud`)) || bytes.Contains(raw, []byte(`\uD`)) {
		raw = surrogates.ReplaceAllFunc(raw, func(escape []byte) []byte {
			if len(escape) == len(`\udddd`) {
				return []byte(`\ufffd`)
			}
			return escape
		})
	}
	return bytes.ToValidUTF8(raw, []byte("\uFFFD"))
}

// surrogates matches escaped unpaired surrogates. It also matches whole pairs and escaped
// backslashes, so that no part of these is mistaken for an unpaired surrogate.
var surrogates = regexp.MustCompile(`\\\\|\\u[dD][89abAB][[:xdigit:]]{2}\\u[dD][c-fC-F][[:xdigit:]]{2}|\\u[dD][89a-fA-F][[:xdigit:]]{2}`)

// writeNew creates path once write has written the whole file. It never replaces an existing file.
func writeNew(path string, write func(*os.File) error) error {
	f, err := atomicfile.Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := write(f.File); err != nil {
		return err
	}
	err = f.Link()
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("--export: %s exists: remove it, or choose another name", path)
	}
	return err
}
