package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"unicode"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/query"
)

// editsInFlight is the number of dumps edited concurrently.
const editsInFlight = 32

type editVerb struct {
	use, short, long, example string
	minArgs                   int
	// parse splits the arguments into the specification and the edit.
	parse func(ctx context.Context, cl *cli, args []string) (spec []string, edit document.Edit, err error)
}

var editVerbs = []editVerb{
	{"set SPEC... PROP [VALUE]", "Set a custom property of dumps", setLong, "  thothfs set signature=worker-1f2e3d4c triage jane", 2, parseSet},
	{"unset SPEC... PROP", "Remove a custom property of dumps", unsetLong, "  thothfs unset triage=jane triage", 2, parseUnset},
	{"ticket SPEC... TICKET", "Set the ticket of dumps", ticketLong, "  thothfs ticket 3308be28 5d8fe7c3 OS-2359\n  thothfs ticket cmd=worker ticket=undefined OS-2359 --dry-run", 2, parseTicket},
	{"unticket SPEC...", "Remove the ticket of dumps", unticketLong, "  thothfs unticket ticket=OS-2359", 1, parseUnticket},
}

const (
	setLong = `Sets the property PROP of every dump that matches. A VALUE that is a JSON object, array,
number or boolean is stored as such, anything else as a string. Without VALUE, or if it
is -, the value is read from standard input, which must not be empty: use '' to store
an empty string. The first word is a dump or a
specification, and more may follow: constraints, hashes of 8 digits and more, or
paths with a slash.

PROP is a name as in specifications and columns, and a dot leads into an object, as in
triage.engineer. In the document it is under "properties". A name cannot contain blanks
or any of ! < > , = and cannot be that of a field of the document.`
	unsetLong  = `Removes the property PROP of every dump that matches.`
	ticketLong = `Sets the ticket of every dump that matches. A ticket that contains an equals sign is
refused: it is probably a constraint, and the ticket was forgotten.`
	unticketLong = `Removes the ticket of every dump that matches.`
)

func editCommand(cl *cli, v editVerb) *cobra.Command {
	var dryRun, yes bool
	cmd := &cobra.Command{
		Use:     v.use,
		Short:   v.short,
		Example: v.example,
		Long:    v.long + "\n\nFailures are reported for each dump, and the exit code is then 1.\n" + specHelp,
		Args:    cobra.MinimumNArgs(v.minArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			spec, edit, err := v.parse(ctx, cl, args)
			if err != nil {
				return err
			}
			if !document.Writable(edit.Path) {
				return usageErrorf("%s cannot be set: expected the name of a property", strings.TrimPrefix(edit.Path, "properties."))
			}
			c, err := cl.open(ctx, false)
			if err != nil {
				return err
			}
			ids, err := c.syncAndSelect(ctx, spec)
			if err != nil {
				return err
			}
			if dryRun {
				return printEach(cl, ids, dump.ID.String)
			}
			if err := cl.confirmEdits(ctx, len(ids), yes); err != nil {
				return err
			}
			var same atomic.Int64
			failed := forEach(cl, "editing", editsInFlight, ids, func(id dump.ID) error {
				before, _ := c.Cached(ctx, id)
				after, err := c.Edit(ctx, id, edit)
				if err == nil && before != nil && bytes.Equal(before.Doc.Raw(), after.Doc.Raw()) {
					same.Add(1)
				}
				return err
			})
			done := english.Plural(len(ids)-len(failed)-int(same.Load()), "dump", "") + " updated"
			if n := same.Load(); n > 0 {
				done += fmt.Sprintf(", %d left as before (nothing to change)", n)
			}
			return reportEach(ctx, cl, ids, done, failed)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print the hashes of the dumps that would be changed")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, fmt.Sprintf("do not ask before more than %d dumps are changed", maxUnasked))
	return cmd
}

// maxUnasked is the maximum number of dumps that are edited without a question.
const maxUnasked = 100

// confirmEdits asks, if there are many, whether n dumps should be edited. It returns an error if they
// should not.
func (cl *cli) confirmEdits(ctx context.Context, n int, yes bool) error {
	if yes || n <= maxUnasked {
		return nil
	}
	count := humanize.Comma(int64(n))
	if _, ok := output.Terminal(cl.stdin); !ok {
		return usageErrorf("%s dumps match: give --yes to change that many, or --dry-run to list them", count)
	}
	if !cl.confirm(ctx, fmt.Sprintf("Change %s dumps?", count)) {
		return cmp.Or(ctx.Err(), errors.New("nothing was changed"))
	}
	return nil
}

// checkProperty returns an error if a property of that name should not be set.
func checkProperty(name string) error {
	if err := checkShort(name, "ticket"); err != nil {
		return err
	}
	bad := strings.IndexFunc(name, func(r rune) bool {
		return strings.ContainsRune("!<>,=", r) || unicode.IsSpace(r) || unicode.IsControl(r)
	})
	switch {
	case name == "", bad >= 0:
		return usageErrorf("%q cannot be the name of a property: names have no blanks and none of ! < > , =", name)
	case catalog.IsMember(name):
		return usageErrorf("%q is a field of the document and cannot be set: choose another name for the property", name)
	}
	return nil
}

// checkShort returns an error if name is a longer name of a property, which would nest, or the ticket,
// which has the given verb.
func checkShort(name, ticketVerb string) error {
	for _, prefix := range []string{"user.thoth.properties.", "user.thoth.", "properties."} {
		if short, ok := strings.CutPrefix(name, prefix); ok {
			return usageErrorf("%q cannot be set: the name of the property is %q", name, short)
		}
	}
	if name == catalog.Ticket.Name {
		return usageErrorf("the ticket is not a property: use thothfs %s", ticketVerb)
	}
	return nil
}

// parseSet treats the first word after the specification as PROP.
func parseSet(ctx context.Context, cl *cli, args []string) ([]string, document.Edit, error) {
	n := 1
	for n < len(args) && (query.IsConstraint(args[n]) || isPath(args[n]) || isHashPrefix(strings.ToLower(args[n])) && len(args[n]) >= certainPrefix) {
		n++
	}
	spec, rest := args[:n], args[n:]
	if len(rest) > 0 {
		if err := checkProperty(rest[0]); err != nil {
			return nil, document.Edit{}, err
		}
	}
	switch {
	case len(rest) == 1, len(rest) == 2 && rest[1] == "-":
		text, err := cl.readValue(ctx, "the value of "+rest[0])
		if errors.Is(err, errNoInput) {
			err = fmt.Errorf("standard input is empty: give the value of %s after its name, '' for an empty string", rest[0])
		}
		return spec, document.Set("properties."+rest[0], text), err
	case len(rest) == 2:
		return spec, document.Set("properties."+rest[0], rest[1]), nil
	}
	return nil, document.Edit{}, usageErrorf("expected SPEC... PROP [VALUE]: %d words follow the specification", len(rest))
}

func parseUnset(_ context.Context, _ *cli, args []string) ([]string, document.Edit, error) {
	last := len(args) - 1
	return args[:last], document.Unset("properties." + args[last]), checkShort(args[last], "unticket")
}

func parseTicket(_ context.Context, _ *cli, args []string) ([]string, document.Edit, error) {
	last := len(args) - 1
	if ticket := args[last]; !isTicket(ticket) {
		return nil, document.Edit{}, usageErrorf("%q is not a ticket: expected SPEC... TICKET", ticket)
	}
	return args[:last], document.Set("ticket", args[last]), nil
}

// isTicket reports whether text can be a ticket. Text with an equals sign is more likely to be a
// constraint, with the ticket forgotten.
func isTicket(text string) bool { return text != "" && !strings.Contains(text, "=") }

func parseUnticket(_ context.Context, _ *cli, args []string) ([]string, document.Edit, error) {
	return args, document.Unset("ticket"), nil
}
