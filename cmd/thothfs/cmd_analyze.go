package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/analyze"
	"thothfs/dump"
	"thothfs/store"
)

const analyzeLong = `Runs an analyzer on every dump that matches, several at a time, and prints what each
of them wrote, in the order of the dumps. id='*' matches all dumps.

ANALYZER is one of these:
  gdb:COMMAND, lldb:COMMAND     a command of a debugger
  crash:COMMAND, drgn:CODE      the same for a Linux kernel, whose vmlinux is found by build ID
  ::COMMAND, $COMMAND           a command of mdb
  NAME                          the corpus's analyzer of that name (see thothfs analyzers), or
                                else the built-in one: %s
  builtin:NAME                  the built-in analyzer, even if the corpus has one of that name
  ./FILE, DIR/FILE              a script on this machine

An analyzer is a bash script. It is sourced in an empty directory, with these variables:
  $THOTH_DUMP   the path of the dump, in a mount of the corpus
  $THOTH_INFO   the path of a copy of its info.json
  $THOTH_TYPE   core or crash
  $THOTH_NAME   its hash
  $THOTHFS      this program

The functions thoth_set PROP [VALUE], thoth_unset PROP, thoth_ticket TICKET and
thoth_unticket edit the copy; without VALUE, thoth_set reads standard input. A script
may also rewrite the copy as a whole. If it exits with 0, its changes are stored, and
edits that others have made in the meantime are kept. Otherwise nothing is stored.

A script has the rights of the user who runs analyze, and a script of the corpus was
written by somebody who can write to the corpus. Variables with credentials
(MANTA_KEY_ID, SSH_AUTH_SOCK, AWS_..., and names that look like secrets) are not passed
on to it unless --credentials is given.

A mount of the same corpus by this user with the same --cache-dir is used if there is
one; otherwise the corpus is mounted for the run. The exit code is 1 if the analyzer
failed for a dump, and 3 if a dump that was named is not in the corpus.

--shard I/N selects part I of N parts of the dumps, counted from 0: N machines with I
from 0 to N-1 analyze every dump exactly once.
`

type analyzeFlags struct {
	jobs                int
	timeout             time.Duration
	shard               string
	dryRun, credentials bool
}

func analyzeCommand(cl *cli) *cobra.Command {
	var f analyzeFlags
	cmd := &cobra.Command{
		Use:   "analyze SPEC... ANALYZER",
		Short: "Run an analyzer on dumps",
		Long:  fmt.Sprintf(analyzeLong, strings.Join(analyze.Builtins(), ", ")) + specHelp,
		Example: `  thothfs analyze type=core mtime=1d signature
  thothfs analyze cmd=worker 'gdb:thread apply all bt' --timeout 60s
  thothfs analyze ticket=undefined ./triage.sh --jobs 8`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return runAnalyze(cmd.Context(), cl, args, f) },
	}
	cmd.Flags().IntVarP(&f.jobs, "jobs", "j", runtime.GOMAXPROCS(0), "number of dumps to analyze at a time")
	cmd.Flags().Lookup("jobs").DefValue = "the number of processors" // so that help is the same everywhere
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "how long one dump may take, such as 90s; 0 means no limit")
	cmd.Flags().StringVar(&f.shard, "shard", "", "analyze only part `I/N` of the dumps: 0/4, 1/4, 2/4 or 3/4")
	cmd.Flags().BoolVar(&f.credentials, "credentials", false, "pass credentials in the environment on to the analyzer")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only print the hashes of the dumps that would be analyzed")
	return cmd
}

func runAnalyze(ctx context.Context, cl *cli, args []string, f analyzeFlags) error {
	cl.how += " " + args[len(args)-1]
	part, err := parseShard(f.shard)
	switch {
	case err != nil:
		return err
	case f.jobs < 1:
		return usageErrorf("--jobs %d: must be at least 1", f.jobs)
	case f.timeout < 0:
		return usageErrorf("--timeout %s: expected a duration such as 90s", f.timeout)
	}
	c, err := cl.open(ctx, false)
	if err != nil {
		return err
	}
	last := len(args) - 1
	analyzer, err := analyze.Find(ctx, c.Corpus, args[last], cl.say)
	if err != nil {
		return err
	}
	ids, err := c.syncAndSelect(ctx, args[:last])
	if err != nil {
		return err
	}
	ids = part.of(ids)
	if len(ids) == 0 {
		cl.say("no dump matches")
	}
	if f.dryRun || len(ids) == 0 {
		return printEach(cl, ids, dump.ID.String)
	}
	env, err := c.openAnalyzerEnv(batchMount, f.credentials)
	if err != nil {
		return err
	}
	run := analyze.Run{Env: env, Analyzer: analyzer, Jobs: f.jobs, Timeout: f.timeout, Stdout: cl.stdout, Stderr: cl.stderr}
	return errors.Join(run.Do(ctx, ids), env.Close())
}

// openAnalyzerEnv prepares the environment of analyzers. If this user has no mount of the corpus,
// it makes one with the flags m. The caller must close the environment.
func (c *openedCorpus) openAnalyzerEnv(m mountFlags, credentials bool) (*analyze.Env, error) {
	user := cmp.Or(c.cli.getenv("MANTA_USER"), c.location.Owner)
	o := analyze.Options{Corpus: c.Corpus, Store: c.location.Name, Root: c.location.Path, CacheDir: c.cache, MantaUser: user,
		Mount: c.existingMount(), Credentials: credentials, Say: c.cli.say}
	_, local := store.AsLocal(c.store)
	if o.Mount == "" || !local {
		blocks, err := c.openCache(m)
		if err != nil {
			return nil, err
		}
		o.MountAt = func(dir string) (func() error, error) { return c.mountPrivately(dir, blocks, m) }
		if !local {
			o.Warm = func(ctx context.Context, id dump.ID) { warmOne(ctx, c.Corpus, blocks, id, false, nil) }
		}
	}
	return analyze.Open(o)
}

// shard is one of the parts into which all dumps are divided by hash.
type shard struct{ part, parts uint64 }

func parseShard(text string) (shard, error) {
	if text == "" {
		return shard{0, 1}, nil
	}
	i, n, _ := strings.Cut(text, "/")
	part, err := strconv.ParseUint(i, 10, 32)
	parts, nerr := strconv.ParseUint(n, 10, 32)
	if err != nil || nerr != nil || part >= parts {
		return shard{}, usageErrorf("--shard %s: expected I/N, with I from 0 to N-1", text)
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
