package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"os/user"
	"path"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/corpus/history"
	"thothfs/dump"
)

const historyLong = `Lists the edits of tickets, properties and analyzers, latest first. EDIT is the name of
an edit for thothfs undo, WHO made it, and HOW is the verb, or the call to a mount.
Words select edits of the dumps that match now; analyzers/NAME selects an analyzer.
Times are UTC. The history has no edits by the original thoth, and not what an upload
stored.`

// thisUser returns the author for edits in the history, as USER@HOST.
func thisUser() string {
	name := strconv.Itoa(os.Geteuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return name + "@" + host
}

type editFilter struct {
	since moment
	by    string
}

func (f *editFilter) flags(cmd *cobra.Command, since string) {
	cmd.Flags().Var(&f.since, "since", since+": 10m (minutes), 2h, '3 days ago', yesterday, '2026-11-29 14:00' (local time) or 2026-11-29T14:00:00Z")
	cmd.Flags().StringVar(&f.by, "by", "", "only edits by `WHO`: a user, USER@HOST, or a pattern such as *@HOST")
}

// isBy reports whether --by matches the author of an edit.
func (f *editFilter) isBy(e *history.Edit) bool {
	name, _, _ := strings.Cut(e.By, "@")
	for _, who := range []string{e.By, name} {
		if ok, _ := path.Match(f.by, who); ok {
			return true
		}
	}
	return f.by == ""
}

// selectEdits yields the edits selected by a filter and words, latest first. A limit other than 0
// is the maximum number of edits.
func (c *openedCorpus) selectEdits(ctx context.Context, f *editFilter, words []string, limit int) (iter.Seq2[*history.Edit, error], error) {
	if _, err := path.Match(f.by, ""); err != nil {
		return nil, fmt.Errorf("--by %q: %w", f.by, err)
	}
	chosen, err := c.editTargets(ctx, words)
	if err != nil {
		return nil, err
	}
	since := f.since.Time
	if since.IsZero() {
		since = time.UnixMilli(0)
	}
	return func(yield func(*history.Edit, error) bool) {
		n := 0
		for e, err := range c.History(ctx, since) {
			if err == nil && (!f.isBy(e) || chosen != nil && !chosen[targetOf(e)]) {
				continue
			}
			if n++; !yield(e, err) || n == limit {
				return
			}
		}
	}, nil
}

// targetOf returns the dump or analyzer that was edited.
func targetOf(e *history.Edit) corpus.UndoTarget {
	targets, _ := corpus.UndoTargets([]*history.Edit{e})
	if len(targets) == 0 {
		return corpus.UndoTarget{}
	}
	return targets[0]
}

// editTargets returns the dumps and analyzers that words select, or nil without words.
func (c *openedCorpus) editTargets(ctx context.Context, words []string) (map[corpus.UndoTarget]bool, error) {
	if len(words) == 0 {
		return nil, nil
	}
	chosen := map[corpus.UndoTarget]bool{}
	var spec []string
	for _, word := range words {
		if name, ok := strings.CutPrefix(word, corpus.AnalyzersDir+"/"); ok {
			chosen[corpus.UndoTarget{Analyzer: name}] = true
		} else {
			spec = append(spec, word)
		}
	}
	if len(spec) == 0 {
		return chosen, nil
	}
	ids, err := c.syncAndSelect(ctx, spec)
	for _, id := range ids {
		chosen[corpus.UndoTarget{Dump: id}] = true
	}
	return chosen, err
}

func historyCommand(cl *cli) *cobra.Command {
	var f editFilter
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use:   "history [SPEC...]",
		Short: "List edits, and who made them",
		Long:  historyLong + "\n" + specHelp,
		Example: `  thothfs history --since yesterday
  thothfs history 3308be28 --by 'jane@*'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := cl.open(cmd.Context(), false)
			if err != nil {
				return err
			}
			edits, err := c.selectEdits(cmd.Context(), &f, args, limit)
			if err != nil {
				return err
			}
			if asJSON {
				return printHistoryJSON(cl.stdout, edits)
			}
			return printHistoryTable(cl.stdout, edits)
		},
	}
	f.flags(cmd, "only edits since `TIME`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array instead of a table")
	cmd.Flags().IntVarP(&limit, "limit", "n", 50, "the maximum number of edits; 0 means all")
	return cmd
}

// historyRows is the number of rows that are aligned together.
const historyRows = 1000

func printHistoryTable(stdout io.Writer, edits iter.Seq2[*history.Edit, error]) error {
	out := bufio.NewWriter(stdout)
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	flush := func(err error) error { return cmp.Or(err, w.Flush(), out.Flush()) }
	fmt.Fprintln(w, "EDIT\tTIME\tWHO\tHOW\tDUMP\tCHANGE")
	width, n := changeWidth(stdout), 0
	for e, err := range edits {
		if err != nil {
			return flush(err)
		}
		target := "-"
		if e.Dump != (dump.ID{}) {
			target = e.Dump.Short()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", e.ID, e.Time.UTC().Format(time.RFC3339), output.Cell(e.By), output.Cell(output.Shorten(e.How, 40)), target, output.Shorten(changeText(e), width))
		if n++; n%historyRows == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	return flush(nil)
}

// changeWidth returns the number of characters of a change that fit beside the other columns.
func changeWidth(stdout io.Writer) int {
	const others, least, most = 100, 40, 400
	if f, ok := output.Terminal(stdout); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			return max(least, columns-others)
		}
	}
	return most
}

func changeText(e *history.Edit) string {
	var parts []string
	for _, ch := range e.Changes {
		parts = append(parts, fmt.Sprintf("%s: %s → %s", output.Cell(strings.TrimPrefix(ch.Path(), "properties.")), valueText(&ch, &ch.Old), valueText(&ch, &ch.New)))
	}
	if e.More > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", e.More))
	}
	return strings.Join(parts, "; ")
}

// valueText returns a value on one line.
func valueText(ch *history.Change, v *history.Value) string {
	const most = 60
	switch {
	case !v.Is:
		return "-"
	case ch.At[0] == corpus.AnalyzersDir:
		return fmt.Sprintf("%d bytes", v.Size)
	}
	text := string(v.Text)
	if compact := (bytes.Buffer{}); json.Compact(&compact, v.Text) == nil {
		text = compact.String()
	}
	var s string
	if json.Unmarshal(v.Text, &s) == nil && text != "null" {
		text = s
	}
	if len(v.Text) < v.Size {
		text += "…"
	}
	return output.Shorten(output.Cell(text), most)
}

// historyJSON is the format of an edit in `history --json`.
type historyJSON struct {
	ID       string              `json:"id"`
	Time     time.Time           `json:"time"`
	By       string              `json:"by"`
	With     string              `json:"with"`
	How      string              `json:"how"`
	Dump     string              `json:"dump,omitempty"`
	Analyzer string              `json:"analyzer,omitempty"`
	Changes  []historyChangeJSON `json:"changes"`
	More     int                 `json:"more,omitempty"`
}

type historyChangeJSON struct {
	Path string `json:"path"`
	Old  any    `json:"old"`
	New  any    `json:"new"`
}

func printHistoryJSON(stdout io.Writer, edits iter.Seq2[*history.Edit, error]) error {
	out := bufio.NewWriter(stdout)
	out.WriteString("[")
	between := "\n"
	for e, err := range edits {
		if err != nil {
			return cmp.Or(err, out.Flush())
		}
		h := historyJSON{ID: e.ID, Time: e.Time, By: e.By, With: e.With, How: e.How, Analyzer: targetOf(e).Analyzer, More: e.More}
		if e.Dump != (dump.ID{}) {
			h.Dump = e.Dump.String()
		}
		for _, ch := range e.Changes {
			h.Changes = append(h.Changes, historyChangeJSON{ch.Path(), valueJSON(&ch.Old), valueJSON(&ch.New)})
		}
		text, err := json.Marshal(h)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s%s", between, text); err != nil {
			return err
		}
		between = ",\n"
	}
	out.WriteString("\n]\n") // Flush returns any error
	return out.Flush()
}

// valueJSON returns a value as JSON. A value that is not JSON becomes a string. A value that is
// stored only in part becomes an object that includes its size.
func valueJSON(v *history.Value) any {
	switch {
	case !v.Is:
		return nil
	case len(v.Text) < v.Size:
		return map[string]any{"bytes": v.Size, "begins": string(v.Text)}
	case json.Valid(v.Text) && utf8.Valid(v.Text):
		return json.RawMessage(v.Text)
	}
	return string(v.Text)
}
