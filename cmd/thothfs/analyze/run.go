package analyze

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"thothfs/cmd/thothfs/output"
	"thothfs/dump"
)

const (
	// storeGrace limits how long storing the changes of a finished analyzer may take after the user
	// has interrupted the run.
	storeGrace = 30 * time.Second
	// warmAhead is the number of dumps to fetch ahead, beyond those that run next.
	warmAhead = 8
)

// Run is a run of one analyzer over several dumps.
type Run struct {
	Env            *Env
	Analyzer       Analyzer
	Jobs           int           // number of dumps analyzed concurrently
	Timeout        time.Duration // per dump; 0 means no timeout
	Stdout, Stderr io.Writer

	script                     string   // path of the analyzer's file
	directStdout, directStderr *os.File // where to write output immediately; nil to collect it in files
}

// result is the result for one dump.
type result struct {
	n        int // index of the dump
	id       dump.ID
	out, err string   // files containing the output; "" if it was printed directly
	changed  bool     // the document was edited
	foreign  []string // changed fields that were not stored
	failure  error    // nil for success
}

// errStopped means that the run was interrupted before the dump was analyzed.
var errStopped = errors.New("it was not done")

// Do runs the analyzer on the dumps and prints a report. The error is output.ErrReported if the
// analyzer failed for any dump.
func (r *Run) Do(ctx context.Context, ids []dump.ID) error {
	var err error
	if r.script, err = r.Env.dir.write("analyzer", r.Analyzer.fileText()); err != nil {
		return err
	}
	// Without this, a write to a closed standard output would kill the process.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	defer signal.Stop(pipe)
	running, stop := context.WithCancel(ctx)
	defer stop()
	bar := &output.Progress{}
	stdout, isFile := r.Stdout.(*os.File)
	stderr, isFileToo := r.Stderr.(*os.File)
	if len(ids) == 1 && isFile && isFileToo {
		r.directStdout, r.directStderr = stdout, stderr
	} else {
		bar = output.NewProgress(r.Stderr, "analyzing", false)
	}
	results := make(chan result)
	go func() { // ends when running is done or all dumps are finished
		r.each(running, ids, results)
		close(results)
	}()
	report := report{total: len(ids), stdout: bar.Above(r.Stdout), stderr: bar.Above(r.Stderr), waiting: map[int]result{}}
	for res := range results {
		if report.add(res); report.broken != nil {
			stop() // running analyzers are ended and counted
		}
		bar.Set(report.seen, len(ids))
	}
	report.flush()
	bar.Done()
	return report.finish(ctx, r.Stderr)
}

// each runs the analyzer on dumps and sends the results. It fetches upcoming dumps in advance.
func (r *Run) each(ctx context.Context, ids []dump.ID, results chan<- result) {
	var running, warming errgroup.Group
	running.SetLimit(r.Jobs)
	warming.SetLimit(warmAhead)
	next := 0 // index of the next dump to fetch
	for n, id := range ids {
		if ctx.Err() != nil {
			break
		}
		next = max(next, n+1)
		for next < len(ids) && next <= n+r.Jobs+warmAhead && r.Env.Warm != nil {
			ahead := ids[next]
			if !warming.TryGo(func() error { r.Env.Warm(ctx, ahead); return nil }) {
				break // all fetches are busy
			}
			next++
		}
		running.Go(func() error {
			res := result{n: n, id: id}
			res.failure = r.analyze(ctx, &res)
			if res.failure != nil && ctx.Err() != nil && !res.changed {
				res.failure = errStopped
			}
			results <- res
			return nil
		})
	}
	running.Wait()
	warming.Wait()
}

// analyze runs the analyzer on one dump and stores its changes.
func (r *Run) analyze(ctx context.Context, res *result) error {
	d, err := r.Env.Dump(ctx, res.id)
	if err != nil {
		return err
	}
	dir := r.Env.dir.join(strconv.Itoa(res.n))
	defer os.RemoveAll(dir)
	info, vars, err := r.Env.prepare(dir, d)
	if err != nil {
		return err
	}
	refused := dir + ".failed" // created by thoth-init.sh when an edit fails
	defer os.Remove(refused)
	if err := r.execute(ctx, res, dir, d.Path, append(vars, "THOTH_ANALYZER="+r.script, "THOTH_FAILED="+refused)); err != nil {
		return err
	}
	if _, err := os.Lstat(refused); err == nil {
		return errors.New("an edit was refused")
	}
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeGrace)
	defer cancel()
	if ctx.Err() == nil {
		storing = ctx
	}
	res.changed, res.foreign, err = r.Env.storeChanges(storing, d.Dump, info)
	return err
}

// execute runs the analyzer's command on the dump at path, in dir.
func (r *Run) execute(ctx context.Context, res *result, dir, path string, vars []string) error {
	argv, err := r.Analyzer.argv(ctx, r.script, path)
	if err != nil {
		return err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, vars
	cmd.Stdout, cmd.Stderr = r.directStdout, r.directStderr
	if r.directStdout == nil {
		out, err := createPrivate(dir + ".out")
		if err != nil {
			return err
		}
		defer out.Close()
		errs, err := createPrivate(dir + ".err")
		if err != nil {
			return err
		}
		defer errs.Close()
		cmd.Stdout, cmd.Stderr = out, errs
		res.out, res.err = out.Name(), errs.Name()
	}
	if r.Timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, r.Timeout, fmt.Errorf("timed out after %s", r.Timeout))
		defer cancel()
		ctx = limited
	}
	err = runGroup(ctx, cmd)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return errors.New(exit.ProcessState.String())
	}
	return err
}

func createPrivate(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
}
