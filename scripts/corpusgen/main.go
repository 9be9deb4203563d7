// Command corpusgen creates a corpus of any size for tests and benchmarks:
//
//	go run ./scripts/corpusgen --count 100000 /tmp/corpus
//	thothfs --store /tmp/corpus mount mnt
//
// or, served by a Manta,
//
//	go run ./scripts/corpusgen --count 100000 --manta thoth /tmp/manta
//	go run ./store/manta/mantatest/mantatestd --root /tmp/manta --latency 20ms
//	MANTA_URL=http://127.0.0.1:8080 MANTA_USER=thoth MANTA_NO_AUTH=true thothfs ls cmd=node
//
// The same seed always creates the same dumps; a larger count only adds dumps. A run continues
// one that was interrupted. Package gen describes the contents of the dumps.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"thothfs/scripts/corpusgen/gen"
)

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, pflag.ErrHelp) {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err == nil {
		err = run(ctx, o, os.Stderr, term.IsTerminal(int(os.Stderr.Fd())))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "corpusgen:", err)
		os.Exit(1)
	}
}

func parse(args []string, errs io.Writer) (gen.Options, error) {
	var o gen.Options
	var account, size string
	f := pflag.NewFlagSet("corpusgen", pflag.ContinueOnError)
	f.SetOutput(errs)
	f.Usage = func() {
		fmt.Fprintf(errs, "corpusgen [flags] DIR: makes a corpus of invented dumps, or completes it\n%s", f.FlagUsages())
	}
	f.IntVar(&o.Count, "count", 10_000, "how many dumps; a million take 12 GiB of an ext4")
	f.IntVar(&o.From, "from", 0, "the number of the first, to make more later")
	f.Uint64Var(&o.Seed, "seed", 1, "another seed, another corpus")
	f.StringVar(&size, "dump-size", "64KiB", "of each dump, in holes")
	f.BoolVar(&o.Fill, "fill", false, "bytes instead of holes")
	f.StringVar(&account, "manta", "", "make it below DIR for mantatestd, as the corpus of this `ACCOUNT`")
	f.IntVar(&o.Workers, "workers", 0, "how many write at once (default: two for each processor)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	bytes, err := humanize.ParseBytes(size)
	switch {
	case err != nil || bytes > 1<<40:
		return o, fmt.Errorf("--dump-size %s: expected a size such as 64KiB", size)
	case o.Count < 0 || o.From < 0:
		return o, errors.New("--count and --from cannot be negative")
	case f.NArg() != 1 || f.Arg(0) == "":
		return o, errors.New("one directory is needed (see --help)")
	case account != "" && account != path.Base(path.Clean("/"+account)):
		return o, fmt.Errorf("--manta %q: expected an account name", account)
	}
	o.DumpSize = int64(bytes)
	if o.Dir, err = filepath.Abs(f.Arg(0)); err != nil {
		return o, err
	}
	o.Name = o.Dir
	if account != "" {
		o.Name = path.Join("/", account, "stor", "thoth")
		o.Dir = filepath.Join(o.Dir, o.Name)
	}
	return o, nil
}

func run(ctx context.Context, o gen.Options, errs io.Writer, tty bool) error {
	m := meter{out: errs, tty: tty, began: time.Now(), every: 5 * time.Second}
	if tty {
		m.every = time.Second / 5
	}
	o.Progress = m.show
	p, err := gen.Generate(ctx, o)
	if tty {
		fmt.Fprint(errs, "\r\033[K")
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted: %d of %d dumps are there; the same command goes on", p.Done, p.Total)
	}
	if err != nil {
		return err
	}
	took := time.Since(m.began)
	fmt.Fprintf(errs, "%d dumps in %s: %d made in %.1f s, %.0f a second\n", p.Done, o.Dir, p.Written, took.Seconds(), float64(p.Written)/took.Seconds())
	return nil
}

// meter shows the progress from time to time.
type meter struct {
	out   io.Writer
	tty   bool
	began time.Time
	every time.Duration

	mu   sync.Mutex // guards last, and the order of output to out
	last time.Time
}

func (m *meter) show(p gen.Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if now.Sub(m.last) < m.every || p.Done == 0 {
		return
	}
	m.last = now
	rate := float64(p.Done) / now.Sub(m.began).Seconds()
	left := time.Duration(float64(p.Total-p.Done) / rate * float64(time.Second)).Round(time.Second)
	text := fmt.Sprintf("%d of %d dumps, %d of them made now; %.0f a second, %v left", p.Done, p.Total, p.Written, rate, left)
	if m.tty {
		fmt.Fprintf(m.out, "\r\033[K%s", text)
	} else {
		fmt.Fprintln(m.out, text)
	}
}
