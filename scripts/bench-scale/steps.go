package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// step is one thing that is measured. Its script is run by bash with the root of the
// tree as $1, a program as $2 and the verb as $THOTHFS; what it prints must be the same
// of the plain tree.
type step struct {
	name   string
	script string
	near   int  // of the program: so many dumps of a million
	verb   bool // of thothfs alone: the plain tree has no such thing
}

var steps = []step{
	{name: "ls -U by-hash", script: `ls -U "$1/by-hash" | wc -l`},
	{name: "ls -U by-hash, again", script: `ls -U "$1/by-hash" | wc -l`},
	{name: "ls by-cmd/X of 5,000 of a million", near: 5_000, script: `ls "$1/by-cmd/$2" | wc -l`},
	{name: "ls -l of the same", near: 5_000, script: `ls -l "$1/by-cmd/$2" | wc -l`},
	{name: "glob of 10,000 info.json", near: 10_000, script: `printf '%s\n' "$1/by-cmd/$2"/*/info.json | wc -l`},
	{name: "the same, again", near: 10_000, script: `printf '%s\n' "$1/by-cmd/$2"/*/info.json | wc -l`},
	{name: "thothfs ls cmd=X ticket=undefined", near: 10_000, verb: true, script: `"$THOTHFS" ls "cmd=$2" ticket=undefined | wc -l`},
	{name: "thothfs report cmd", verb: true, script: `"$THOTHFS" report cmd | wc -l`},
	{name: "thothfs ls properties.triage.engineer=bmc", verb: true, script: `"$THOTHFS" ls properties.triage.engineer=bmc | wc -l`},
}

// steps mounts, measures all there is and unmounts.
func (s *scale) steps(ctx context.Context) (err error) {
	begin := s.server.Counters().Total
	wall, err := s.timed(ctx, s.mount)
	defer func() {
		if _, uerr := s.thothfs(context.WithoutCancel(ctx), "umount", s.mnt); isMounted(s.mnt) {
			err = errors.Join(err, uerr)
		}
	}()
	s.add(Result{Step: "mount from nothing, all dumps known", Thothfs: wall, Requests: s.server.Counters().Total - begin}, err)
	if err != nil {
		return err
	}
	for _, x := range steps {
		r, err := s.step(ctx, x)
		s.add(r, err)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	s.add(s.resident())
	return s.remount(ctx)
}

// remount measures a mount that finds its catalogue, until it has listed all.
func (s *scale) remount(ctx context.Context) error {
	if _, err := s.thothfs(ctx, "umount", s.mnt); err != nil {
		return err
	}
	r := Result{Step: "mount with the catalogue of before, and ls -U by-hash"}
	begin := s.server.Counters().Total
	var err error
	r.Thothfs, err = s.timed(ctx, func(ctx context.Context) error {
		if _, err := s.thothfs(ctx, "mount", s.mnt); err != nil {
			return err
		}
		lines, err := s.bash(ctx, steps[0].script, s.mnt, "")
		if r.Lines, _ = strconv.Atoi(lines); err == nil && r.Lines != s.n {
			err = fmt.Errorf("%s dumps are listed", lines)
		}
		return err
	})
	r.Requests = s.server.Counters().Total - begin
	s.add(r, err)
	return ctx.Err()
}

func (s *scale) timed(ctx context.Context, f func(context.Context) error) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	begin := time.Now()
	err := f(ctx)
	return float64(time.Since(begin).Microseconds()) / 1000, err
}

// step measures x on the mount and on the plain tree.
func (s *scale) step(ctx context.Context, x step) (r Result, err error) {
	r = Result{Step: x.name}
	cmd := s.sample.near(x.near * s.n / 1_000_000)
	var ours, plain string
	begin := s.server.Counters().Total
	r.Thothfs, err = s.timed(ctx, func(ctx context.Context) (err error) { ours, err = s.bash(ctx, x.script, s.mnt, cmd); return err })
	r.Requests = s.server.Counters().Total - begin
	if r.Lines, _ = strconv.Atoi(ours); err != nil || x.verb {
		return r, err
	}
	r.Plain, err = s.timed(ctx, func(ctx context.Context) (err error) { plain, err = s.bash(ctx, x.script, s.plain, cmd); return err })
	if err == nil && ours != plain {
		err = fmt.Errorf("%s lines, and %s of the plain tree", ours, plain)
	}
	return r, err
}

func (s *scale) bash(ctx context.Context, script, root, program string) (string, error) {
	cmd := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", script, "bash", root, program)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "THOTHFS="+s.options.thothfs, "THOTHFS_STORE=manta:", "MANTA_URL="+s.url, "MANTA_USER="+account,
		"MANTA_NO_AUTH=true", "THOTHFS_CACHE_DIR="+s.cache)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", script, err, errs.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// resident is what the daemon had at most in memory.
func (s *scale) resident() (Result, error) {
	r := Result{Step: "resident memory at its peak"}
	pid, err := os.ReadFile(filepath.Join(s.mnt, ".thothfs", "pid"))
	if err != nil {
		return r, err
	}
	text, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "status"))
	if err != nil {
		return r, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			r.Bytes = kib << 10
			return r, err
		}
	}
	return r, errors.New("the kernel does not tell VmHWM")
}

func (s *scale) add(r Result, err error) {
	r.Dumps = s.n
	if err != nil {
		r.Error = err.Error()
	}
	s.say("%v", r)
	s.rep.Results = append(s.rep.Results, r)
}

func isMounted(dir string) bool {
	text, _ := os.ReadFile("/proc/self/mounts")
	return strings.Contains(string(text), " "+dir+" fuse")
}
