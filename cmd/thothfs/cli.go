package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"thothfs/cache/cachedir"
	"thothfs/cmd/thothfs/output"
	"thothfs/dump/document"
	"thothfs/store/registry"
)

// cli is one run of the program: its streams, environment and global flags.
type cli struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string

	store       string
	cacheDir    string
	cacheSize   byteSize
	poll        time.Duration
	attrTimeout time.Duration
	log         string
	verbose     bool

	sources      map[string]string // where flags of this run were set, by name, unless on the command line
	how          string            // the verb, recorded in the history of edits
	ready        *os.File          // pipe to the process that waits for the mount; nil if there is none
	defaultLog   string            // where a mount logs without --log
	privateMount bool              // the mount is only for this run of the program
	closers      []func()
}

// atExit registers f to be called when the verb is done. Functions are called in reverse order.
func (cl *cli) atExit(f func()) { cl.closers = append(cl.closers, f) }

func (cl *cli) close() {
	for i := len(cl.closers) - 1; i >= 0; i-- {
		cl.closers[i]()
	}
	cl.closers = nil
}

const rootLong = `thothfs keeps a corpus of core and crash dumps, in a local directory or in Manta,
and mounts it as a file system: debuggers and scripts work on local paths, and only
what they read is fetched.

%s

Every flag can be set in the environment: the global --cache-dir is THOTHFS_CACHE_DIR, and
--limit of ls is THOTHFS_LS_LIMIT. Else it can be set in a file: see thothfs config --help.

Exit codes: 0 done; 1 failed, or failed for some dumps; 2 wrong arguments; 3 not in
the corpus; 128 plus the number of the signal after a signal (130 for Ctrl-C).`

func rootCommand(cl *cli) *cobra.Command {
	root := &cobra.Command{
		Use:           "thothfs",
		Short:         "A corpus of core and crash dumps as a file system",
		Long:          fmt.Sprintf(rootLong, registry.Help()),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			cl.how = cmd.Name()
			return cl.configure(cmd)
		},
		Version:                    versionText(),
		SuggestionsMinimumDistance: 2,
		Args:                       knownVerb,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate(versionLine())
	root.SetHelpCommand(helpCommand())
	globalFlags(cl, root.PersistentFlags())
	for _, command := range verbs {
		root.AddCommand(command(cl))
	}
	for _, v := range editVerbs {
		root.AddCommand(editCommand(cl, v))
	}
	for _, cmd := range root.Commands() {
		checkArgs(cmd)
	}
	groupVerbs(root)
	addCompletions(cl, root)
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		printUsage(cmd.OutOrStderr(), cmd)
		return nil
	})
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageErrorf("%w (see: %s --help)", err, cmd.CommandPath())
	})
	return root
}

// checkArgs makes a wrong number of arguments a usage error that shows the arguments of cmd.
func checkArgs(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if check(cmd, args) == nil {
			return nil
		}
		return usageErrorf("usage: %s (see: %s --help)", strings.TrimSuffix(cmd.UseLine(), " [flags]"), cmd.CommandPath())
	}
}

// knownVerb returns a usage error for a word that is not a verb.
func knownVerb(root *cobra.Command, words []string) error {
	if len(words) == 0 {
		return nil
	}
	hint := ""
	if similar := root.SuggestionsFor(words[0]); len(similar) > 0 {
		hint = fmt.Sprintf(": did you mean %s?", strings.Join(similar, " or "))
	}
	return usageErrorf("unknown verb %q%s (see: thothfs --help)", words[0], hint)
}

// helpCommand returns the verb help, which fails for a verb that does not exist.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [VERB]",
		Short: "Help about any verb",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []cobra.Completion
			for _, verb := range cmd.Root().Commands() {
				if verb.IsAvailableCommand() {
					names = append(names, cobra.CompletionWithDesc(verb.Name(), verb.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, words []string) error {
			verb, rest, err := cmd.Root().Find(words)
			if err != nil || len(rest) > 0 {
				return knownVerb(cmd.Root(), words)
			}
			verb.InitDefaultHelpFlag()
			return verb.Help()
		},
	}
}

func globalFlags(cl *cli, f *pflag.FlagSet) {
	f.StringVar(&cl.store, "store", "", "the corpus: "+registry.Usage())
	f.StringVar(&cl.cacheDir, "cache-dir", "", "private `DIR` for fetched data and the catalogue (default: the user's cache directory)")
	f.Var(&cl.cacheSize, "cache-size", "maximum `SIZE` of the cache, such as 20GiB (default: a tenth of its disk, at most 50GiB)")
	f.DurationVar(&cl.poll, "poll", 30*time.Second, "how often to look for new and removed dumps; 0 means never")
	f.DurationVar(&cl.attrTimeout, "attr-timeout", time.Second, "how long cached metadata of a dump counts as fresh")
	f.StringVar(&cl.log, "log", "", "where to log: a `FILE`, stderr, or syslog (the journal)")
	f.BoolVarP(&cl.verbose, "verbose", "v", false, "log more")
}

// cachePath creates the private directory for blocks and catalogues and returns its path.
func (cl *cli) cachePath() (path string, err error) {
	if path, err = cl.cacheLocation(); err != nil {
		return "", err
	}
	return path, private(path)
}

// cacheLocation returns the path of the private directory for blocks and catalogues.
func (cl *cli) cacheLocation() (path string, err error) {
	if cl.cacheDir != "" {
		path, err = filepath.Abs(cl.cacheDir)
	} else if path, err = os.UserCacheDir(); err == nil {
		path = filepath.Join(path, "thothfs")
	} else if os.Geteuid() == 0 { // started by init without HOME
		path, err = "/var/cache/thothfs", nil
	} else {
		err = errors.New("no place for the cache: set HOME, XDG_CACHE_HOME or --cache-dir")
	}
	return path, err
}

// private creates dir, and fails if other users could have put links into it. Other errors are left
// to be found when the directory is used.
func private(dir string) error {
	if err := cachedir.Private(dir); errors.Is(err, cachedir.ErrNotPrivate) {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}

// logger opens the log given with --log, or fallback without --log.
func (cl *cli) logger(fallback string) (*slog.Logger, error) {
	log, closeLog, err := output.OpenLog(cmp.Or(cl.log, fallback), cl.verbose, cl.stderr)
	if err == nil {
		cl.atExit(func() { closeLog() })
	}
	return log, err
}

// verbLogger opens the log for a short-running verb, which is quiet by default.
func (cl *cli) verbLogger() (*slog.Logger, error) {
	if cl.verbose {
		return cl.logger("stderr")
	}
	return cl.logger("none")
}

// readStdin reads all of standard input, at most limit bytes. what is a noun phrase for messages.
// On a terminal it prints how to end the input. For empty input it returns errNoInput, since an
// argument was probably forgotten.
func (cl *cli) readStdin(ctx context.Context, what string, limit int) ([]byte, error) {
	cl.announceStdin(what)
	text, err := orInterrupted(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(cl.stdin, int64(limit)+1)) })
	switch {
	case err != nil:
		return nil, err
	case len(text) > limit:
		return nil, fmt.Errorf("%s on standard input has more than %d bytes", what, limit)
	case len(text) == 0:
		return nil, errNoInput
	}
	return text, nil
}

var errNoInput = errors.New("standard input is empty")

func (cl *cli) say(format string, args ...any) {
	fmt.Fprintf(cl.stderr, "thothfs: %s\n", output.Printable(fmt.Sprintf(format, args...)))
}

// confirm asks a question on the terminal and reports whether the user answered yes.
func (cl *cli) confirm(ctx context.Context, question string) bool {
	cl.say("%s [y/N]", question)
	answer, err := orInterrupted(ctx, func() (string, error) { return bufio.NewReader(cl.stdin).ReadString('\n') })
	answer = strings.ToLower(strings.TrimSpace(answer))
	return err == nil && (answer == "y" || answer == "yes")
}

// announceStdin prints, if standard input is a terminal, that the program is waiting for input.
func (cl *cli) announceStdin(what string) {
	if _, ok := output.Terminal(cl.stdin); ok {
		cl.say("reading %s from the terminal; end it with Ctrl-D on a line of its own, or press Ctrl-C to cancel", what)
	}
}

// readValue reads a value from standard input and removes a trailing newline.
func (cl *cli) readValue(ctx context.Context, what string) (string, error) {
	text, err := cl.readStdin(ctx, what, document.MaxSize)
	return strings.TrimSuffix(string(text), "\n"), err
}
