package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// command is an operation on a dump.
type command struct {
	name  string
	needs string // required program; "" for our own reader
	argv  func(exe, core string) []string
	own   func(ctx context.Context, core string) (string, error)
	stack bool                                      // a backtrace of all threads, measured on every core
	held  bool                                      // measured only locally and where the whole dump is cached
	line  func(context.Context, *bench, link) error // if not nil, measures the command in a special way, once per link
}

func (c command) label() string { return c.name }

// commands returns all commands. The sequential reader reads mib MiB.
func commands(mib int) []command {
	gdb := func(ex string) func(exe, core string) []string {
		return func(exe, core string) []string {
			return []string{"gdb", "-nx", "-q", "-batch", "-ex", ex, exe, core}
		}
	}
	return []command{
		{name: "gdb-bt", needs: "gdb", argv: gdb("bt")},
		{name: "gdb-all", needs: "gdb", argv: gdb("thread apply all bt"), stack: true},
		{name: "eu-stack", needs: "eu-stack", stack: true, argv: func(exe, core string) []string {
			return []string{"eu-stack", "--core=" + core, "-e", exe}
		}},
		{name: "lldb", needs: "lldb", argv: func(exe, core string) []string {
			return []string{"lldb", "--no-lldbinit", "--batch", "-o", "thread backtrace all", "-c", core, exe}
		}},
		{name: "file", needs: "file", argv: func(_, core string) []string { return []string{"file", core} }},
		{name: "sequential", needs: "dd", argv: func(_, core string) []string {
			return []string{"dd", "if=" + core, "of=/dev/null", "bs=1M", "count=" + strconv.Itoa(mib), "status=none"}
		}},
		{name: "random-4k", own: readRandom(randomReads)},
		{name: heldSequential, needs: "dd", held: true, argv: func(_, core string) []string {
			return []string{"dd", "if=" + core, "of=/dev/null", "bs=1M", "status=none"}
		}},
		{name: heldRandom, held: true, own: readRandom(heldReads)},
		{name: transferName, needs: "dd", line: transfer},
		{name: getName, line: get},
		{name: crowdName, needs: "dd", line: crowd},
	}
}

const (
	heldSequential = "held-sequential"
	heldRandom     = "held-random-4k"
)

// with reports whether c is measured with tool t on the core on.
func (c command) with(t tool, on *Core) bool {
	if t.name == localName {
		return !c.held || on.Every
	}
	return c.held == t.held && (!c.held || on.Every)
}

// run runs the command on the dump at path and returns its output without the path.
func (c command) run(ctx context.Context, exe, path string) (string, error) {
	if c.own != nil {
		return c.own(ctx, path)
	}
	argv := c.argv(exe, path)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBUGINFOD_URLS=", "HOME=/nonexistent")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil && out.Len() > 0 {
		err = nil // eu-stack fails if it cannot unwind a thread to its end
	}
	if err == nil && c.stack && out.Len() < 40 {
		err = errors.New("no backtrace")
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", argv[0], err, out.String())
	}
	return strings.ReplaceAll(out.String(), path, "CORE"), nil
}

// Numbers of pages that the random readers read in sequence.
const (
	randomReads = 200
	heldReads   = 60_000
)

// readRandom returns a function that reads n 4 KiB pages spread over a file and returns their
// checksum.
func readRandom(n int) func(context.Context, string) (string, error) {
	return func(ctx context.Context, path string) (string, error) {
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		fi, err := f.Stat()
		if err != nil {
			return "", err
		}
		r, sum, page := rand.New(rand.NewPCG(1, 2)), crc32.NewIEEE(), make([]byte, 4096)
		for range n {
			if err := ctx.Err(); err != nil {
				return "", err
			}
			if _, err := f.ReadAt(page, r.Int64N(fi.Size()/4096)*4096); err != nil {
				return "", err
			}
			sum.Write(page)
		}
		return fmt.Sprintf("%08x\n", sum.Sum32()), nil
	}
}
