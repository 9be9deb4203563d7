// Command bench-scale measures what a corpus of many dumps costs: to read from nothing,
// to begin with the published catalogue, to catch up with what others changed, to list,
// to ask questions, to poll, and to hold in memory. It makes corpora of the sizes of
// --sizes (corpusgen's; kept in the directory of --dir) and serves them from a Manta on
// loopback that is --latency away. Beside it, where there is one, is a baseline: the same
// tree of symbolic links on a plain file system, a plain HTTP client, or rclone.
//
//	go run ./scripts/bench-scale [--sizes 10000,100000] [--latency 20ms] [--plain /dev/shm]
//
// The tables are in scale.md and scale.json in the directory of --out; with --doc also
// between the marks of a document. A million dumps take 12 GiB of disk and some minutes
// to make.
//
// Every corpus is measured once, in the order of the table: the kernel's caches and ours
// are as the steps before left them. What a run adds to a corpus, new dumps, edits and
// .thothfs, it takes away at its end, and at its beginning what one that was killed has
// left. docs/performance.md says what each step is.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// options are what a run shall measure.
type options struct {
	sizes     []int
	firstUpTo int // dumps that are read one by one over the link
	latency   time.Duration
	bandwidth int64 // bytes per second
	poll      time.Duration
	dir, out  string
	doc       string
	plain     string // where the tree of links is made
	thothfs   string
	patience  time.Duration
}

func main() {
	o, err := parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var rep *report
	if err == nil {
		rep, err = run(ctx, o)
	}
	if rep != nil { // what was measured before an interrupt is worth keeping
		if err != nil {
			o.doc = "" // but not there
		}
		if werr := rep.write(o.out, o.doc); err == nil {
			err = werr
		}
		fmt.Print(rep.markdown())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-scale:", err)
		os.Exit(1)
	}
}

func parse() (options, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	var o options
	var mbit int64
	pflag.IntSliceVar(&o.sizes, "sizes", []int{10_000, 100_000}, "how many dumps the corpora have")
	pflag.IntVar(&o.firstUpTo, "first-index-up-to", 100_000, "dumps that are read one by one over the link: a larger corpus is indexed before, without the link")
	pflag.DurationVar(&o.latency, "latency", 20*time.Millisecond, "of each request to the store")
	pflag.Int64Var(&mbit, "bandwidth", 500, "of the link, Mbit/s; 0: no limit")
	pflag.DurationVar(&o.poll, "poll", 5*time.Second, "of the mounts whose polls are counted")
	pflag.StringVar(&o.dir, "dir", filepath.Join(cache, "thothfs-bench", "scale"), "where the corpora are kept")
	pflag.StringVar(&o.out, "out", "bench-out", "where the results go")
	pflag.StringVar(&o.doc, "doc", "", "a document whose part between the scale marks is replaced, as docs/performance.md")
	pflag.StringVar(&o.plain, "plain", "/dev/shm", "a directory of a plain file system, for the same tree of links")
	pflag.StringVar(&o.thothfs, "thothfs", "bin/thothfs", "the program to measure")
	pflag.DurationVar(&o.patience, "patience", 20*time.Minute, "how long a step may take")
	pflag.Parse()
	o.bandwidth = mbit * 1e6 / 8
	for _, n := range o.sizes {
		if n < 100 {
			return o, fmt.Errorf("--sizes %d: 100 dumps at least", n)
		}
	}
	if o.poll < 100*time.Millisecond {
		return o, fmt.Errorf("--poll %v: 100ms at least, so that one can be told from the next", o.poll)
	}
	o.thothfs, err = filepath.Abs(o.thothfs)
	return o, err
}
