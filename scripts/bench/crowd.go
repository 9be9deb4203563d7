package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"thothfs/scripts/corpusgen/gen"
)

// crowdName is the command in which many processes run at once, each on a different dump.
const crowdName = "crowd"

// crowdGauges lists the gauges that must be zero when nothing is being read. Older versions of
// thothfs lack some of them.
var crowdGauges = []string{"cache.inflight", "cache.memory.bytes", "fs.handles"}

// Crowd is the result of the crowd command. Times are in milliseconds per process.
type Crowd struct {
	Link                   string
	Readers, MiB           int
	Median, Slowest, Ratio float64
	Resident               int64            // peak memory of the daemon in bytes (VmHWM)
	Gauges                 map[string]int64 // values a while after the last read
}

// crowd reads the starts of many dumps at once, cold.
func crowd(ctx context.Context, b *bench, l link) (err error) {
	x := Crowd{Link: l.Name, Readers: 32, MiB: 16, Gauges: map[string]int64{}}
	if b.small {
		x.Readers, x.MiB = 4, 2
	}
	dumps, err := b.crowdDumps(ctx, x)
	if err != nil {
		return err
	}
	s, err := b.open(ctx, tool{open: openThothfs(crowdName, noLearn)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	b.site.settle(l)
	walls, err := readTogether(ctx, b.place().mnt, dumps, x.MiB)
	if err != nil {
		return err
	}
	slices.Sort(walls)
	x.Median, x.Slowest = milliseconds(walls[len(walls)/2]), milliseconds(walls[len(walls)-1])
	x.Ratio = x.Slowest / x.Median
	if x.Resident, err = peakMemory(b.place().mnt); err != nil {
		return err
	}
	if err := b.place().awaitGauges(ctx, x.Gauges); err != nil {
		return err
	}
	b.rep.Crowds = append(b.rep.Crowds, x)
	b.say("%s %s: %+v", l.Name, crowdName, x)
	return nil
}

// crowdDumps creates the dumps, unless they exist.
func (b *bench) crowdDumps(ctx context.Context, x Crowd) ([]gen.Dump, error) {
	o := gen.Options{
		Dir: corpusDir(b.site.root, crowdName), Count: x.Readers, Seed: 1, Name: "/" + crowdName + "/stor/thoth",
		DumpSize: int64(x.MiB+1) << 20, Fill: true,
	}
	if _, err := gen.Generate(ctx, o); err != nil {
		return nil, err
	}
	var dumps []gen.Dump
	for d, err := range gen.Samples(o, 0, o.Count) {
		if err != nil {
			return nil, err
		}
		dumps = append(dumps, d)
	}
	return dumps, nil
}

// readTogether reads all dumps at once, each in a separate process, and returns the time that
// each took.
func readTogether(ctx context.Context, mnt string, dumps []gen.Dump, mib int) ([]time.Duration, error) {
	var wg sync.WaitGroup
	walls, errs := make([]time.Duration, len(dumps)), make([]error, len(dumps))
	for i, d := range dumps {
		wg.Go(func() {
			begin := time.Now()
			errs[i] = dd(ctx, filepath.Join(mnt, "by-hash", d.ID.String(), d.Name), os.DevNull, mib)
			walls[i] = time.Since(begin)
		})
	}
	wg.Wait()
	return walls, errors.Join(errs...)
}

// peakMemory returns the peak resident memory of the daemon of a mount.
func peakMemory(mnt string) (int64, error) {
	pid, err := os.ReadFile(filepath.Join(mnt, ".thothfs", "pid"))
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("the kernel does not tell VmHWM")
}

// awaitGauges waits until all gauges are zero, or for 20 s, and stores their values in gauges.
func (p place) awaitGauges(ctx context.Context, gauges map[string]int64) error {
	for end := time.Now().Add(20 * time.Second); ; {
		zero := true
		for _, name := range crowdGauges {
			value, err := p.stat(name)
			if errors.Is(err, errNoCounter) {
				continue
			}
			if err != nil {
				return err
			}
			gauges[name] = value
			zero = zero && value == 0
		}
		if zero || time.Now().After(end) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// summarizeCrowds summarizes the results of the crowd command.
func (r *report) summarizeCrowds(w *strings.Builder) {
	if len(r.Crowds) == 0 {
		return
	}
	fmt.Fprintf(w, "\n### A crowd\n\nThat many processes at once, each reading the beginning of another dump, cold. Milliseconds of a process; resident memory of the daemon at its peak.\n\n"+
		"| link | processes | MiB of each | median | slowest | of the median | resident | gauges afterwards |\n|---|--:|--:|--:|--:|--:|--:|---|\n")
	for _, x := range r.Crowds {
		after := "all zero"
		for _, name := range crowdGauges {
			if x.Gauges[name] != 0 {
				after = fmt.Sprintf("%s %d", name, x.Gauges[name])
			}
		}
		fmt.Fprintf(w, "| %s | %d | %d | %s | %s | %.2f | %s | %s |\n", x.Link, x.Readers, x.MiB, number(x.Median), number(x.Slowest), x.Ratio, size(x.Resident), after)
	}
}
