package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/corpus/history"
	"thothfs/dump/document"
)

const undoLong = `Restores what edits have replaced: the edits named by their EDIT in thothfs history, or
with --since all edits since TIME, limited to those by --by WHO and to the dumps and
analyzers that the words select. If several edits changed a value, the value before the
first of them is restored. A value that somebody has changed since then is left alone
and reported, and the exit code is then 1; select fewer edits by --by and by words to
avoid that. --dry-run prints what would be restored.

An undo is an edit as well: it is in the history, and can itself be undone by its name.
--since does not undo it. No edit is undone twice, so an interrupted undo can be run
again.`

func undoCommand(cl *cli) *cobra.Command {
	var f editFilter
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "undo EDIT... | undo --since TIME [SPEC...]",
		Short: "Undo edits",
		Long:  undoLong + "\n" + specHelp,
		Example: `  thothfs undo 1a227b6e14f-bcdfe629
  thothfs undo --since 20m --by jane --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.since.IsZero() && f.by != "":
				return errors.New("--by needs --since: how far back to undo")
			case f.since.IsZero() && len(args) == 0:
				return errors.New("name edits, as thothfs history does, or give --since TIME")
			case f.since.IsZero() && len(args) == 1:
				cl.how += " " + args[0]
			case f.since.IsZero():
				cl.how += fmt.Sprintf(" %d edits", len(args))
			default:
				cl.how += " --since " + f.since.text
			}
			return runUndo(cmd.Context(), cl, args, &f, dryRun)
		},
	}
	f.flags(cmd, "undo the edits since `TIME`")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would be restored")
	return cmd
}

func runUndo(ctx context.Context, cl *cli, args []string, f *editFilter, dryRun bool) error {
	c, err := cl.open(ctx, false)
	if err != nil {
		return err
	}
	var edits []*history.Edit
	if f.since.IsZero() {
		edits, err = namedEdits(ctx, c.Corpus, args)
	} else {
		edits, err = editsSince(ctx, c, f, args)
	}
	if err != nil {
		return err
	}
	targets, byTarget := corpus.UndoTargets(edits)
	u := &undoRun{cli: cl, dryRun: dryRun, targets: targets, done: map[corpus.UndoTarget][]corpus.Undone{}}
	u.failed = forEach(cl, "undoing", editsInFlight, targets, func(target corpus.UndoTarget) error {
		all, err := c.Undo(ctx, target, byTarget[target], dryRun)
		u.mu.Lock()
		defer u.mu.Unlock()
		u.done[target] = all
		return err
	})
	return u.report(ctx)
}

// namedEdits returns the edits with the given IDs, latest first.
func namedEdits(ctx context.Context, c *corpus.Corpus, ids []string) (edits []*history.Edit, err error) {
	var first time.Time
	wanted := map[string]bool{}
	for _, id := range ids {
		at, ok := history.ParseEditID(id)
		if !ok {
			return nil, fmt.Errorf("%q does not name an edit (see: thothfs history); with --since words name dumps", id)
		}
		if wanted[id] = true; first.IsZero() || at.Before(first) {
			first = at
		}
	}
	for e, err := range c.History(ctx, first) {
		if err != nil {
			return nil, err
		}
		if wanted[e.ID] {
			edits = append(edits, e)
			delete(wanted, e.ID)
		}
		if len(wanted) == 0 {
			break
		}
	}
	for _, id := range ids {
		if wanted[id] {
			return nil, fmt.Errorf("there is no edit %s in the history (see: thothfs history)", id)
		}
	}
	return edits, nil
}

// editsSince returns the edits selected by a filter and words, except undos.
func editsSince(ctx context.Context, c *openedCorpus, f *editFilter, words []string) (edits []*history.Edit, err error) {
	seq, err := c.selectEdits(ctx, f, words, 0)
	if err != nil {
		return nil, err
	}
	for e, err := range seq {
		if err != nil {
			return nil, err
		}
		if !e.IsUndo() {
			edits = append(edits, e)
		}
	}
	return edits, nil
}

type undoRun struct {
	cli     *cli
	dryRun  bool
	targets []corpus.UndoTarget
	failed  map[corpus.UndoTarget]error

	mu   sync.Mutex
	done map[corpus.UndoTarget][]corpus.Undone // guarded by mu while edits are being undone
}

// report prints the outcome of the edits, and each value that was not undone.
func (u *undoRun) report(ctx context.Context) error {
	counts, dumps, analyzers := map[document.Outcome]int{}, 0, 0
	for _, target := range u.targets {
		if err := u.failed[target]; err != nil && !errors.Is(err, context.Canceled) {
			u.cli.say("%s: %v", target, err)
		}
		outcomes := map[*history.Edit]document.Outcome{}
		for _, d := range u.done[target] {
			if old, seen := outcomes[d.Edit]; !seen || d.Outcome < old { // the worst is the lowest
				outcomes[d.Edit] = d.Outcome
			}
			u.printValue(target, d)
		}
		for _, o := range outcomes {
			counts[o]++
		}
		isReverted := func(d corpus.Undone) bool { return d.Outcome == document.Reverted }
		switch reverted := slices.ContainsFunc(u.done[target], isReverted); {
		case reverted && target.Analyzer == "":
			dumps++
		case reverted:
			analyzers++
		}
	}
	text := []string{u.undoneText(counts[document.Reverted], dumps, analyzers)}
	if n := counts[document.Already]; n > 0 {
		text = append(text, fmt.Sprintf("%d undone before", n))
	}
	if n := counts[document.Differs]; n > 0 {
		text = append(text, fmt.Sprintf("%d not undone, or only in part: the values have been changed since", n))
	}
	u.cli.say("%s", strings.Join(text, ", "))
	if len(u.failed) > 0 || counts[document.Differs] > 0 {
		return cmp.Or(ctx.Err(), output.ErrReported)
	}
	return ctx.Err()
}

// undoneText returns a summary such as "6 edits undone, in 1 dump".
func (u *undoRun) undoneText(edits, dumps, analyzers int) string {
	text, where := english.Plural(edits, "edit", "")+" undone", []string(nil)
	if u.dryRun {
		text = english.Plural(edits, "edit", "") + " would be undone"
	}
	if dumps > 0 {
		where = append(where, english.Plural(dumps, "dump", ""))
	}
	if analyzers > 0 {
		where = append(where, english.Plural(analyzers, "analyzer", ""))
	}
	if len(where) > 0 {
		text += ", in " + strings.Join(where, " and ")
	}
	return text
}

// printValue prints a value that a dry run would restore, or a value that was not restored.
func (u *undoRun) printValue(target corpus.UndoTarget, d corpus.Undone) {
	what := output.Cell(d.Change.Path())
	if target.Analyzer == "" {
		what = target.String() + ": " + what
	}
	switch old, left := valueText(&d.Change, &d.Change.Old), valueText(&d.Change, &d.Change.New); {
	case d.Outcome == document.Differs:
		u.cli.say("%s is not what edit %s left (%s) and was left as it is", what, d.Edit.ID, left)
	case d.Outcome == document.Reverted && u.dryRun:
		fmt.Fprintf(u.cli.stdout, "%s: %s → %s\n", what, left, old)
	}
}
