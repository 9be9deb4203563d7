package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
)

// editsInFlight is how many dumps are edited at once.
const editsInFlight = 32

// maxValue is the most that is read from standard input as a value, in bytes.
const maxValue = document.MaxSize

// editVerb is one of set, unset, ticket and unticket.
type editVerb struct {
	use, short, long string
	minArgs          int
	// parse splits the arguments into those that select dumps and the edit to make.
	parse func(ctx context.Context, a *app, args []string) (spec []string, edit document.Edit, err error)
}

func (a *app) editCommands() []*cobra.Command {
	var commands []*cobra.Command
	for _, v := range []editVerb{
		{"set SPEC... PROP [VALUE]", "Set a custom property of dumps", setLong, 2, parseSet},
		{"unset SPEC... PROP", "Remove a custom property of dumps", unsetLong, 2, parseUnset},
		{"ticket SPEC... TICKET", "Set the ticket of dumps", ticketLong, 2, parseTicket},
		{"unticket SPEC...", "Remove the ticket of dumps", unticketLong, 1, parseUnticket},
	} {
		commands = append(commands, a.editCommand(v))
	}
	return commands
}

const (
	setLong = `Sets properties.PROP of every dump that matches. A VALUE that is a JSON object,
array, number or boolean is stored as such, anything else as a string. Without
VALUE, or with - as VALUE, the value is read from standard input, which must not be
empty: give '' to store an empty string. The first word is a dump or a
specification, and more may follow: constraints, or hashes of 8 digits and more.`
	unsetLong  = `Removes properties.PROP of every dump that matches.`
	ticketLong = `Sets the ticket of every dump that matches. A ticket with an equals sign in it is
refused: it is more likely a constraint whose ticket was forgotten.`
	unticketLong = `Removes the ticket of every dump that matches.`
)

func (a *app) editCommand(v editVerb) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   v.use,
		Short: v.short,
		Long:  v.long + " What could not be done is reported dump by\ndump, and the exit code is 1 then.\n" + specHelp,
		Args:  cobra.MinimumNArgs(v.minArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, edit, err := v.parse(cmd.Context(), a, args)
			if err != nil {
				return err
			}
			if !document.Writable(edit.Path) {
				return fmt.Errorf("%s cannot be set: the name of a property is meant", strings.TrimPrefix(edit.Path, "properties."))
			}
			return a.editAll(cmd.Context(), spec, edit, dryRun)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print the hashes of the dumps that would be changed")
	return cmd
}

// parseSet finds the PROP: the first word behind the specification.
func parseSet(ctx context.Context, a *app, args []string) ([]string, document.Edit, error) {
	n := 1
	for n < len(args) && (strings.Contains(args[n], "=") || isHex(args[n]) && len(args[n]) >= minPrefix) {
		n++
	}
	spec, rest := args[:n], args[n:]
	switch {
	case len(rest) == 1, len(rest) == 2 && rest[1] == "-":
		text, err := a.readValue(ctx, "the value of "+rest[0])
		if errors.Is(err, errNoInput) {
			err = fmt.Errorf("standard input is empty: give the value of %s after its name, '' for an empty string", rest[0])
		}
		return spec, document.Set("properties."+rest[0], text), err
	case len(rest) == 2:
		return spec, document.Set("properties."+rest[0], rest[1]), nil
	}
	return nil, document.Edit{}, fmt.Errorf("SPEC... PROP [VALUE] is meant: %d words follow the specification", len(rest))
}

// readValue reads a value from standard input, without the newline at its end.
func (a *app) readValue(ctx context.Context, what string) (string, error) {
	text, err := a.readStdin(ctx, what, maxValue)
	return strings.TrimSuffix(string(text), "\n"), err
}

func parseUnset(_ context.Context, _ *app, args []string) ([]string, document.Edit, error) {
	last := len(args) - 1
	return args[:last], document.Unset("properties." + args[last]), nil
}

func parseTicket(_ context.Context, _ *app, args []string) ([]string, document.Edit, error) {
	last := len(args) - 1
	ticket := args[last]
	if !isTicket(ticket) {
		return nil, document.Edit{}, fmt.Errorf("%q is no ticket: SPEC... TICKET is meant", ticket)
	}
	return args[:last], document.Set("ticket", ticket), nil
}

// isTicket refuses what is more likely a constraint whose ticket was forgotten.
func isTicket(text string) bool { return text != "" && !strings.Contains(text, "=") }

func parseUnticket(_ context.Context, _ *app, args []string) ([]string, document.Edit, error) {
	return args, document.Unset("ticket"), nil
}

// editAll makes an edit to every dump that is selected.
func (a *app) editAll(ctx context.Context, spec []string, edit document.Edit, dryRun bool) error {
	c, err := a.corpusNow(ctx)
	if err != nil {
		return err
	}
	ids, err := a.selectIDs(ctx, c, spec)
	if err != nil {
		return err
	}
	if dryRun {
		for _, id := range ids {
			fmt.Fprintln(a.stdout, id)
		}
		return nil
	}
	failed, same := a.makeEdits(ctx, c, ids, edit)
	done := english.Plural(len(ids)-len(failed)-same, "dump", "") + " updated"
	if same > 0 {
		done += fmt.Sprintf(", %d left as before (nothing to change)", same)
	}
	return a.reportEach(ctx, ids, done, failed)
}

// makeEdits edits dumps, some at a time. It returns how each that failed did, and how many
// were so already.
func (a *app) makeEdits(ctx context.Context, c *corpus.Corpus, ids []dump.ID, edit document.Edit) (failed map[dump.ID]error, same int) {
	var (
		mu    sync.Mutex // guards failed, same, done
		done  int
		group errgroup.Group
	)
	failed = make(map[dump.ID]error)
	group.SetLimit(editsInFlight)
	bar := output.NewProgress(a.stderr, "editing", false)
	defer bar.Done()
	for _, id := range ids {
		group.Go(func() error {
			before, _ := c.Cached(ctx, id)
			after, err := c.Edit(ctx, id, edit)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed[id] = err
			} else if before != nil && bytes.Equal(before.Doc.Raw(), after.Doc.Raw()) {
				same++
			}
			done++
			bar.Set(done, len(ids))
			return nil
		})
	}
	group.Wait()
	return failed, same
}

// reportEach prints what was done to many dumps, and why some of them failed.
func (a *app) reportEach(ctx context.Context, ids []dump.ID, done string, failed map[dump.ID]error) error {
	for _, id := range ids {
		if err := failed[id]; err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintf(a.stderr, "thothfs: %s: %s\n", id, output.Printable(err.Error()))
		}
	}
	if len(failed) > 0 {
		done += fmt.Sprintf("; %d of %d failed", len(failed), len(ids))
	}
	fmt.Fprintf(a.stderr, "thothfs: %s\n", done)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(failed) > 0 {
		return output.ErrReported
	}
	return nil
}

// selectIDs is the hashes of the dumps that words select, which must all be
// constraints or dumps.
func (a *app) selectIDs(ctx context.Context, c *corpus.Corpus, words []string) ([]dump.ID, error) {
	sel, err := a.selectDumps(ctx, c, words)
	if err != nil {
		return nil, err
	}
	if err := sel.noWords(); err != nil {
		return nil, err
	}
	return sel.collect(ctx)
}

// collect is the hashes of the selected dumps, oldest first.
func (sel *selection) collect(ctx context.Context) ([]dump.ID, error) {
	var ids []dump.ID
	for l, err := range sel.dumps(ctx) {
		if err != nil {
			return nil, err
		}
		id, err := dump.ParseID(l.ID)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}
