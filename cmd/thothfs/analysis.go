package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/store"
)

// storeGrace is how long storing what a finished analyzer has changed may take when
// the user has interrupted the run.
const storeGrace = 30 * time.Second

// analysis is one analyzer run over dumps.
type analysis struct {
	app     *app
	lab     *lab
	tool    analysisTool
	script  string        // where it lies
	timeout time.Duration // for one dump; 0: none
	stdout  *os.File      // where its output goes as it comes; nil: into files, for later
	stderr  *os.File
}

// outcome is what became of one dump.
type outcome struct {
	n       int // which of the dumps
	id      dump.ID
	out     string // files with what it wrote; "" when that went out already
	err     string
	changed bool     // its document was edited
	foreign []string // fields that the analyzer changed in vain
	failure error    // nil: all is well
}

// Why there is nothing to report of a dump.
var (
	errPurged  = errors.New("it was purged")
	errStopped = errors.New("it was not done")
)

// run runs the analyzer on a dump and stores what it changed.
func (an *analysis) run(ctx context.Context, n int, id dump.ID) outcome {
	o := outcome{n: n, id: id}
	o.failure = an.attempt(ctx, &o)
	if o.failure != nil && ctx.Err() != nil && !o.changed {
		o.failure = errStopped
	}
	return o
}

func (an *analysis) attempt(ctx context.Context, o *outcome) error {
	d, file, err := an.lab.dumpAndFile(ctx, o.id)
	if err != nil {
		return err
	}
	name := strconv.Itoa(o.n)
	dir := an.lab.scratch.join(name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	info := filepath.Join(dir, corpus.InfoName)
	if err := os.WriteFile(info, copyInfo(d.Doc), 0o600); err != nil {
		return err
	}
	refused := an.lab.scratch.join(name + ".failed")
	defer os.Remove(refused)
	env := append(an.lab.dumpEnv(d, file, dir, info), "THOTH_ANALYZER="+an.script, "THOTH_FAILED="+refused)
	if err := an.execute(ctx, o, dir, byHash(an.lab.mount, o.id.String(), file), env); err != nil {
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
	o.changed, o.foreign, err = an.lab.storeChanges(storing, d, info)
	return err
}

// execute runs the tool, its output into files of the scratch directory or out.
func (an *analysis) execute(ctx context.Context, o *outcome, dir, path string, env []string) error {
	argv, err := an.app.argv(ctx, an.tool, an.script, path)
	if err != nil {
		return err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, env
	cmd.Stdout, cmd.Stderr = an.stdout, an.stderr
	if an.stdout == nil {
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
		o.out, o.err = out.Name(), errs.Name()
	}
	if an.timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, an.timeout, fmt.Errorf("timed out after %s", an.timeout))
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

// dumpAndFile is a dump as its document is now, and the name of the dump in its
// directory.
func (l *lab) dumpAndFile(ctx context.Context, id dump.ID) (*corpus.Dump, string, error) {
	d, err := l.corpus.Dump(ctx, id)
	if err != nil {
		return nil, "", err
	}
	e, err := l.corpus.DumpFile(ctx, id)
	if errors.Is(err, store.ErrNotExist) {
		if strings.EqualFold(d.Doc.String("properties.purged"), "true") {
			return nil, "", errPurged
		}
		return nil, "", errors.New("there is no dump in its directory")
	}
	return d, e.Name, err
}

// warm fetches what a debugger will read first of a dump. It is only to save time:
// nobody hears of what went wrong.
func (l *lab) warm(ctx context.Context, id dump.ID) {
	if l.blocks != nil {
		warmOne(ctx, l.corpus, l.blocks, id, false)
	}
}
