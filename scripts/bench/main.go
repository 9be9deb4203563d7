package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// options selects what a run measures. An empty list means everything.
type options struct {
	runs       int
	patience   time.Duration
	longest    time.Duration
	budget     time.Duration
	sequential int
	links      []string
	cores      []string
	tools      []string
	commands   []string
	small      bool
	dir, out   string
	doc        string
	thothfs    string
	note       string
}

func main() {
	o := parseOptions()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	rep, err := run(ctx, o)
	if rep != nil { // keep the results obtained before an interrupt
		if err != nil {
			o.doc = "" // but not in the document
		}
		if werr := rep.write(o.out, o.doc); err == nil {
			err = werr
		}
		fmt.Print(rep.markdown())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parseOptions() options {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	var o options
	pflag.IntVar(&o.runs, "runs", 5, "how often each case is measured; the median counts")
	pflag.DurationVar(&o.patience, "patience", 20*time.Second, "a case that took as long is not begun again")
	pflag.DurationVar(&o.longest, "longest", time.Minute, "a command that takes longer is given up, and said to have")
	pflag.DurationVar(&o.budget, "budget", 35*time.Minute, "how long all may take: what does not fit is measured fewer times, but once")
	pflag.IntVar(&o.sequential, "sequential", 256, "MiB that the sequential reader reads")
	pflag.StringSliceVar(&o.links, "links", nil, "links to measure over: "+names(links))
	pflag.StringSliceVar(&o.cores, "cores", nil, "cores to measure on: "+names(coreSpecs))
	pflag.StringSliceVar(&o.tools, "tools", nil, "tools to measure: "+names(allTools()))
	pflag.StringSliceVar(&o.commands, "commands", nil, "commands to measure: "+names(commands(0)))
	pflag.BoolVar(&o.small, "small", false, "small cores, to see that it works")
	pflag.StringVar(&o.dir, "dir", filepath.Join(cache, "thothfs-bench"), "where the cores are kept and the corpus is built")
	pflag.StringVar(&o.out, "out", "bench-out", "where the results go")
	pflag.StringVar(&o.doc, "doc", "", "a document whose part between the bench marks is replaced, as docs/performance.md")
	pflag.StringVar(&o.thothfs, "thothfs", "bin/thothfs", "the program to measure")
	pflag.StringVar(&o.note, "note", "", "a sentence about this run, for the report")
	pflag.Parse()
	return o
}

// named is implemented by things that can be selected by name on the command line.
type named interface{ label() string }

func names[T named](all []T) string {
	var list []string
	for _, x := range all {
		list = append(list, x.label())
	}
	return strings.Join(list, ", ")
}

// pick returns the elements of all that are listed in wanted, or all of them if wanted is empty.
func pick[T named](what string, all []T, wanted []string) ([]T, error) {
	if len(wanted) == 0 {
		return all, nil
	}
	var picked []T
	for _, name := range wanted {
		i := slices.IndexFunc(all, func(x T) bool { return x.label() == name })
		if i < 0 {
			return nil, fmt.Errorf("no %s %q: there are %s", what, name, names(all))
		}
		picked = append(picked, all[i])
	}
	return picked, nil
}
