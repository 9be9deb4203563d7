package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"thothfs/scripts/corpusgen/gen"
	"thothfs/store/manta/mantatest"
)

// account is whose corpora they are.
const account = "thoth"

// scale is the measurement of one corpus.
type scale struct {
	options
	n      int
	server *mantatest.Server
	url    string
	mnt    string // of the corpus
	cache  string
	plain  string // the tree of links
	began  time.Time
	rep    *report
	sample sample
}

func run(ctx context.Context, o options) (*report, error) {
	rep := &report{Time: time.Now().UTC().Truncate(time.Second), Latency: o.latency.String(), Mbit: o.bandwidth * 8 / 1e6}
	for _, n := range o.sizes {
		if err := measure(ctx, o, n, rep); err != nil {
			return rep, fmt.Errorf("%d dumps: %w", n, err)
		}
	}
	return rep, nil
}

// measure measures a corpus of n dumps, from making it to unmounting it.
func measure(ctx context.Context, o options, n int, rep *report) (err error) {
	root := filepath.Join(o.dir, fmt.Sprint(n))
	s := &scale{options: o, n: n, rep: rep, began: time.Now()}
	corpus := gen.Options{Dir: filepath.Join(root, account, "stor", "thoth"), Count: n, Seed: 1}
	s.say("making the corpus in %s", root)
	if _, err := gen.Generate(ctx, corpus); err != nil {
		return err
	}
	if s.sample, err = takeSample(corpus); err != nil {
		return err
	}
	work, err := os.MkdirTemp(o.dir, "run-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	s.mnt, s.cache = filepath.Join(work, "mnt"), filepath.Join(work, "cache")
	if s.plain, err = os.MkdirTemp(o.plain, "thothfs-scale-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.plain)) }()
	s.say("making the plain tree in %s", s.plain)
	if err := plainTree(ctx, corpus, s.plain); err != nil {
		return err
	}
	stop, err := s.serve(root)
	if err != nil {
		return err
	}
	defer stop()
	return s.steps(ctx)
}

// serve serves root as a Manta over the link until the function it returns is called.
func (s *scale) serve(root string) (func(), error) {
	var err error
	if s.server, err = mantatest.New(mantatest.Options{Root: root, Latency: s.latency, Bandwidth: s.bandwidth}); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.url = "http://" + l.Addr().String()
	h := s.server.HTTPServer()
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(l) }() // ended by Close
	return func() {
		h.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			s.say("the server: %v", err)
		}
	}, nil
}

// thothfs runs a verb and returns what it prints.
func (s *scale) thothfs(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.options.thothfs, args...)
	cmd.Env = append(os.Environ(), "THOTHFS_STORE=manta:", "MANTA_URL="+s.url, "MANTA_USER="+account, "MANTA_NO_AUTH=true", "THOTHFS_CACHE_DIR="+s.cache)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("thothfs %s: %w: %s", args[0], err, errs.String())
	}
	return string(out), nil
}

// counter is one of .thothfs/stats.
func (s *scale) counter(name string) (int, error) {
	text, err := os.ReadFile(filepath.Join(s.mnt, ".thothfs", "stats"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return 0, fmt.Errorf("the mount counts no %s", name)
}

// mount mounts with nothing known, and returns when all documents were read.
func (s *scale) mount(ctx context.Context) error {
	if err := os.MkdirAll(s.mnt, 0o700); err != nil {
		return err
	}
	if _, err := s.thothfs(ctx, "mount", s.mnt); err != nil {
		return err
	}
	for {
		read, err := s.counter("corpus.dumps.read")
		if err != nil || read >= s.n {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d dumps are known: %w", read, s.n, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *scale) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%7.1fs  %d dumps: %s\n", time.Since(s.began).Seconds(), s.n, fmt.Sprintf(format, args...))
}
