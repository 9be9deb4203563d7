package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"thothfs/corpus"
	"thothfs/query"
	"thothfs/store"
)

const indexLong = `Brings the catalogue up to date and publishes it in the corpus, as one compressed
object (.thothfs/index): who comes new, on any machine, begins with that, and then
reads only what has changed since. What changed is found by listing and by the change
log; --verify asks the store for every document as well, for edits by the original
thoth leave no word. Meant for cron, on any machine; two at once do no harm.

--export FILE writes the catalogue to FILE instead, which must not exist yet:
FILE.db is an SQLite database (tables dumps and docs), FILE.jsonl a line of JSON for
each dump, its hash and its document.

  sqlite3 corpus.db "SELECT cmd, count(*) FROM dumps GROUP BY cmd"
  duckdb -c "SELECT info.cmd, count(*) FROM 'corpus.jsonl' GROUP BY ALL"`

func (a *app) indexCommand() *cobra.Command {
	var verify bool
	var export string
	cmd := &cobra.Command{
		Use:   "index",
		Short: "Publish the catalogue in the corpus, or export it",
		Long:  indexLong,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.index(cmd.Context(), verify, export)
		},
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "ask the store for every document")
	cmd.Flags().StringVar(&export, "export", "", "write the catalogue to `FILE` (.db or .jsonl), and publish nothing")
	return cmd
}

func (a *app) index(ctx context.Context, verify bool, export string) error {
	write, err := exporter(export)
	if err != nil {
		return err
	}
	c, err := a.corpusAsKnown(ctx)
	if err != nil {
		return err
	}
	if err := a.takeSnapshot(ctx, c); err != nil {
		return fmt.Errorf("the corpus: %w", err)
	}
	if err := a.readAll(ctx, c, verify); err != nil {
		return fmt.Errorf("the corpus: %w", err)
	}
	if write != nil {
		return write(ctx, c, export)
	}
	bar := a.progress("publishing", true)
	s, err := c.Publish(ctx, bar.setBytes)
	bar.done()
	if errors.Is(err, store.ErrConflict) {
		fmt.Fprintln(a.stderr, "thothfs: somebody else has just published the catalogue: theirs stays")
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "thothfs: published %d dumps, %s\n", s.Dumps, humanize.IBytes(uint64(s.Size)))
	return nil
}

// readAll reads what is new and, to verify, every document.
func (a *app) readAll(ctx context.Context, c *corpus.Corpus, verify bool) error {
	bar := a.progress("reading the corpus", false)
	defer bar.done()
	if verify {
		return c.Verify(ctx, bar.set)
	}
	return c.Sync(ctx, bar.set)
}

// exporter is what writes the kind of file that a name asks for; nil for no name.
func exporter(path string) (func(context.Context, *corpus.Corpus, string) error, error) {
	switch filepath.Ext(path) {
	case ".db":
		return exportDatabase, nil
	case ".jsonl":
		return exportLines, nil
	}
	if path != "" {
		return nil, fmt.Errorf("--export %s: a name that ends in .db or .jsonl is meant", path)
	}
	return nil, nil
}

// exportDatabase writes an SQLite database.
func exportDatabase(ctx context.Context, c *corpus.Corpus, path string) error {
	return writeNew(path, func(temp string) error { return c.Export(ctx, temp) })
}

// exportLines writes a line of JSON for each dump, oldest first. A document that is no
// JSON is null.
func exportLines(ctx context.Context, c *corpus.Corpus, path string) error {
	return writeNew(path, func(temp string) error {
		f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		w := bufio.NewWriterSize(f, 1<<20)
		for d, err := range c.Dumps(ctx, query.Spec{}) {
			if err != nil {
				return err
			}
			info := json.RawMessage(d.Doc.Raw())
			if !json.Valid(info) {
				info = json.RawMessage("null")
			}
			line, err := json.Marshal(struct {
				ID   string          `json:"id"`
				Info json.RawMessage `json:"info"`
			}{d.ID.String(), info})
			if err != nil {
				return err
			}
			w.Write(append(line, '\n')) // its error shows in Flush
		}
		return errors.Join(w.Flush(), f.Close())
	})
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
