package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"thothfs/dump"
)

const analyzeLong = `Runs an analyzer on every dump that matches, some at a time, and shows what each
wrote, in the order of the dumps. id='*' matches all dumps.

ANALYZER is one of these:
  gdb:COMMAND, lldb:COMMAND     a debugger's command
  crash:COMMAND, drgn:CODE      the same for a Linux kernel, whose vmlinux is found by build-id
  ::COMMAND, $COMMAND           a command of mdb
  NAME                          the corpus's analyzer of that name (see: thothfs analyzers), else
                                the one that comes with thothfs: %s
  builtin:NAME                  the one that comes with thothfs, whatever the corpus has
  ./FILE, DIR/FILE              a script on this machine

An analyzer is a bash script. It is sourced in a fresh working directory, with
$THOTH_DUMP (the path of the dump, in a mount of the corpus), $THOTH_INFO (a copy
of its info.json), $THOTH_TYPE (core or crash), $THOTH_NAME (its hash) and
$THOTHFS (this program). thoth_set PROP [VALUE] (or standard input), thoth_unset
PROP, thoth_ticket TICKET and thoth_unticket edit the copy, or it may be rewritten
whole; after an exit of 0 what has changed is stored, and edits that others made
meanwhile are kept. After any other exit nothing is stored.

A script runs as the user who runs analyze, and a corpus's script was written by whoever
may write to the corpus. Variables with credentials (MANTA_KEY_ID, SSH_AUTH_SOCK, AWS_...,
and names that look like a secret's) are not passed on to it, except with --credentials.

The mount is one that this user has of the same corpus with the same --cache-dir,
else one for the run. The exit code is 1 when the analyzer failed for a dump, 2
when a dump that is named is not in the corpus.

--shard I/N takes the I-th of N parts of the dumps, counted from 0: N machines
with I from 0 to N-1 do all, and none twice.
`

// analyzeFlags are those of analyze.
type analyzeFlags struct {
	jobs    int
	timeout time.Duration
	shard   string
	dryRun  bool

	credentials bool
}

func (a *app) analyzeCommand() *cobra.Command {
	var f analyzeFlags
	cmd := &cobra.Command{
		Use:   "analyze SPEC... ANALYZER",
		Short: "Run an analyzer on dumps",
		Long:  fmt.Sprintf(analyzeLong, strings.Join(ownAnalyzers(), ", ")) + specHelp,
		Args:  cobra.MinimumNArgs(2),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.analyze(cmd.Context(), args, f) },
	}
	cmd.Flags().IntVarP(&f.jobs, "jobs", "j", runtime.GOMAXPROCS(0), "how many dumps at a time")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "how long one dump may take, as 90s; 0: as long as it likes")
	cmd.Flags().StringVar(&f.shard, "shard", "", "only the `I/N` part of the dumps: 0/4, 1/4, 2/4, 3/4")
	cmd.Flags().BoolVar(&f.credentials, "credentials", false, "pass the environment's credentials on to the analyzer")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only print the hashes of the dumps that would be analyzed")
	return cmd
}

func (a *app) analyze(ctx context.Context, args []string, f analyzeFlags) error {
	a.how += " " + args[len(args)-1]
	part, err := parseShard(f.shard)
	switch {
	case err != nil:
		return err
	case f.jobs < 1:
		return fmt.Errorf("--jobs %d: at least 1 is meant", f.jobs)
	case f.timeout < 0:
		return fmt.Errorf("--timeout %s: a duration such as 90s is meant", f.timeout)
	}
	s, c, log, err := a.openAll(ctx)
	if err != nil {
		return err
	}
	last := len(args) - 1
	tool, err := a.findAnalyzer(ctx, c, args[last])
	if err != nil {
		return err
	}
	if err := a.syncNow(ctx, c); err != nil {
		return err
	}
	ids, err := a.selectIDs(ctx, c, args[:last])
	if err != nil {
		return err
	}
	ids = part.of(ids)
	if f.dryRun || len(ids) == 0 {
		return a.sayDumps(ids)
	}
	l, err := a.openLab(s, c, forAnalyzers, log)
	if err != nil {
		return err
	}
	if !f.credentials {
		l.env = withoutCredentials(l.env)
	}
	an := &analysis{app: a, lab: l, tool: tool, timeout: f.timeout}
	if an.script, err = l.scratch.write("analyzer", tool.text()); err == nil {
		err = a.analyzeAll(ctx, an, ids, f.jobs)
	}
	return errors.Join(err, l.close())
}

// sayDumps prints which dumps would be analyzed.
func (a *app) sayDumps(ids []dump.ID) error {
	if len(ids) == 0 {
		fmt.Fprintln(a.stderr, "thothfs: no dump matches")
	}
	for _, id := range ids {
		if _, err := fmt.Fprintln(a.stdout, id); err != nil {
			return err
		}
	}
	return nil
}

// analyzeAll runs the analysis on dumps, jobs at a time, and reports.
func (a *app) analyzeAll(ctx context.Context, an *analysis, ids []dump.ID, jobs int) error {
	// A reader of our output that went away is an error of writing, not our death.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	defer signal.Stop(pipe)
	running, stop := context.WithCancel(ctx)
	defer stop()
	bar := &progress{}
	if stdout, stderr, ok := a.files(); ok && len(ids) == 1 {
		an.stdout, an.stderr = stdout, stderr
	} else {
		bar = a.progress("analyzing", false)
	}
	outcomes := make(chan outcome)
	go func() { // ended by running, or when all is done
		an.each(running, ids, jobs, outcomes)
		close(outcomes)
	}()
	r := newAnalyzeReport(len(ids), bar.above(a.stdout), bar.above(a.stderr))
	for o := range outcomes {
		if r.add(o); r.broken != nil {
			stop() // what is under way ends, and is counted
		}
		bar.set(r.seen, len(ids))
	}
	r.rest()
	bar.done()
	return r.finish(ctx, a.stderr)
}

// each runs the analysis on dumps, jobs at a time, and sends what became of each. It
// fetches ahead for those that come next.
func (an *analysis) each(ctx context.Context, ids []dump.ID, jobs int, outcomes chan<- outcome) {
	var running, warming errgroup.Group
	running.SetLimit(jobs)
	warming.SetLimit(warmAtOnce)
	next := 0 // to be fetched
	for n, id := range ids {
		if ctx.Err() != nil {
			break
		}
		next = max(next, n+1)
		for next < len(ids) && next <= n+jobs+warmAtOnce && an.lab.blocks != nil {
			ahead := ids[next]
			if !warming.TryGo(func() error { an.lab.warm(ctx, ahead); return nil }) {
				break // later
			}
			next++
		}
		running.Go(func() error {
			outcomes <- an.run(ctx, n, id)
			return nil
		})
	}
	running.Wait()
	warming.Wait()
}

// files are the standard streams, if that is what they are.
func (a *app) files() (stdout, stderr *os.File, ok bool) {
	stdout, isOut := a.stdout.(*os.File)
	stderr, isErr := a.stderr.(*os.File)
	return stdout, stderr, isOut && isErr
}

// shard is one of parts that the dumps fall into by their hash, whichever there are.
type shard struct{ part, parts uint64 }

func parseShard(text string) (shard, error) {
	if text == "" {
		return shard{0, 1}, nil
	}
	i, n, _ := strings.Cut(text, "/")
	part, err := strconv.ParseUint(i, 10, 32)
	parts, nerr := strconv.ParseUint(n, 10, 32)
	if err != nil || nerr != nil || part >= parts {
		return shard{}, fmt.Errorf("--shard %s: I/N is meant, with I from 0 to N-1", text)
	}
	return shard{part, parts}, nil
}

func (s shard) of(ids []dump.ID) []dump.ID {
	var ours []dump.ID
	for _, id := range ids {
		h := fnv.New64a()
		h.Write(id[:])
		if h.Sum64()%s.parts == s.part {
			ours = append(ours, id)
		}
	}
	return ours
}
