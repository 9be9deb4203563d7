package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"thothfs/cmd/thothfs/debugger"
	"thothfs/cmd/thothfs/output"
	"thothfs/cmd/thothfs/show"
	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/store"
)

const showLong = `Prints what is known of dumps as a page for people: facts, stacks, modules with their
build-ids and whether this machine has the same build (same, other, unknown, absent),
properties, the last edits, and the command that debugs the dump. Without words it
shows the newest dump of the corpus. For programs there is info, which prints JSON.

The facts come from the catalogue, also while the store is unreachable. The modules are read
from the dump, of which little is fetched. The stacks of all threads are read by gdb or
eu-stack if the dump is in a local directory; else --threads does so, and fetches what
the debugger reads. Without them the stack that was recorded at the upload is shown.

In a pipe times have no age, and long lines are not cut.
`

// shownEdits is the number of edits that show prints, and searchedEdits the number of edits of the corpus
// that it looks through for them.
const (
	shownEdits    = 5
	searchedEdits = 2000
)

// threadsTimeout is how long a debugger may read stacks for a page.
const threadsTimeout = 30 * time.Second

func showCommand(cl *cli) *cobra.Command {
	var threads bool
	cmd := &cobra.Command{
		Use:   "show [SPEC...]",
		Short: "Print a page about a dump",
		Long:  showLong + specHelp,
	}
	selectingVerb(cl, cmd, func(ctx context.Context, sel *selection, _ []string) error {
		return runShow(ctx, sel, threads)
	})
	cmd.Flags().BoolVar(&threads, "threads", false, "read the stacks of all threads from the dump, wherever it is")
	return cmd
}

func runShow(ctx context.Context, sel *selection, threads bool) error {
	if err := sel.onlyDumps(ctx); err != nil {
		return err
	}
	c := sel.opened
	if !sel.byID && len(sel.spec.Constraints()) == 0 && sel.spec.Limit() == 0 {
		id, err := c.newest(ctx)
		if err != nil {
			return err
		}
		sel.ids, sel.byID = []dump.ID{id}, true
	}
	layout := show.Layout{}
	if f, ok := output.Terminal(c.cli.stdout); ok {
		layout = show.Layout{Width: 80, Now: time.Now()}
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			layout.Width = width
		}
	}
	n := 0
	for d, err := range sel.all(ctx) {
		if err != nil {
			return err
		}
		if n++; n > 1 {
			fmt.Fprintln(c.cli.stdout)
		}
		if d.Doc.Damage() != "" {
			c.cli.say("%s: info.json is damaged: %s", d.ID, d.Doc.Damage())
		}
		if err := c.page(ctx, d, threads).Write(c.cli.stdout, layout); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if n == 0 {
		return notFoundf("no dump matches")
	}
	return nil
}

// newest returns the newest dump of the corpus.
func (c *openedCorpus) newest(ctx context.Context) (dump.ID, error) {
	ids, err := c.selectIDs(ctx, []string{"limit=1"})
	if err == nil && len(ids) == 0 {
		err = notFoundf("there are no dumps in %s", c.location)
	}
	if err != nil {
		return dump.ID{}, err
	}
	return ids[0], nil
}

// page collects what is shown of a dump. What cannot be read is explained on the page.
func (c *openedCorpus) page(ctx context.Context, d *corpus.Dump, threads bool) *show.Page {
	p := &show.Page{ID: d.ID, Doc: d.Doc, Debug: "thothfs debug " + d.ID.Short()}
	c.addEdits(ctx, p)
	f, err := c.openDump(ctx, d.ID)
	if err != nil {
		p.Storage = fmt.Sprintf("%s/%s (%v)", c.location, d.ID, causeOf(errors.Unwrap(err)))
		p.NoModules = "The modules are unknown, because the dump cannot be read."
		return p
	}
	defer f.Close()
	p.Storage = fmt.Sprintf("%s/%s/%s", c.location, d.ID, output.Cell(f.name))
	if !f.local {
		p.Storage += " (in the store" + map[bool]string{true: ", which is unreachable"}[c.offline] + ")"
	}
	info, err := f.Inspect()
	if err != nil {
		p.NoModules = fmt.Sprintf("The modules are unknown, because the dump cannot be read: %v.", output.Printable(causeOf(err).Error()))
		return p
	}
	for _, m := range info.Modules {
		p.Modules = append(p.Modules, show.Module{Path: m.Path, BuildID: m.BuildID, Match: debugger.CompareBuild(m.Path, m.BuildID, info)})
	}
	p.Program = programText(ctx, f.path, info)
	c.addThreads(ctx, p, f, info, threads)
	return p
}

// programText says where the program or kernel of a dump is, or "".
func programText(ctx context.Context, path string, info *dump.Info) string {
	if info.OS == "illumos" {
		return "" // mdb needs none
	}
	switch found := debugger.FindProgram(ctx, path, info); {
	case found.Path != "":
		return fmt.Sprintf("%s (%s)", output.Cell(found.Path), found.How)
	case found.Rejected != "":
		return output.Cell(found.Rejected)
	}
	return "not found on this machine; symbols will be missing"
}

// addThreads reads the stacks of all threads if that is cheap, or if threads is set.
func (c *openedCorpus) addThreads(ctx context.Context, p *show.Page, f *dumpFile, info *dump.Info, threads bool) {
	several := len(info.Threads) > 1 || len(p.Doc.Stack()) == 0
	switch {
	case info.Type == dump.Crash || info.OS == "illumos":
		return
	case !threads && !several:
		return
	case !threads && !f.local:
		if len(info.Threads) > 1 {
			p.NoThreads = fmt.Sprintf("The process had %d threads; show --threads reads their stacks from the dump in the store.", len(info.Threads))
		}
		return
	}
	path := f.path
	if path == "" {
		env, err := c.openAnalyzerEnv(interactiveMount, false)
		if err != nil {
			p.NoThreads = fmt.Sprintf("The stacks of the threads cannot be read: %v.", err)
			return
		}
		defer env.Close()
		d, err := env.Dump(ctx, p.ID)
		if err != nil {
			p.NoThreads = fmt.Sprintf("The stacks of the threads cannot be read: %v.", err)
			return
		}
		path = d.Path
	}
	limited, cancel := context.WithTimeout(ctx, threadsTimeout)
	defer cancel()
	var err error
	p.Threads, err = debugger.Threads(limited, path, info)
	switch {
	case limited.Err() != nil && ctx.Err() == nil:
		p.NoThreads = fmt.Sprintf("The stacks of some threads are missing: the debugger took longer than %s.", threadsTimeout)
	case err != nil:
		p.NoThreads = fmt.Sprintf("The stacks of the threads cannot be read: %v.", err)
	}
}

// addEdits adds the last edits of the dump.
func (c *openedCorpus) addEdits(ctx context.Context, p *show.Page) {
	if c.offline {
		p.More = "The history is in the store, which is unreachable."
		return
	}
	n := 0
	for e, err := range c.History(ctx, time.UnixMilli(0)) {
		if err != nil {
			if !errors.Is(err, store.ErrNotExist) {
				p.More = fmt.Sprintf("The history cannot be read: %v.", causeOf(err))
			}
			return
		}
		if e.Dump == p.ID {
			if len(p.History) == shownEdits {
				p.More = "older ones: thothfs history " + p.ID.Short()
				return
			}
			p.History = append(p.History, show.Edit{Time: e.Time, By: cmp.Or(e.By, "-"), Change: changeText(e)})
		}
		if n++; n == searchedEdits {
			p.More = "older ones: thothfs history " + p.ID.Short()
			return
		}
	}
}
