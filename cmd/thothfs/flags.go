package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"thothfs/cache/cachedir"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// cli is one run of the program.
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

	how   string   // what the history says that edits are made by
	ready *os.File // where the background half of mount reports its progress; nil: nowhere

	privateMount bool // what is mounted is for this run of the program alone

	closers []func()
}

// atExit has f called when the verb is done, last in first out.
func (cl *cli) atExit(f func()) { cl.closers = append(cl.closers, f) }

func (cl *cli) close() {
	for i := len(cl.closers) - 1; i >= 0; i-- {
		cl.closers[i]()
	}
	cl.closers = nil
}

const rootLong = `thothfs keeps a corpus of core and crash dumps, in a local directory or in
Manta, and mounts it: debuggers and scripts work on local paths, and only what
they read is fetched.

The corpus: --store DIR, or --store manta:[/ACCOUNT/stor/thoth]; else
$THOTHFS_STORE; else Manta when MANTA_URL is set (with MANTA_USER, MANTA_KEY_ID,
MANTA_SUBUSER, MANTA_NO_AUTH, MANTA_TLS_INSECURE and THOTH_USER, as for thoth);
else the directory $XDG_DATA_HOME/thothfs/corpus.

Every flag can be set in the environment: --cache-dir is THOTHFS_CACHE_DIR.`

// verbs are the constructors of the verbs' commands.
var verbs = []func(*cli) *cobra.Command{
	analyzeCommand, analyzerCommand, analyzersCommand, attachCommand, debugCommand, documentCommand, executableCommand,
	historyCommand, indexCommand, infoCommand, lsCommand, manCommand, modulesCommand, mountCommand, objectCommand,
	reportCommand, setCommand, ticketCommand, umountCommand, undoCommand, unsetCommand, unticketCommand, uploadCommand,
	versionCommand, warmCommand,
}

func rootCommand(cl *cli) *cobra.Command {
	root := &cobra.Command{
		Use:           "thothfs",
		Short:         "A corpus of core and crash dumps as a file system",
		Long:          rootLong,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			cl.how = cmd.Name()
			return cl.flagsFromEnv(cmd.Flags())
		},
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	globalFlags(cl, root.PersistentFlags())
	for _, command := range verbs {
		root.AddCommand(command(cl))
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w (see: %s --help)", err, cmd.CommandPath())
	})
	return root
}

func globalFlags(cl *cli, f *pflag.FlagSet) {
	f.StringVar(&cl.store, "store", "", "the corpus: a `DIR`, or manta:[/ACCOUNT/stor/thoth]")
	f.StringVar(&cl.cacheDir, "cache-dir", "", "private `DIR` for fetched blocks and the catalogue (default: the user's cache directory)")
	f.Var(&cl.cacheSize, "cache-size", "`SIZE` the cache may take, as 20GiB (default: a tenth of its disk, at most 50GiB)")
	f.DurationVar(&cl.poll, "poll", 30*time.Second, "how often to look for new and removed dumps; 0: never")
	f.DurationVar(&cl.attrTimeout, "attr-timeout", time.Second, "how long what is known of one dump is taken as current")
	f.StringVar(&cl.log, "log", "", "where to log: a `FILE`, stderr, or syslog (the journal)")
	f.BoolVarP(&cl.verbose, "verbose", "v", false, "log more")
}

// flagsFromEnv sets every flag that was not given from THOTHFS_NAME.
func (cl *cli) flagsFromEnv(flags *pflag.FlagSet) error {
	var first error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "THOTHFS_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		v := cl.getenv(name)
		if f.Changed || v == "" || f.Name == "help" {
			return
		}
		if err := flags.Set(f.Name, v); err != nil && first == nil {
			first = fmt.Errorf("%s=%q in the environment: %w", name, v, err)
		}
	})
	return first
}

// cachePath makes the private directory for blocks and catalogues, and returns it. One
// in which others may have left links is refused.
func (cl *cli) cachePath() (string, error) {
	path, err := cl.cacheName()
	if err != nil {
		return "", err
	}
	return path, private(path)
}

// private makes dir if it can, and refuses one that is not this user's alone. Other
// faults show when the directory is used.
func private(dir string) error {
	if err := cachedir.Private(dir); errors.Is(err, cachedir.ErrNotPrivate) {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}

func (cl *cli) cacheName() (string, error) {
	if cl.cacheDir != "" {
		return filepath.Abs(cl.cacheDir)
	}
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "thothfs"), nil
	}
	if os.Geteuid() == 0 { // started by init, without a HOME
		return "/var/cache/thothfs", nil
	}
	return "", fmt.Errorf("no place for the cache: set HOME, XDG_CACHE_HOME or --cache-dir")
}

// byteSize is a pflag.Value in bytes, written as people do: 512MB, 20GiB.
type byteSize int64

func (b *byteSize) String() string {
	if *b == 0 {
		return ""
	}
	return humanize.IBytes(uint64(*b))
}

func (b *byteSize) Type() string { return "SIZE" }

func (b *byteSize) Set(s string) error {
	n, err := humanize.ParseBytes(s)
	if err != nil || n == 0 || n > 1<<62 {
		return fmt.Errorf("a size such as 512MB or 20GiB is meant")
	}
	*b = byteSize(n)
	return nil
}
