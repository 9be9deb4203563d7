package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// bench is one run.
type bench struct {
	options
	site  *site
	dir   string // directory of this run; removed at the end
	cores []*Core
	want  map[string]string // output for the local file, keyed by core and command
	rep   *report
	help  string // help text of thothfs mount
	began time.Time
}

// run measures what o selects. Even if there is an error, the report contains the results so far.
// It is nil before the first measurement.
func run(ctx context.Context, o options) (*report, error) {
	b := &bench{options: o, want: map[string]string{}, began: time.Now()}
	var err error
	if b.thothfs, err = filepath.Abs(o.thothfs); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return nil, err
	}
	help, err := exec.CommandContext(ctx, b.thothfs, "mount", "--help").Output()
	if err != nil {
		return nil, fmt.Errorf("%s mount --help: %w", b.thothfs, err)
	}
	b.help = string(help)
	if b.dir, err = os.MkdirTemp(o.dir, "run-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(b.dir)
	if b.site, err = openSite(filepath.Join(b.dir, "store")); err != nil {
		return nil, err
	}
	defer b.site.close()
	if err := b.build(ctx); err != nil {
		return nil, err
	}
	return b.measure(ctx)
}

// build creates the cores and uploads them, over an unlimited line.
func (b *bench) build(ctx context.Context) error {
	var specs []coreSpec
	for _, s := range coreSpecs {
		if s.small == b.small || len(b.options.cores) > 0 {
			specs = append(specs, s)
		}
	}
	specs, err := pick("core", specs, b.options.cores)
	if err != nil {
		return err
	}
	if b.cores, err = makeCores(ctx, filepath.Join(b.options.dir, "cores"), specs, b.say); err != nil {
		return err
	}
	for _, c := range b.cores {
		b.say("uploading %s, %s, %s", c.Name, c.What, size(c.Size))
		out, err := b.place().output(ctx, account, "upload", "--no-stack", c.Path)
		if err != nil {
			return err
		}
		c.ID, _, _ = strings.Cut(out, " ")
	}
	return errors.Join(b.share("original"), b.share("learned"))
}

// measure runs every command with every tool on every core over every link.
func (b *bench) measure(ctx context.Context) (*report, error) {
	over, err := pick("link", links, b.options.links)
	if err != nil {
		return nil, err
	}
	tools, err := b.tools()
	if err != nil {
		return nil, err
	}
	cmds, err := b.commands()
	if err != nil {
		return nil, err
	}
	b.rep = newReport(ctx, b, over, tools)
	cases := b.cases(over, cmds)
	for i, x := range cases {
		if i == 0 || cases[i-1].link != x.link {
			if err := b.checkLink(x.link); err != nil {
				return b.rep, err
			}
		}
		allowed := max(b.budget-time.Since(b.began), 0) / time.Duration(len(cases)-i)
		if x.cmd.line != nil {
			b.site.shape(x.link)
			if err := x.cmd.line(ctx, b, x.link); err != nil && ctx.Err() == nil {
				b.rep.Results = append(b.rep.Results, Result{Link: x.link.Name, Core: x.core.Name, Command: x.cmd.name, Tool: thothfsName, State: cold, Error: err.Error()})
				b.say("%s %s: FAILED: %v", x.link.Name, x.cmd.name, err)
			}
		} else {
			b.compare(ctx, x, tools, allowed)
		}
		if ctx.Err() != nil {
			return b.rep, ctx.Err()
		}
	}
	return b.rep, nil
}

// trial is the comparison of all tools for one link, core and command.
type trial struct {
	link link
	core *Core
	cmd  command
}

// cases returns the selected cases in order.
func (b *bench) cases(over []link, cmds []command) []trial {
	var cases []trial
	for i, l := range over {
		for k, c := range b.cores {
			for _, cmd := range cmds {
				rare := !c.Every && !cmd.stack && len(b.options.commands) == 0
				if rare || cmd.held && i > 0 || cmd.line != nil && k > 0 {
					continue
				}
				cases = append(cases, trial{l, c, cmd})
			}
		}
	}
	return cases
}

// takes reports whether tool t is measured in x.
func (b *bench) takes(t tool, x trial) bool {
	switch {
	case slices.Contains(b.options.tools, t.name):
		return true
	case t.brief && !x.cmd.stack:
		return false
	case !x.link.slow():
		return true
	}
	return !t.near && (!t.whole || x.core.Every || x.core.Size < 1<<30)
}

func (b *bench) checkLink(l link) error {
	b.site.shape(l)
	c := b.cores[0]
	check, err := b.site.check(l, "/"+account+"/stor/thoth/"+c.ID+"/"+filepath.Base(c.Path), c.Size)
	b.rep.Checks[l.Name] = check
	b.say("%v: 100 bytes in %.1f ms, one connection %.0f Mbit/s, 16 together %.0f Mbit/s", l, check.Small, check.OneMbit, check.SharedMbit)
	return err
}

// tools returns the selected tools that are installed.
func (b *bench) tools() ([]tool, error) {
	wanted := slices.Clone(b.options.tools)
	if len(wanted) > 0 { // the baseline comes first
		wanted = slices.Insert(slices.DeleteFunc(wanted, func(name string) bool { return name == localName }), 0, localName)
	}
	all, err := pick("tool", allTools(), wanted)
	if err != nil {
		return nil, err
	}
	helped := false // whether an upload stored a hot pack; otherwise the variants do not differ
	for _, c := range b.cores {
		helped = helped || exists(filepath.Join(corpusDir(b.site.root, account), c.ID, hotName))
	}
	var tools []tool
	for _, t := range all {
		variant := t.name == originalName || t.name == learnedName
		if len(wanted) == 0 && variant && !helped {
			continue
		}
		if t.name == completeName && !strings.Contains(b.help, complete[:len("--complete")]+" ") {
			b.say("thothfs mount has no --complete: no %s", t.name)
			continue
		}
		if b.has(t.needs) {
			tools = append(tools, t)
		}
	}
	return tools, nil
}

func (b *bench) commands() ([]command, error) {
	all, err := pick("command", commands(b.sequential), b.options.commands)
	if err != nil {
		return nil, err
	}
	var cmds []command
	for _, c := range all {
		if b.has(c.needs) {
			cmds = append(cmds, c)
		}
	}
	return cmds, nil
}

func (b *bench) has(program string) bool {
	if program == "" {
		return true
	}
	_, err := exec.LookPath(program)
	if err != nil {
		b.say("%s is not installed: not measured", program)
	}
	return err == nil
}

func (b *bench) place() place {
	return place{site: b.site, thothfs: b.thothfs, help: b.help, mnt: filepath.Join(b.dir, "mnt"), cache: filepath.Join(b.dir, "cache")}
}

// open opens a tool with empty caches.
func (b *bench) open(ctx context.Context, t tool) (*session, error) {
	p := b.place()
	if t.held {
		p.cache = heldCache(p)
	} else if err := os.RemoveAll(p.cache); err != nil {
		return nil, err
	}
	for _, dir := range []string{p.mnt, p.cache} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	return t.open(ctx, p)
}

// say reports progress.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%7.1fs  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}
