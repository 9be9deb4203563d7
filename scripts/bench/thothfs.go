package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Flags that distinguish the mounts of thothfs. With noLearn, a run does not affect the next one.
const (
	learn         = "--learn=true"
	noLearn       = "--learn=false"
	neverComplete = "--complete=never"
	noPassthrough = "--passthrough=false"
	complete      = "--complete=always"
)

// openThothfs returns a function that mounts owner's corpus, with those of flags that this
// version of thothfs supports.
func openThothfs(owner string, flags ...string) func(context.Context, place) (*session, error) {
	return func(ctx context.Context, p place) (*session, error) {
		if err := p.run(ctx, owner, append([]string{"mount", p.mnt}, p.known(flags)...)...); err != nil {
			return nil, err
		}
		return &session{
			path:  func(c *Core) string { return filepath.Join(p.mnt, "by-hash", c.ID, filepath.Base(c.Path)) },
			close: func() error { return p.run(context.WithoutCancel(ctx), owner, "umount", p.mnt) },
		}, nil
	}
}

// known returns the elements of flags, given as --name=value, that thothfs mount supports.
func (p place) known(flags []string) []string {
	return slices.DeleteFunc(slices.Clone(flags), func(flag string) bool {
		name, _, _ := strings.Cut(flag, "=")
		return !strings.Contains(p.help, name+" ") && !strings.Contains(p.help, name+"[")
	})
}

// run runs thothfs on the corpus of owner.
func (p place) run(ctx context.Context, owner string, args ...string) error {
	_, err := p.output(ctx, owner, args...)
	return err
}

func (p place) output(ctx context.Context, owner string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.thothfs, args...)
	cmd.Env = append(os.Environ(), "THOTHFS_STORE=manta:", "MANTA_URL="+p.site.manta, "MANTA_USER="+owner, "MANTA_NO_AUTH=true",
		"THOTHFS_CACHE_DIR="+p.cache)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("thothfs %s: %w: %s", args[0], err, errs.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// hotName is the file that thothfs stores beside a dump to speed up the first open elsewhere.
const hotName = ".thothfs.hot"

// removeHot removes the hot pack that a session stored beside the original's dump.
func removeHot(_ context.Context, b *bench, c *Core, _ command) error {
	return b.removeHot("original", c)
}

func (b *bench) removeHot(owner string, c *Core) error {
	if !exists(filepath.Join(corpusDir(b.site.root, owner), c.ID, hotName)) {
		return nil
	}
	return b.site.Remove("/" + owner + "/stor/thoth/" + c.ID + "/" + hotName)
}

// firstSession runs the first session of another machine with a dump that has no hot pack.
func firstSession(ctx context.Context, b *bench, c *Core, cmd command) error {
	if err := b.removeHot("learned", c); err != nil {
		return err
	}
	s, err := b.open(ctx, tool{open: openThothfs("learned", learn)})
	if err != nil {
		return err
	}
	_, err = cmd.run(ctx, c.Exe, s.path(c))
	return errors.Join(err, s.close())
}

// hold fetches a whole dump.
func hold(ctx context.Context, b *bench, c *Core, _ command) error {
	b.site.shape(link{})
	p := b.place()
	p.cache = heldCache(p)
	return p.run(ctx, account, "warm", "--all", c.ID)
}

// heldCache returns the cache that is kept between runs.
func heldCache(p place) string { return p.cache + "-held" }

// awaitPassthrough opens a dump repeatedly until the kernel reads it without thothfs.
func awaitPassthrough(ctx context.Context, p place, path string) error {
	for end := time.Now().Add(time.Minute); ; {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		_, err = f.Read(make([]byte, 1))
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		switch opens, err := p.stat("fs.opens.passthrough"); {
		case err != nil:
			return err
		case opens > 0:
			return nil
		case time.Now().After(end):
			return errors.New("the dump is not opened by passthrough, a minute after it was complete")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stat returns a counter of the mount.
func (p place) stat(name string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(p.mnt, ".thothfs", "stats"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, fmt.Errorf("the mount counts no %s: %w", name, errNoCounter)
}

// errNoCounter means that this version of thothfs does not have the counter.
var errNoCounter = errors.New("too old")

// share gives owner the dumps of account as the original uploads them: the dump and its
// info.json. The server accepts plain files.
func (b *bench) share(owner string) error {
	for _, c := range b.cores {
		from, to := filepath.Join(corpusDir(b.site.root, account), c.ID), filepath.Join(corpusDir(b.site.root, owner), c.ID)
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
		for _, name := range []string{"info.json", filepath.Base(c.Path)} {
			if err := os.Link(filepath.Join(from, name), filepath.Join(to, name)); err != nil && !errors.Is(err, syscall.EEXIST) {
				return err
			}
		}
	}
	return nil
}
