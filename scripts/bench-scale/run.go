package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"thothfs/scripts/benchdoc"
)

// scale is the measurement of one corpus.
type scale struct {
	options
	*material
	site  *site
	work  string // directory for temporary files
	quick string // another one, on the plain file system
	links string // tree of links, within quick
	began time.Time
	rep   *report

	machines []*machine
}

func run(ctx context.Context, o options) (*report, error) {
	rep := &report{
		Time: time.Now().UTC().Truncate(time.Second), Latency: o.latency.String(), Mbit: o.bandwidth * 8 / 1e6, Poll: o.poll.String(),
		Machine: benchdoc.Machine(), Versions: benchdoc.Versions(ctx, []string{o.thothfs, "version"}, []string{"ls", "--version"}, []string{"rclone", "version"}),
	}
	for _, n := range o.sizes {
		if err := measure(ctx, o, n, rep); err != nil {
			return rep, fmt.Errorf("%d dumps: %w", n, err)
		}
	}
	return rep, nil
}

// measure measures a corpus of n dumps and then restores it.
func measure(ctx context.Context, o options, n int, rep *report) (err error) {
	s := &scale{options: o, began: time.Now(), rep: rep}
	s.material = &material{root: filepath.Join(o.dir, fmt.Sprint(n)), n: n}
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	s.say("making the corpus in %s", s.root)
	if err := s.prepare(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.restore()) }()
	if s.work, err = os.MkdirTemp(o.dir, "run-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.removeWork()) }()
	if s.quick, err = os.MkdirTemp(o.plain, "thothfs-scale-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.quick)) }()
	s.links = filepath.Join(s.quick, "links")
	s.say("making the plain tree in %s", s.links)
	if err := s.plainTree(ctx, s.links); err != nil {
		return err
	}
	if s.site, err = openSite(s.root, o.latency, o.bandwidth); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.site.close()) }()
	defer func() { err = errors.Join(err, s.unmountAll(ctx)) }()
	return s.steps(ctx)
}

// removeWork removes the files of this run unless something is still mounted among them, since
// removing those would edit the corpus.
func (s *scale) removeWork() error {
	for _, m := range s.machines {
		if isMounted(m.mnt) {
			return fmt.Errorf("%s is still mounted: %s stays", m.mnt, s.work)
		}
	}
	return os.RemoveAll(s.work)
}

// steps measures all steps, starting with a corpus that has never been read and ending with one
// that others have changed. One machine reads everything and publishes the catalogue, one starts
// from the published catalogue and continues, and one joins later.
func (s *scale) steps(ctx context.Context) error {
	var publisher, user, late *machine
	for name, m := range map[string]**machine{"publisher": &publisher, "user": &user, "late": &late} {
		var err error
		if *m, err = s.newMachine(name); err != nil {
			return err
		}
	}
	for _, part := range []func() error{
		func() error { return s.firstIndex(ctx, publisher) },
		func() error { return s.publish(ctx, publisher) },
		func() error { return s.fromSnapshot(ctx, user) },
		func() error { return s.start(ctx, user) },
		func() error { return s.listings(ctx, user) },
		func() error { return s.rclone(ctx) },
		func() error { return s.catchUp(ctx, user, late) },
		func() error { return s.verbs(ctx, user) },
		func() error { return s.idlePolls(ctx, user) },
		func() error { return s.ticket(ctx, publisher, user) },
	} {
		if err := cmp.Or(part(), ctx.Err()); err != nil {
			return err
		}
	}
	return nil
}

// timed runs f and returns its duration in milliseconds.
func (s *scale) timed(ctx context.Context, f func(context.Context) error) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	begin := time.Now()
	err := f(ctx)
	return float64(time.Since(begin).Microseconds()) / 1000, err
}

// measured is like timed but also counts requests to the store.
func (s *scale) measured(ctx context.Context, r *Result, f func(context.Context) error) (err error) {
	begin := s.site.Counters().Total
	r.Thothfs, err = s.timed(ctx, f)
	r.Requests = s.site.Counters().Total - begin
	return err
}

// add adds a result to the report, with its error.
func (s *scale) add(r Result, err error) {
	r.Dumps = s.n
	if err != nil {
		r.Error = err.Error()
	}
	s.say("%v", r)
	s.rep.Results = append(s.rep.Results, r)
}

func (s *scale) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%7.1fs  %d dumps: %s\n", time.Since(s.began).Seconds(), s.n, fmt.Sprintf(format, args...))
}

// until polls done until it returns true.
func until(ctx context.Context, what string, done func() (bool, error)) error {
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
