package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tool is a way to a dump.
type tool struct {
	name  string
	needs string // the program; "" when it is always there
	// open makes the dumps of place readable by path, nothing cached.
	open func(ctx context.Context, p place) (*session, error)
	// prepare is called once before the runs of a case, over whatever link, prime
	// before each run.
	prepare, prime func(ctx context.Context, b *bench, c *Core, cmd command) error
	listed         bool // the path is looked up before the clock starts
	asked          bool // measured only when it is asked for by name
	held           bool // all of the dump is in the cache, which stays from run to run
	whole          bool // not a mount: the whole file by HTTP, whatever the command
}

func (t tool) label() string { return t.name }

// place is where a tool mounts and caches: nothing is there yet.
type place struct {
	site    *site
	thothfs string // the program
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
)

// allTools are the tools in the order of the tables. The variants of thothfs read
// dumps as the original uploads them, without what ours puts beside them: without
// help, or after another machine's session has left what it learned.
func allTools() []tool {
	small := []string{"--vfs-read-chunk-size", "128k", "--vfs-read-chunk-size-limit", "off", "--vfs-read-wait", "0", "--buffer-size", "0", "--vfs-read-ahead", "0"}
	rclone := func(name, mode string, args ...string) tool {
		return tool{name: name, needs: "rclone", listed: true, open: openRclone(append(args, "--vfs-cache-mode", mode))}
	}
	return []tool{
		{name: localName, open: openLocal},
		{name: downloadName, whole: true},
		{name: thothfsName, open: openThothfs(account)},
		{name: originalName, open: openThothfs("original"), prime: removeHot},
		{name: learnedName, open: openThothfs("learned"), prepare: rehearse},
		{name: heldName, open: openThothfs(account), prepare: hold, held: true},
		rclone("rclone-off", "off"),
		rclone("rclone-full", "full"),
		rclone("rclone-off-128k", "off", small...),
		rclone("rclone-full-128k", "full", small...),
		{name: "httpdirfs", needs: "httpdirfs", listed: true, asked: true, open: openHTTPDirFS},
	}
}

// openLocal is the file itself, dropped from the page cache.
func openLocal(context.Context, place) (*session, error) {
	return &session{path: func(c *Core) string {
		dropCaches(c.Path)
		return c.Path
	}, close: func() error { return nil }}, nil
}

func dropCaches(path string) {
	if f, err := os.Open(path); err == nil {
		_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
		f.Close()
	}
}

func openThothfs(owner string) func(context.Context, place) (*session, error) {
	return func(ctx context.Context, p place) (*session, error) {
		if err := p.run(ctx, owner, "mount", p.mnt); err != nil {
			return nil, err
		}
		return &session{
			path:  func(c *Core) string { return filepath.Join(p.mnt, "by-hash", c.ID, filepath.Base(c.Path)) },
			close: func() error { return p.run(context.WithoutCancel(ctx), owner, "umount", p.mnt) },
		}, nil
	}
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

func openRclone(args []string) func(context.Context, place) (*session, error) {
	return func(ctx context.Context, p place) (*session, error) {
		all := append([]string{"mount", ":http:", p.mnt, "--http-url", p.site.web, "--config", os.DevNull, "--read-only", "--cache-dir", p.cache}, args...)
		return openForeground(ctx, p, "rclone", all...)
	}
}

func openHTTPDirFS(ctx context.Context, p place) (*session, error) {
	return openForeground(ctx, p, "httpdirfs", "-f", "--cache-location", p.cache, p.site.web+"/", p.mnt)
}

// openForeground mounts with a program that stays in the foreground.
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
				err = errors.Join(err, cmd.Process.Kill()) // it still waits for what nobody reads any more
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

// downloadWhole fetches the whole dump, with curl or, where there is none, with
// Go's HTTP client (the report says so), and lets go of it.
func downloadWhole(ctx context.Context, p place, c *Core) error {
	url := p.site.manta + "/" + account + "/stor/thoth/" + c.ID + "/" + filepath.Base(c.Path)
	if _, err := exec.LookPath("curl"); err != nil {
		_, err := fetch(http.DefaultClient, url, c.Size)
		return err
	}
	out, err := exec.CommandContext(ctx, "curl", "-sS", "--fail", "-o", os.DevNull, url).CombinedOutput()
	if err != nil {
		return fmt.Errorf("curl: %w: %s", err, out)
	}
	return nil
}

// hotName is what thothfs puts beside a dump for whoever opens it first.
const hotName = ".thothfs.hot"

// removeHot takes back what a session with the original's dump left beside it.
func removeHot(_ context.Context, b *bench, c *Core, _ command) error {
	return b.removeHot("original", c)
}

func (b *bench) removeHot(owner string, c *Core) error {
	if !exists(filepath.Join(corpusDir(b.site.root, owner), c.ID, hotName)) {
		return nil
	}
	return b.site.Remove("/" + owner + "/stor/thoth/" + c.ID + "/" + hotName)
}

// rehearse is the first session of somebody else with a dump that nobody helped.
func rehearse(ctx context.Context, b *bench, c *Core, cmd command) error {
	if err := b.removeHot("learned", c); err != nil {
		return err
	}
	s, err := b.open(ctx, tool{open: openThothfs("learned")})
	if err != nil {
		return err
	}
	_, err = cmd.run(ctx, c.Exe, s.path(c))
	return errors.Join(err, s.close())
}

// hold has all of a dump fetched, at once.
func hold(ctx context.Context, b *bench, c *Core, _ command) error {
	b.site.shape(link{})
	s, err := b.open(ctx, tool{open: openThothfs(account), held: true})
	if err != nil {
		return err
	}
	err = exec.CommandContext(ctx, "cp", s.path(c), os.DevNull).Run()
	return errors.Join(err, s.close())
}

// share makes the dumps of account those of owner, as the original leaves them:
// the dump and its info.json alone. The server finds plain files.
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
