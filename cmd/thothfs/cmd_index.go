package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/export"
	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/store"
)

const indexLong = `Brings the catalogue up to date and publishes it in the corpus as one compressed object,
.thothfs/index. A new machine begins with it and then reads only what has changed since.
Changes are found by listing the store and in the change log. --verify also asks the
store for every document, because edits by the original thoth leave no record. index can
run from cron on any machine, also on two at once. It also compacts the history of edits
and removes what is older than --keep-history.

--export FILE writes the catalogue to FILE instead, which must not exist:
  FILE.db       an SQLite database with the tables dumps and docs
  FILE.jsonl    a line of JSON for each dump, with its hash and its document
  FILE.parquet  a row for each dump: id, type, cmd, node, platform, ticket, signature
                (null if not set, or an array), time, modified (when the document was),
                damage, and info (the document as JSON, or null if it is not JSON)

    sqlite3 corpus.db "SELECT cmd, count(*) FROM dumps GROUP BY cmd"
    duckdb -c "SELECT info->>'pid' FROM read_json('corpus.jsonl', columns = {id: 'VARCHAR', info: 'JSON'})"
    duckdb -c "SELECT cmd, max(time) FROM 'corpus.parquet' WHERE ticket IS NULL GROUP BY ALL"`

func indexCommand(cl *cli) *cobra.Command {
	var verify bool
	var exportTo string
	keep := duration(90 * 24 * time.Hour)
	cmd := &cobra.Command{
		Use:   "index",
		Short: "Publish the catalogue in the corpus, or export it",
		Long:  indexLong,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			var write export.Writer
			if exportTo != "" {
				var err error
				if write, err = export.To(exportTo, versionText()); err != nil {
					return err
				}
			}
			c, err := cl.open(ctx, false)
			if err != nil {
				return err
			}
			read := c.Sync
			if verify {
				read = c.Verify
			}
			if err := c.readCorpus(ctx, read); err != nil {
				return err
			}
			if write != nil {
				return write(ctx, c.Corpus)
			}
			if err := publish(ctx, cl, c.Corpus); err != nil {
				return err
			}
			if err := c.CompactHistory(ctx, time.Duration(keep)); err != nil {
				return fmt.Errorf("the history of edits: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "ask the store for every document")
	cmd.Flags().StringVar(&exportTo, "export", "", "write the catalogue to `FILE` (.db, .jsonl or .parquet), and publish nothing")
	cmd.Flags().Var(&keep, "keep-history", "how long the history of edits is kept, such as 90d, 12w or 36h")
	return cmd
}

func publish(ctx context.Context, cl *cli, c *corpus.Corpus) error {
	bar := output.NewProgress(cl.stderr, "publishing", true)
	s, err := c.Publish(ctx, bar.SetBytes)
	bar.Done()
	if errors.Is(err, store.ErrConflict) {
		cl.say("somebody else has just published the catalogue: their version is kept")
		return nil
	}
	if err != nil {
		return err
	}
	cl.say("published %d dumps, %s", s.Dumps, humanize.IBytes(uint64(s.Size)))
	return nil
}
