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
	"time"
)

const (
	stepRclone = "rclone mount from nothing, and ls -U: the names alone"

	// rcloneUpTo is the maximum number of dumps that rclone lists, since its source is a
	// single index page.
	rcloneUpTo = 100_000
)

// rclone measures how long rclone mount takes to list the corpus from index pages over the same
// link. A mount without a catalogue can show only names.
func (s *scale) rclone(ctx context.Context) (err error) {
	if _, lerr := exec.LookPath("rclone"); lerr != nil || s.n > rcloneUpTo {
		return nil
	}
	url, err := s.site.pages()
	if err != nil {
		return err
	}
	mnt := filepath.Join(s.work, "rclone")
	if err := os.MkdirAll(mnt, 0o700); err != nil {
		return err
	}
	r := Result{Step: stepRclone, Note: "plain: rclone, from an index page over HTTP"}
	begin := s.site.Counters().Total
	r.Plain, err = s.timed(ctx, func(ctx context.Context) error {
		lines, err := listByRclone(ctx, url, mnt, filepath.Join(s.work, "rclone-cache"))
		if r.Lines = lines; err == nil && lines != s.n {
			err = fmt.Errorf("rclone lists %d dumps", lines)
		}
		return err
	})
	r.Requests = s.site.Counters().Total - begin
	s.add(r, err)
	return nil
}

// listByRclone mounts, lists once and unmounts.
func listByRclone(ctx context.Context, url, mnt, cache string) (lines int, err error) {
	cmd := exec.Command("rclone", "mount", ":http:", mnt, "--http-url", url, "--config", os.DevNull, "--read-only", "--cache-dir", cache) // ended by unmounting
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends with the process
	err = until(ctx, "rclone does not mount", func() (bool, error) {
		select {
		case err := <-ended:
			ended <- err
			return false, fmt.Errorf("rclone: %w: %s", errors.Join(err, errors.New("it ended")), out.String())
		default:
			return isMounted(mnt), nil
		}
	})
	if err == nil {
		var text []byte
		text, err = exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", `ls -U "$1" | wc -l`, "bash", mnt).Output()
		lines, _ = strconv.Atoi(string(bytes.TrimSpace(text)))
	}
	if isMounted(mnt) {
		err = errors.Join(err, exec.Command("fusermount3", "-u", "-z", mnt).Run())
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		err = errors.Join(err, cmd.Process.Kill())
		<-ended
	}
	return lines, err
}
