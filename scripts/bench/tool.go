package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tool is a way to read a dump.
type tool struct {
	name  string
	needs string // required program; "" for none
	// open makes the dumps available as paths under place, starting with empty caches.
	open func(ctx context.Context, p place) (*session, error)
	// prepare is called once before the runs of a case, whatever the link speed; prime is
	// called before each run.
	prepare, prime func(ctx context.Context, b *bench, c *Core, cmd command) error
	// ready, if not nil, waits until the dump at path can be measured.
	ready  func(ctx context.Context, p place, path string) error
	listed bool // the path is looked up before the clock starts
	brief  bool // measure only backtraces of all threads, unless selected by name
	held   bool // the whole dump is in the cache, which is kept between runs
	whole  bool // not a mount: fetch the whole file and read the copy
	near   bool // measure over a slow link only if selected by name
}

func (t tool) label() string { return t.name }

// place is where a tool mounts and caches. It is initially empty.
type place struct {
	site    *site
	thothfs string // thothfs program
	help    string // help text of its mount verb
	mnt     string
	cache   string
}

// session is an open tool.
type session struct {
	path  func(c *Core) string
	close func() error
}

const (
	localName    = "local"
	downloadName = "download"
	thothfsName  = "thothfs"
	originalName = "thothfs-original"
	learnedName  = "thothfs-learned"
	heldName     = "thothfs-held"
	completeName = "thothfs-complete"
)

// allTools returns the tools in table order. The thothfs variants read dumps uploaded by the
// original, which stores no hot pack. They run either without one or with one stored by a session
// on another machine.
func allTools() []tool {
	small := []string{"--vfs-read-chunk-size", "128k", "--vfs-read-chunk-size-limit", "off", "--vfs-read-wait", "0", "--buffer-size", "0", "--vfs-read-ahead", "0"}
	rclone := func(name, mode string, args ...string) tool {
		return tool{name: name, needs: "rclone", listed: true, open: openRclone(append(args, "--vfs-cache-mode", mode))}
	}
	return []tool{
		{name: localName, open: openLocal},
		{name: downloadName, whole: true, open: openKept},
		{name: thothfsName, open: openThothfs(account, noLearn)},
		{name: originalName, open: openThothfs("original", noLearn), prime: removeHot},
		{name: learnedName, open: openThothfs("learned", learn), prepare: firstSession},
		{name: heldName, open: openThothfs(account, noLearn, neverComplete, noPassthrough), prepare: hold, held: true},
		{name: completeName, open: openThothfs(account, noLearn, complete), prepare: hold, ready: awaitPassthrough, held: true},
		near(rclone("rclone-off", "off")),
		near(rclone("rclone-full", "full")),
		near(rclone("rclone-off-128k", "off", small...)),
		rclone("rclone-full-128k", "full", small...),
		near(tool{name: "httpdirfs", needs: "httpdirfs", listed: true, brief: true, open: openHTTPDirFS}),
	}
}

func near(t tool) tool {
	t.near = true
	return t
}

// openLocal opens the file itself after dropping it from the page cache.
func openLocal(context.Context, place) (*session, error) {
	return &session{path: func(c *Core) string {
		dropCaches(c.Path)
		return c.Path
	}, close: func() error { return nil }}, nil
}

func dropCaches(path string) {
	if f, err := os.Open(path); err == nil {
		_ = f.Sync() // only clean pages can be dropped
		_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
		f.Close()
	}
}

// dropBelow drops all files below dir from the page cache.
func dropBelow(dir string) error {
	return filepath.WalkDir(dir, func(path string, e iofs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			dropCaches(path)
		}
		return err
	})
}

func openRclone(args []string) func(context.Context, place) (*session, error) {
	return func(ctx context.Context, p place) (*session, error) {
		all := append([]string{"mount", ":http:", p.mnt, "--http-url", p.site.web, "--config", os.DevNull, "--read-only", "--cache-dir", p.cache}, args...)
		return openForeground(ctx, p, "rclone", all...)
	}
}

func openHTTPDirFS(ctx context.Context, p place) (*session, error) {
	return openForeground(ctx, p, "httpdirfs", "-f", "--cache-location", p.cache, p.site.web+"/", p.mnt)
}

// openForeground mounts using a program that stays in the foreground.
func openForeground(ctx context.Context, p place, program string, args ...string) (*session, error) {
	cmd := exec.Command(program, args...) // ended by close
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s := &session{
		path: func(c *Core) string { return filepath.Join(p.mnt, c.ID, filepath.Base(c.Path)) },
		close: func() error {
			err := exec.Command("fusermount3", "-u", "-z", p.mnt).Run()
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				err = errors.Join(err, cmd.Process.Kill()) // it may be waiting for a reader that has gone away
				<-ended
			}
			return err
		},
	}
	for !isMounted(p.mnt) {
		select {
		case err := <-ended:
			return nil, fmt.Errorf("%s: %w: %s", program, err, out.String())
		case <-ctx.Done():
			s.close()
			return nil, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return s, nil
}

func isMounted(dir string) bool {
	text, _ := os.ReadFile("/proc/self/mounts")
	return strings.Contains(string(text), " "+dir+" fuse")
}
