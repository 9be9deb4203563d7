package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/analyze"
	"thothfs/cmd/thothfs/debugger"
	"thothfs/cmd/thothfs/output"
	"thothfs/dump"
	"thothfs/store"
)

const debugLong = `Runs a debugger on a dump in place: it starts at once, and only what it reads of the
dump is fetched. DUMP is a hash or a unique prefix of one, a path in a mount, a local
dump, or a specification that matches one dump: cmd=svc.startd limit=1 is the newest
of that command. If several match, they are listed, and the exit code is 2. The default
is the newest dump of the corpus.

The debugger is mdb for dumps of illumos, gdb or else lldb for cores of Linux, and crash
or else drgn for its kernel; --debugger chooses another. Arguments after -- are passed
to the debugger, whose exit status is returned.

The program that dumped core is taken from the directory of the dump, from the path
recorded in the dump if the file there has the same build ID, or from the servers in
DEBUGINFOD_URLS.

With ANALYZER, a shell is started instead, in which to write that analyzer for the dump:
$THOTH_ANALYZER is the path of an editable copy, thoth_analyze runs it, and the
functions and variables are those of an analyzer (see thothfs analyze --help). If the
shell exits with 0, its changes are stored: the ticket and the properties of the dump,
and the analyzer. After any other exit (at Ctrl-D, bash exits with the status of its
last command), debug asks on a terminal whether to store them; what is not stored is
kept in files, whose paths are printed. A name that the corpus does not have creates a
new analyzer.

A mount of the same corpus by this user with the same --cache-dir is used if there is
one; otherwise the corpus is mounted for the session.`

func debugCommand(cl *cli) *cobra.Command {
	var name string
	var fresh bool
	cmd := &cobra.Command{
		Use:   "debug [DUMP [ANALYZER]] [-- ARGUMENT...]",
		Short: "Debug a dump, or write an analyzer on it",
		Long:  debugLong,
		Example: `  thothfs debug
  thothfs debug cmd=worker limit=1
  thothfs debug 3308be28 -- -batch -ex 'thread apply all bt'
  thothfs debug 3308be28 my-analyzer`,
		RunE: func(cmd *cobra.Command, args []string) error {
			words, extra := args, []string(nil)
			if n := cmd.ArgsLenAtDash(); n >= 0 {
				words, extra = args[:n], args[n:]
			}
			words = joinSpec(words)
			switch {
			case len(words) > 2:
				return usageErrorf("expected DUMP [ANALYZER], got %d words (put arguments for the debugger after --)", len(words))
			case len(words) == 2 && (name != "" || len(extra) > 0):
				return usageErrorf("ANALYZER starts a shell, not a debugger: --debugger and arguments after -- cannot be combined with it")
			}
			return runDebug(cmd.Context(), cl, words, name, fresh, extra)
		},
	}
	freshFlag(cmd, &fresh)
	cmd.Flags().StringVar(&name, "debugger", "", "use the debugger `NAME`, by name or path")
	return cmd
}

func runDebug(ctx context.Context, cl *cli, words []string, name string, fresh bool, extra []string) error {
	c, err := cl.openKnown(ctx)
	if err != nil {
		return err
	}
	find := c.findDump
	if fresh {
		if err := c.away(ctx, unknownAfter); err != nil {
			return fmt.Errorf("the store is unreachable: %w", causeOf(err))
		}
		if err := c.syncNow(ctx); err != nil {
			return err
		}
	} else if c.isAway(ctx) {
		find = c.findKnownDump
	}
	var id dump.ID
	var analyzer []string
	if len(words) > 0 {
		analyzer = words[1:]
		id, err = find(ctx, words[0])
	} else {
		id, err = c.sayNewest(ctx, fresh)
	}
	if err != nil {
		return err
	}
	env, err := c.openAnalyzerEnv(interactiveMount, true)
	if err != nil {
		return err
	}
	return errors.Join(debugIn(ctx, cl, env, id, analyzer, name, extra), env.Close())
}

// joinSpec joins the constraints among words into one word, the first, which names a dump.
func joinSpec(words []string) []string {
	var constraints, others []string
	for _, word := range words {
		if isConstraint(word) {
			constraints = append(constraints, word)
		} else {
			others = append(others, word)
		}
	}
	if len(constraints) == 0 {
		return words
	}
	return append([]string{strings.Join(constraints, " ")}, others...)
}

// sayNewest returns the newest dump of the corpus and prints which one it is. It updates the catalogue
// unless the store is unreachable or synced is set.
func (c *openedCorpus) sayNewest(ctx context.Context, synced bool) (dump.ID, error) {
	if !synced && !c.offline {
		if err := c.syncNow(ctx); err != nil {
			return dump.ID{}, err
		}
	}
	id, err := c.newest(ctx)
	if err != nil {
		return id, err
	}
	d, err := c.Cached(ctx, id)
	if err == nil {
		c.cli.say("the newest dump: %s", dumpLine(d))
	}
	return id, err
}

// debugIn runs the shell for an analyzer if one is named, and otherwise the debugger.
func debugIn(ctx context.Context, cl *cli, env *analyze.Env, id dump.ID, analyzer []string, name string, extra []string) error {
	d, err := env.Dump(ctx, id)
	if errors.Is(err, store.ErrNotExist) {
		return fmt.Errorf("%s is %w", id, errNotInCorpus)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	if len(analyzer) == 0 {
		return runDebugger(ctx, cl, d, name, extra)
	}
	confirm := func(question string) bool { return cl.confirm(ctx, question) }
	_, terminal := output.Terminal(cl.stdin)
	shell := analyze.Shell{Env: env, Stdin: cl.stdin, Stdout: cl.stdout, Stderr: cl.stderr, Terminal: terminal, Confirm: confirm}
	return shell.Run(ctx, d, analyzer[0])
}

// runDebugger runs the debugger called name, or the best available one, on a dump.
func runDebugger(ctx context.Context, cl *cli, d analyze.Dump, name string, extra []string) error {
	info, err := debugger.Inspect(d.Path)
	if err != nil {
		return err
	}
	tool, err := debugger.Pick(name, info)
	if err != nil {
		return err
	}
	program := debugger.FindProgram(ctx, d.Path, info)
	printProgram(cl, program, info)
	if program.Path == "" && info.Type == dump.Crash && info.OS == "linux" {
		if tool.Name == "crash" && len(extra) == 0 { // crash is useless without a kernel
			return errors.New(debugger.VMLinuxHint(info))
		}
		cl.say("%s", debugger.VMLinuxHint(info))
	}
	cl.say("debugging %s with %s", d.ID, tool.Name)
	if info.Truncated() {
		cl.say("the dump is truncated: %s", truncation(info))
	}
	if warning := tool.Warning(info); warning != "" {
		cl.say("%s", warning)
	}
	cmd := tool.Command(program.Path, d.Path, extra)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = cl.stdin, cl.stdout, cl.stderr
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return debugger.RunForeground(cmd)
}

func printProgram(cl *cli, program debugger.Executable, info *dump.Info) {
	if program.Rejected != "" {
		cl.say("%s", program.Rejected)
	}
	what := "program"
	if info.Type == dump.Crash {
		what = "kernel"
	}
	switch {
	case program.Path != "":
		cl.say("%s: %s (%s)", what, program.Path, program.How)
	case what == "program" && info.OS != "illumos":
		cl.say("program: %s is not on this machine; symbols will be missing", cmp.Or(info.Executable, info.Cmd, "the executable"))
	}
}
