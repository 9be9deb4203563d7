package main

import (
	"bufio"
	"bytes"
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
	"thothfs/query"
)

// exporter is what writes the kind of file that a name asks for; nil for no name.
func exporter(path string) (func(context.Context, *corpus.Corpus, string) error, error) {
	switch filepath.Ext(path) {
	case ".db":
		return exportDatabase, nil
	case ".jsonl":
		return streamed(writeLines), nil
	case ".parquet":
		return streamed(writeParquet), nil
	}
	if path != "" {
		return nil, fmt.Errorf("--export %s: a name that ends in .db, .jsonl or .parquet is meant", path)
	}
	return nil, nil
}

// exportDatabase writes an SQLite database.
func exportDatabase(ctx context.Context, c *corpus.Corpus, path string) error {
	return writeNew(path, func(temp string) error { return c.Export(ctx, temp) })
}

// streamed exports by writing all dumps, oldest first, one after the other.
func streamed(write func(io.Writer, iter.Seq2[*corpus.Dump, error]) error) func(context.Context, *corpus.Corpus, string) error {
	return func(ctx context.Context, c *corpus.Corpus, path string) error {
		return writeNew(path, func(temp string) error {
			f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			defer f.Close()
			w := bufio.NewWriterSize(f, 1<<20)
			if err := write(w, c.Dumps(ctx, query.Spec{})); err != nil {
				return err
			}
			return errors.Join(w.Flush(), f.Close())
		})
	}
}

// writeLines writes a line of JSON for each dump.
func writeLines(w io.Writer, dumps iter.Seq2[*corpus.Dump, error]) error {
	for d, err := range dumps {
		if err != nil {
			return err
		}
		line, err := json.Marshal(struct {
			ID   string          `json:"id"`
			Info json.RawMessage `json:"info"`
		}{d.ID.String(), documentJSON(d.Doc)})
		if err != nil {
			return err
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// documentJSON is a document as other tools will take it: one JSON object in UTF-8 without
// halves of surrogate pairs, else nil. One document that DuckDB does not take would keep
// it from reading the whole file.
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

// surrogates finds halves of surrogate pairs, in escapes; and whole pairs and escaped
// backslashes, so that it does not take a part of these for one.
var surrogates = regexp.MustCompile(`\\\\|\\u[dD][89abAB][[:xdigit:]]{2}\\u[dD][c-fC-F][[:xdigit:]]{2}|\\u[dD][89a-fA-F][[:xdigit:]]{2}`)

// writeNew has a file written under another name, which becomes path when it is whole.
// What is there already stays.
func writeNew(path string, write func(temp string) error) error {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".thothfs-export-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	temp := filepath.Join(dir, filepath.Base(path))
	if err := write(temp); err != nil {
		return err
	}
	if err := os.Link(temp, path); err != nil {
		return fmt.Errorf("--export: %w", err)
	}
	return nil
}
