// Command thothfs mounts a corpus of core and crash dumps as a file system and
// carries Thoth's verbs: upload, ls, info, report, object. See README.md.
//
// This package turns flags and environment into one stack of stores (openstore.go),
// hands it to the packages that do the work, and waits. It is the only one that
// reads the environment, parses flags and exits.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"thothfs/cmd/thothfs/debugger"
	"thothfs/cmd/thothfs/output"
)

// Exit codes.
const (
	exitOK       = 0
	exitFailure  = 1
	exitNotFound = 2 // the dump is not in the corpus, as in the original
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	defer stop()
	args := mountHelperArgs(os.Args)
	code := run(ctx, args, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// endings are the signals that end the program in an orderly way. A terminal that
// goes away is one of them, unless nohup(1) has it ignored.
func endings() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// run is the whole program but for the process around it.
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
	if errors.Is(err, errNotInCorpus) {
		return exitNotFound
	}
	return exitFailure
}

var (
	// errNotInCorpus makes the exit code 2.
	errNotInCorpus = errors.New("not in the corpus")
)

// mountHelperArgs lets mount(8) and fstab call the program: installed (or
// linked) as mount.thothfs it is run as `mount.thothfs SOURCE MOUNTPOINT [-o …]`,
// and by mount.fuse3 as `thothfs SOURCE MOUNTPOINT -o …` never without a verb,
// so only the first form needs translating. See mount(8), "External helpers".
func mountHelperArgs(argv []string) []string {
	args := argv[1:]
	if filepath.Base(argv[0]) != "mount.thothfs" || len(args) < 2 {
		return args
	}
	out := []string{"mount", args[1]}
	if src := args[0]; src != "none" && src != "thothfs" {
		out = append(out, "--store="+src)
	}
	for _, arg := range args[2:] {
		// -s (sloppy), -f (fake), -n (no mtab) mean nothing here.
		if arg != "-s" && arg != "-n" && arg != "-f" {
			out = append(out, arg)
		}
	}
	return out
}
