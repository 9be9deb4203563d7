// Command bench-scale measures the cost of a corpus of many dumps: reading it from scratch,
// starting from the published catalogue, catching up with changes made by others, listing,
// queries, polling, and memory. It creates corpora of the sizes in --sizes (with corpusgen; kept
// in the directory given by --dir) and serves them from a Manta on loopback with --latency. Where
// there is a baseline, it is the same tree of symbolic links on a plain file system, a plain HTTP
// client, or rclone.
//
//	go run ./scripts/bench-scale [--sizes 10000,100000] [--latency 20ms] [--plain /dev/shm]
//
// The tables are written to scale.md and scale.json in the directory given by --out and, with
// --doc, also between the marks of a document. A million dumps take 12 GiB of disk space and some
// minutes to create.
//
// Every corpus is measured once, in the order of the table. Each step finds the caches of the
// kernel and of thothfs as earlier steps left them. A run adds new dumps, edits and .thothfs to a
// corpus and removes them when it ends; it starts by removing leftovers of a killed run.
// docs/performance.md describes the steps.
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

// options selects what a run measures.
type options struct {
	sizes     []int
	firstUpTo int // maximum number of dumps that are read one by one over the link
	latency   time.Duration
	bandwidth int64 // bytes per second
	poll      time.Duration
	dir, out  string
	doc       string
	plain     string // directory for the tree of links
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
