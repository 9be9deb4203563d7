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

	"thothfs/corpus"
	"thothfs/dump"
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

// documentJSON is a document as other tools will take it: one JSON object in UTF-8, else
// nil.
func documentJSON(doc *dump.Document) json.RawMessage {
	if !doc.IsJSON() || !json.Valid(doc.Raw()) {
		return nil
	}
	return bytes.ToValidUTF8(doc.Raw(), []byte("\uFFFD"))
}

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
