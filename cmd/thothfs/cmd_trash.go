package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus/trash"
	"thothfs/dump"
)

func trashCommand(cl *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trash ls|restore|empty",
		Short: "List, restore or delete removed dumps",
		Long: `The trash of the corpus has the dumps that thothfs rm removed. Their bytes stay where
they were until the trash is emptied.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(trashListCommand(cl), trashRestoreCommand(cl), trashEmptyCommand(cl))
	for _, sub := range cmd.Commands() {
		checkArgs(sub)
	}
	return cmd
}

func trashListCommand(cl *cli) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List removed dumps, the oldest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cl.open(cmd.Context(), false)
			if err != nil {
				return err
			}
			entries, err := trash.List(cmd.Context(), c.Corpus)
			if err != nil {
				return err
			}
			if asJSON {
				return cl.writeTrashJSON(entries)
			}
			return cl.writeTrash(entries)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array, with the documents")
	return cmd
}

func (cl *cli) writeTrash(entries []*trash.Entry) error {
	w := tabwriter.NewWriter(cl.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "REMOVED\tBY\tDUMP\tNODE/CMD\tSIZE")
	for _, e := range entries {
		doc := e.Doc()
		size := humanize.IBytes(uint64(max(e.Size, 0)))
		if e.Dump == "" {
			size = "-"
		}
		note := ""
		if e.Restored {
			note = "\tin the corpus again"
		}
		name := doc.String("node")
		if doc.String("type") == string(dump.Core) {
			name = doc.String("cmd")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s%s\n", e.At.UTC().Format(time.RFC3339), output.Cell(cmp.Or(e.By, "-")), e.ID.Short(), output.Cell(cmp.Or(name, "-")), size, note)
	}
	return w.Flush()
}

func (cl *cli) writeTrashJSON(entries []*trash.Entry) error {
	type removed struct {
		ID       string          `json:"id"`
		At       time.Time       `json:"removed"`
		By       string          `json:"by"`
		Size     int64           `json:"size"`
		InCorpus bool            `json:"inCorpus"`
		Document json.RawMessage `json:"document"` // null if it is damaged
	}
	all := []removed{}
	for _, e := range entries {
		r := removed{e.ID.String(), e.At.UTC(), e.By, e.Size, e.Restored, e.Document}
		if !json.Valid(r.Document) {
			r.Document = nil
		}
		all = append(all, r)
	}
	return writeJSON(cl.stdout, all)
}

func trashRestoreCommand(cl *cli) *cobra.Command {
	var since moment
	cmd := &cobra.Command{
		Use:   "restore DUMP... | restore --since TIME",
		Short: "Bring removed dumps back",
		Long: `Brings removed dumps back as they were: those that are named by a hash or a unique prefix
of one, or with --since all that were removed since TIME.`,
		RunE: func(cmd *cobra.Command, words []string) error {
			if since.IsZero() == (len(words) == 0) {
				return usageErrorf("name dumps by their hashes, as thothfs trash ls does, or give --since TIME")
			}
			return runRestore(cmd.Context(), cl, words, since.Time)
		},
	}
	cmd.Flags().Var(&since, "since", "dumps removed since `TIME`: 10m (minutes), 2h, '3 days ago', yesterday, '2026-11-29 14:00' (local time) or 2026-11-29T14:00:00Z")
	return cmd
}

func runRestore(ctx context.Context, cl *cli, words []string, since time.Time) error {
	c, err := cl.open(ctx, false)
	if err != nil {
		return err
	}
	entries, err := trash.List(ctx, c.Corpus)
	if err != nil {
		return err
	}
	chosen, ids := map[dump.ID]*trash.Entry{}, []dump.ID(nil)
	choose := func(e *trash.Entry) {
		if chosen[e.ID] == nil {
			ids = append(ids, e.ID)
		}
		chosen[e.ID] = e // the latest
	}
	if !since.IsZero() {
		for _, e := range entries {
			if !e.At.Before(since) && !e.Restored {
				choose(e)
			}
		}
	}
	for _, word := range words {
		e, err := findRemoved(entries, word)
		if err != nil {
			return err
		}
		choose(e)
	}
	failed := forEach(cl, "restoring", editsInFlight, ids, func(id dump.ID) error {
		err := trash.Restore(ctx, c.Corpus, chosen[id])
		if errors.Is(err, trash.ErrThere) {
			err = fmt.Errorf("%w, with another info.json; thothfs rm it to have the removed one", err)
		}
		return err
	})
	return reportEach(ctx, cl, ids, english.Plural(len(ids)-len(failed), "dump", "")+" restored", failed)
}

// findRemoved returns the latest entry of the dump that a word names.
func findRemoved(entries []*trash.Entry, word string) (found *trash.Entry, err error) {
	prefix := strings.ToLower(word)
	if !isHashPrefix(prefix) {
		return nil, usageErrorf("%q is not a hash or a unique prefix of one, of at least %d digits", word, minPrefix)
	}
	for _, e := range entries {
		switch {
		case !strings.HasPrefix(e.ID.String(), prefix):
		case found != nil && found.ID != e.ID:
			return nil, usageErrorf("hash prefix %s is ambiguous: %s, %s", word, found.ID, e.ID)
		default:
			found = e
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%s is not in the trash (see: thothfs trash ls): %w", word, errNotInCorpus)
	}
	return found, nil
}

func trashEmptyCommand(cl *cli) *cobra.Command {
	var olderThan moment
	var dryRun, yes bool
	cmd := &cobra.Command{
		Use:   "empty",
		Short: "Delete removed dumps for good",
		Long: `Deletes removed dumps from the store, which nothing brings back. It asks on a terminal,
and needs --yes without one. A dump that has been uploaded again stays.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			before := time.Now()
			if !olderThan.IsZero() {
				before = olderThan.Time
			}
			return runEmpty(cmd.Context(), cl, before, dryRun, yes)
		},
	}
	cmd.Flags().Var(&olderThan, "older-than", "only dumps removed more than `AGE` ago, as 30d, or before a time")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print the hashes of the dumps that would be deleted")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func runEmpty(ctx context.Context, cl *cli, before time.Time, dryRun, yes bool) error {
	c, err := cl.open(ctx, false)
	if err != nil {
		return err
	}
	entries, err := trash.List(ctx, c.Corpus)
	if err != nil {
		return err
	}
	var ids, restored []dump.ID // of the restored ones only the entries are removed
	size, byID := int64(0), map[dump.ID][]*trash.Entry{}
	for _, e := range entries {
		if !e.At.Before(before) {
			continue
		}
		switch {
		case byID[e.ID] != nil:
		case e.Restored:
			restored = append(restored, e.ID)
		default:
			ids = append(ids, e.ID)
			size += e.Size
		}
		byID[e.ID] = append(byID[e.ID], e)
	}
	if dryRun {
		return printEach(cl, ids, dump.ID.String)
	}
	if len(ids) > 0 && !yes {
		question := fmt.Sprintf("Delete %s (%s) for good?", english.Plural(len(ids), "dump", ""), humanize.IBytes(uint64(size)))
		if _, ok := output.Terminal(cl.stdin); !ok {
			return usageErrorf("%s would be deleted for good: give --yes, or --dry-run to list them", english.Plural(len(ids), "dump", ""))
		}
		if !cl.confirm(ctx, question) {
			return cmp.Or(ctx.Err(), errors.New("nothing was deleted"))
		}
	}
	var freed atomic.Int64
	empty := func(id dump.ID) error {
		for _, e := range byID[id] { // the oldest first
			n, err := trash.Empty(ctx, c.Corpus, e)
			freed.Add(n)
			if err != nil {
				return err
			}
		}
		return nil
	}
	failed := forEach(cl, "deleting", editsInFlight, ids, empty)
	done := fmt.Sprintf("%s deleted, %s freed", english.Plural(len(ids)-len(failed), "dump", ""), humanize.IBytes(uint64(freed.Load())))
	if err := reportEach(ctx, cl, ids, done, failed); err != nil {
		return err
	}
	for id, err := range forEach(cl, "", editsInFlight, restored, empty) {
		return fmt.Errorf("the entry of %s, which is in the corpus again: %w", id, err)
	}
	return nil
}
