package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// Result is one case in one state. Times are in milliseconds. Requests and bytes are those of the
// median run, counted by the server until the end of the command.
type Result struct {
	Link, Core, Command, Tool string
	State                     string // cold or warm
	Runs                      int
	Median, Min, Max          float64
	Requests, Bytes           int64
	Error                     string `json:",omitempty"`
}

const (
	cold = "cold"
	warm = "warm"
)

// sample is one run of a command.
type sample struct {
	wall            time.Duration
	requests, bytes int64
}

// attempt holds the runs of one tool in a comparison.
type attempt struct {
	tool    tool
	samples map[string][]sample // keyed by state
	before  Result              // cost of fetching the whole dump, if the tool does so
	spent   time.Duration
	err     error
}

// compare measures a command with every tool. It alternates between the tools, so that a
// temporary slowdown of the machine affects all of them. After the first round, no round starts
// once the time allowed is used up.
func (b *bench) compare(ctx context.Context, x trial, tools []tool, allowed time.Duration) {
	l, c, cmd := x.link, x.core, x.cmd
	var all []*attempt
	for _, t := range tools {
		if cmd.with(t, c) && b.takes(t, x) {
			a := &attempt{tool: t, samples: map[string][]sample{}}
			if t.whole {
				if a.before = b.fetched(ctx, l, c, t); a.before.Error != "" || ctx.Err() != nil {
					continue
				}
			}
			all = append(all, a)
		}
	}
	began := time.Now()
	for round := range b.runs {
		if round > 0 && time.Since(began) > allowed {
			break
		}
		for _, a := range all {
			if a.err == nil && ctx.Err() == nil && (round == 0 || a.spent < b.patience) {
				if a.err = b.round(ctx, l, c, cmd, a, round); ctx.Err() != nil {
					a.err = nil // an interrupt is not an error of the tool
				}
			}
		}
	}
	for _, a := range all {
		for _, state := range []string{cold, warm} {
			r := summarize(a.samples[state])
			if r.Runs == 0 && a.err == nil {
				continue // interrupted before its run
			}
			if state == cold {
				r = r.after(a.before)
			}
			r.Link, r.Core, r.Command, r.Tool, r.State = l.Name, c.Name, cmd.name, a.tool.name, state
			if a.err != nil {
				r.Error = a.err.Error()
			}
			b.say("%s %s %s: %v", l.Name, c.Name, cmd.name, r)
			b.rep.Results = append(b.rep.Results, r)
		}
	}
}

// round performs one tool's next run.
func (b *bench) round(ctx context.Context, l link, c *Core, cmd command, a *attempt, round int) error {
	if a.tool.prepare != nil && round == 0 {
		err := a.tool.prepare(ctx, b, c, cmd)
		b.site.shape(l)
		if err != nil {
			return err
		}
	}
	if a.tool.prime != nil {
		if err := a.tool.prime(ctx, b, c, cmd); err != nil {
			return err
		}
	}
	begin := time.Now()
	defer func() { a.spent += time.Since(begin) }()
	return b.runOnce(ctx, l, c, a.tool, cmd, a.samples)
}

// runOnce performs a cold run and a warm one.
func (b *bench) runOnce(ctx context.Context, l link, c *Core, t tool, cmd command, samples map[string][]sample) (err error) {
	s, err := b.open(ctx, t)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	path := s.path(c)
	if t.listed {
		if _, err := os.Stat(path); err != nil {
			return err
		}
	}
	if t.ready != nil {
		if err := t.ready(ctx, b.place(), path); err != nil {
			return err
		}
	}
	if t.name != localName && !t.whole {
		b.site.settle(l)
	}
	if t.held {
		if err := dropBelow(heldCache(b.place())); err != nil {
			return err
		}
	}
	for _, state := range []string{cold, warm} {
		if t.held && state == warm {
			dropCaches(path) // drops the kernel's pages of the mount; the tool's own file stays in memory
		}
		if err := b.sample(ctx, c, cmd, t, path, state, samples); err != nil {
			return err
		}
	}
	return nil
}

// sample runs the command once and compares its output.
func (b *bench) sample(ctx context.Context, c *Core, cmd command, t tool, path, state string, samples map[string][]sample) error {
	limited, cancel := context.WithTimeout(ctx, b.longest)
	defer cancel()
	before, begin := b.site.Counters(), time.Now()
	got, err := cmd.run(limited, c.Exe, path)
	wall, after := time.Since(begin), b.site.Counters()
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return fmt.Errorf("it took longer than %v", b.longest)
	}
	if err != nil {
		return err
	}
	key := c.Name + " " + cmd.name
	if want, ok := b.want[key]; !ok && t.name == localName {
		b.want[key] = got // from now on the libraries and the debugger are in the page cache too
		if state == cold {
			return b.sample(ctx, c, cmd, t, b.again(path), state, samples)
		}
	} else if ok && got != want {
		return fmt.Errorf("the output is not that of the local file:\n%s\ninstead of\n%s", got, want)
	}
	samples[state] = append(samples[state], sample{wall, after.Total - before.Total, after.BodyBytes - before.BodyBytes})
	return nil
}

// again makes the local file cold again.
func (b *bench) again(path string) string {
	dropCaches(path)
	return path
}

// summarize returns the median run of samples.
func summarize(samples []sample) Result {
	if len(samples) == 0 {
		return Result{}
	}
	s := slices.SortedFunc(slices.Values(samples), func(x, y sample) int { return int(x.wall - y.wall) })
	m := s[len(s)/2]
	return Result{
		Runs: len(s), Median: milliseconds(m.wall), Min: milliseconds(s[0].wall), Max: milliseconds(s[len(s)-1].wall),
		Requests: m.requests, Bytes: m.bytes,
	}
}

func (r Result) String() string {
	text := fmt.Sprintf("%-18s %s  %9.1f ms (%.1f to %.1f, %d runs)  %5d requests  %s",
		r.Tool, r.State, r.Median, r.Min, r.Max, r.Runs, r.Requests, size(r.Bytes))
	if r.Error != "" {
		text += "  FAILED: " + r.Error
	}
	return text
}
