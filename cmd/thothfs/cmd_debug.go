package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/store"
)

const debugLong = `Runs a debugger on a dump, in place: it starts at once, and of the dump only what it
reads is fetched. DUMP is a hash or the beginning of one, a local dump, or a
specification that one dump meets: 'cmd=svc.startd limit=1' is the newest of that
command.

The debugger is the first of these that is installed: for illumos mdb; for Linux gdb
or lldb, for its kernel crash or drgn; --debugger names another. Arguments behind --
are for it. Its exit code is ours.

The program that dumped core is taken from beside the dump, from the path that the
dump tells if the file there is of the same build-id, or from the servers of
DEBUGINFOD_URLS.

With ANALYZER, a shell on the dump instead, in which to write that analyzer:
$THOTH_ANALYZER is the path of an editable copy, thoth_analyze runs it, and the
functions and variables are those of an analyzer (see: thothfs analyze --help). When
the shell ends with exit 0, what it changed is stored: the dump's ticket and
properties, and the analyzer. After any other exit (bash ends with the status of its
last command at Ctrl-D) debug asks on a terminal whether to store it; what is not
stored is kept in files, whose paths are printed. A name that the corpus does not
have begins a new analyzer.

The mount is one that this user has of the same corpus with the same --cache-dir, else
one for the session.`

// debugFlags are those of debug.
type debugFlags struct {
	debugger string
	fresh    bool
}

func (a *app) debugCommand() *cobra.Command {
	var f debugFlags
	cmd := &cobra.Command{
		Use:   "debug DUMP [ANALYZER] [-- ARGUMENT...]",
		Short: "Debug a dump, or write an analyzer on it",
		Long:  debugLong,
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			words, extra := args, []string(nil)
			if n := cmd.ArgsLenAtDash(); n >= 0 {
				words, extra = args[:n], args[n:]
			}
			switch {
			case len(words) < 1 || len(words) > 2:
				return fmt.Errorf("DUMP [ANALYZER] is meant: there are %d words (arguments of the debugger go behind --)", len(words))
			case len(words) == 2 && (f.debugger != "" || len(extra) > 0):
				return errors.New("with an ANALYZER there is a shell and no debugger: --debugger and arguments behind -- mean nothing")
			}
			return a.debug(cmd.Context(), words, f, extra)
		},
	}
	freshFlag(cmd, &f.fresh)
	cmd.Flags().StringVar(&f.debugger, "debugger", "", "use the debugger `NAME`, by name or path")
	return cmd
}

func (a *app) debug(ctx context.Context, words []string, f debugFlags, extra []string) error {
	s, c, log, err := a.openKnown(ctx)
	if err != nil {
		return err
	}
	find := a.oneDump
	if f.fresh {
		if err := s.away(ctx, unknownAfter); err != nil {
			return notFresh(err)
		}
		if err := a.syncNow(ctx, c); err != nil {
			return err
		}
	} else if a.isAway(ctx, s, c) {
		find = a.knownDump
	}
	id, err := find(ctx, c, words[0])
	if err != nil {
		return err
	}
	l, err := a.openLab(s, c, forOneself, log)
	if err != nil {
		return err
	}
	if len(words) == 2 {
		err = a.shellOn(ctx, l, id, words[1])
	} else {
		err = a.debuggerOn(ctx, l, id, f.debugger, extra)
	}
	return errors.Join(err, l.close())
}

// oneDump finds the one dump that a word means. The store is only asked for news when
// the word means none of those that are known.
func (a *app) oneDump(ctx context.Context, c *corpus.Corpus, word string) (dump.ID, error) {
	if !strings.Contains(word, "=") {
		id, err := resolve(ctx, c, word)
		if err == nil || !errors.Is(err, errNotInCorpus) && !errors.Is(err, errNoIdentifier) {
			return id, err
		}
	}
	if err := a.syncNow(ctx, c); err != nil {
		return dump.ID{}, err
	}
	return a.knownDump(ctx, c, word)
}

// knownDump finds the one dump that a word means among those that are known.
func (a *app) knownDump(ctx context.Context, c *corpus.Corpus, word string) (dump.ID, error) {
	if !strings.Contains(word, "=") {
		id, err := resolve(ctx, c, word)
		if errors.Is(err, errNoIdentifier) {
			err = fmt.Errorf("%s: %w", word, err)
		}
		return id, err
	}
	ids, err := a.selectIDs(ctx, c, strings.Fields(word))
	if err == nil && len(ids) != 1 {
		err = fmt.Errorf("%d dumps meet %q, and one is meant (see: thothfs ls)", len(ids), word)
	}
	if err != nil {
		return dump.ID{}, err
	}
	return ids[0], nil
}

// debuggerOn runs the debugger on a dump.
func (a *app) debuggerOn(ctx context.Context, l *lab, id dump.ID, debugger string, extra []string) error {
	_, file, err := l.dumpAndFile(ctx, id)
	if err != nil {
		return notHere(id, err)
	}
	path := byHash(l.mount, id.String(), file)
	info, err := inspectFile(path)
	if err != nil {
		return err
	}
	tool, err := pickDebugger(debugger, info)
	if err != nil {
		return err
	}
	program := a.programFor(ctx, path, info)
	if program == "" && info.Type == dump.Crash && info.OS == "linux" {
		if tool.name == "crash" && len(extra) == 0 { // can do nothing without one
			return errors.New(vmlinuxHint(info))
		}
		a.say("%s", vmlinuxHint(info))
	}
	a.say("debugging %s with %s", id, tool.name)
	if info.Truncated() {
		a.say("the dump is truncated: %s", truncation(info))
	}
	if tool.name == "gdb" && !runsHere(info.Machine) {
		a.say("this gdb may not know %s; gdb-multiarch does (%s)", info.Machine, toInstall["gdb-multiarch"])
	}
	cmd := exec.Command(tool.path, tool.argv(program, path, extra)[1:]...)
	cmd.Args[0] = tool.name
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.stdin, a.stdout, a.stderr
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return runSession(cmd)
}

// programFor finds the program of a dump and tells what is used.
func (a *app) programFor(ctx context.Context, path string, info *dump.Info) string {
	if info.OS == "illumos" {
		return "" // mdb has what it needs in the dump
	}
	if info.Type == dump.Crash {
		kernel := a.findVMLinux(ctx, path, info)
		if kernel.not != "" {
			a.say("%s", kernel.not)
		}
		if kernel.path != "" {
			a.say("kernel: %s (%s)", kernel.path, kernel.how)
		}
		return kernel.path
	}
	exe := a.findExecutable(ctx, path, info)
	if exe.not != "" {
		a.say("%s", exe.not)
	}
	if exe.path == "" {
		a.say("program: %s is not here", cmp.Or(info.Executable, info.Cmd, "it"))
	} else {
		a.say("program: %s (%s)", exe.path, exe.how)
	}
	return exe.path
}

// notHere says that a dump is not in the corpus in the words of the verbs.
func notHere(id dump.ID, err error) error {
	if errors.Is(err, store.ErrNotExist) {
		return fmt.Errorf("%s is %w", id, errNotInCorpus)
	}
	return fmt.Errorf("%s: %w", id, err)
}

// say tells the user what is going on.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stderr, "thothfs: %s\n", printable(fmt.Sprintf(format, args...)))
}
