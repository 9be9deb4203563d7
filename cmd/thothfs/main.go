// Command thothfs mounts a corpus of core and crash dumps as a file system, and provides Thoth's
// verbs: upload, ls, info, report, object. See README.md.
//
// It opens the store and the catalogue named by flags and environment variables (openstore.go,
// opencorpus.go) and passes them to the packages that do the work. Each verb has its own
// cmd_VERB.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/debugger"
	"thothfs/cmd/thothfs/output"
	"thothfs/query"
)

// Exit codes.
const (
	exitOK       = 0
	exitFailure  = 1
	exitUsage    = 2
	exitNotFound = 3   // dump not in the corpus
	exitSignal   = 128 // plus the number of the signal, as in shells
)

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup(1)
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := cancelOnSignal(context.Background(), signals...)
	args := mountHelperArgs(os.Args)
	code := run(ctx, args, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// errSignal is the cause of the cancellation of a context by a signal.
type errSignal struct{ syscall.Signal }

func (e errSignal) Error() string { return "interrupted" }

// cancelOnSignal returns a context that the first of the signals cancels with an errSignal. stop
// gives the signals their default action back.
func cancelOnSignal(parent context.Context, signals ...os.Signal) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	received := make(chan os.Signal, 1)
	signal.Notify(received, signals...)
	go func() {
		select {
		case s := <-received:
			cancel(errSignal{s.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(received)
		cancel(nil)
	}
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	cl := &cli{stdin: stdin, stdout: stdout, stderr: stderr, getenv: os.Getenv}
	root := rootCommand(cl)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	cl.close()
	if err == nil {
		return exitOK
	}
	if status := debugger.ExitStatus(0); errors.As(err, &status) {
		return int(status)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	if !errors.Is(err, output.ErrReported) {
		fmt.Fprintf(stderr, "thothfs: %s\n", output.Printable(err.Error()))
	}
	if s := (errSignal{}); errors.As(context.Cause(ctx), &s) {
		return exitSignal + int(s.Signal)
	}
	return exitCode(err)
}

func exitCode(err error) int {
	if errors.Is(err, errNotInCorpus) {
		return exitNotFound
	}
	if usage, syntax := (usageError{}), (*query.SyntaxError)(nil); errors.As(err, &usage) || errors.As(err, &syntax) {
		return exitUsage
	}
	return exitFailure
}

// usageError means that the arguments of a verb are wrong. It results in exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usageErrorf(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errNotInCorpus results in exit code 3.
var errNotInCorpus = errors.New("not in the corpus")

// notFoundError is an errNotInCorpus with another message.
type notFoundError string

func (e notFoundError) Error() string { return string(e) }

func (notFoundError) Is(target error) bool { return target == errNotInCorpus }

func notFoundf(format string, args ...any) error { return notFoundError(fmt.Sprintf(format, args...)) }

// verbs are the constructors of all commands except editVerbs.
var verbs = []func(*cli) *cobra.Command{
	analyzeCommand,
	analyzerCommand,
	analyzersCommand,
	attachCommand,
	cacheCommand,
	configCommand,
	checkCommand,
	debugCommand,
	documentCommand,
	executableCommand,
	getCommand,
	historyCommand,
	indexCommand,
	infoCommand,
	lsCommand,
	manCommand,
	modulesCommand,
	mountCommand,
	objectCommand,
	refreshCommand,
	reportCommand,
	rmCommand,
	showCommand,
	statusCommand,
	trashCommand,
	umountCommand,
	undoCommand,
	uploadCommand,
	versionCommand,
	warmCommand,
}

// mountHelperArgs translates the arguments used by mount(8) and fstab, which call the program as
// `mount.thothfs SOURCE MOUNTPOINT [-o …]`. See mount(8), "External helpers".
func mountHelperArgs(argv []string) []string {
	args := argv[1:]
	if filepath.Base(argv[0]) != "mount.thothfs" || len(args) < 2 {
		return args
	}
	out := []string{"mount", args[1]}
	if src := args[0]; src != "none" && src != "thothfs" {
		out = append(out, "--store="+src)
	}
	// -s (sloppy), -f (fake) and -n (no mtab) have no meaning here.
	return append(out, slices.DeleteFunc(slices.Clone(args[2:]), func(arg string) bool { return arg == "-s" || arg == "-n" || arg == "-f" })...)
}
