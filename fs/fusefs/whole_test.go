package fusefs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"thothfs/cache"
	"thothfs/corpus"
	"thothfs/fs"
	"thothfs/query"
	"thothfs/store"
	"thothfs/store/mem"
)

// wholeDumps is the number of dumps. Every fourth has the same command, and every fifth a ticket.
const wholeDumps = 60

func wholeHash(i int) string { return fmt.Sprintf("%02x%030x", 4*i, i+1) }

func fillMany(t testing.TB, s store.Store) {
	for i := range wholeDumps {
		ticket := ""
		if i%5 == 0 {
			ticket = `"ticket": "OS-1", `
		}
		put(t, s, wholeHash(i)+"/info.json", fmt.Sprintf(`{ "cmd": "cmd%d", "node": "n%d", "platform": "p", "type": "core", %s"time": %d, "properties": { "signature": "s%d" } }`,
			i%4, i, ticket, 1373566304+86400*i, i))
	}
}

// unread mounts a corpus with the catalogue in dir, which may contain part of it. If run is set,
// the rest is read in the background until the test ends; otherwise only calls that wait for it
// read it.
func unread(t testing.TB, s store.Store, dir string, run bool) (mnt string, c *corpus.Corpus) {
	t.Helper()
	needFUSE(t)
	log := slog.New(slog.DiscardHandler)
	var err error
	c, err = corpus.Open(context.Background(), corpus.Options{Store: s, Name: "test", Root: "/u/stor/thoth", Dir: dir, AttrTimeout: time.Millisecond, Poll: time.Hour, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := cache.Open(cache.Options{Dir: t.TempDir(), Source: s, Quota: 1 << 30, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	mnt = t.TempDir()
	server, err := Mount(mnt, Options{Tree: fs.Options{Corpus: c, Cache: blocks, AttrTimeout: time.Millisecond, Log: log}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	if run {
		running.Go(func() { c.Run(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		if err := server.Unmount(context.Background()); err != nil {
			t.Error(err)
		}
		running.Wait()
		blocks.Close()
		c.Close()
	})
	return mnt, c
}

// wholeChecks count names in a mount; want is the correct number.
var wholeChecks = []struct {
	name, pattern string
	want          int
}{
	{"by-hash", "by-hash/*", wholeDumps},
	{"values", "by-cmd/*", 4},
	{"links", "by-cmd/cmd1/*", wholeDumps / 4},
	{"nodes", "by-node/*/*", wholeDumps},
	{"types", "by-type/core/*", wholeDumps},
	{"platforms", "by-platform/p/*", wholeDumps},
	{"signatures", "by-signature/*/*", wholeDumps},
	{"tickets", "by-ticket/*/*", wholeDumps / 5},
	{"days", "by-time/*/*/*/*", wholeDumps},
	{"query", "query/type=core/*", wholeDumps},
	{"query that nothing matches", "query/type=crash/*", 0},
	{"the newest", "query/limit=7/*", 7},
	{"narrowed", "by-cmd/cmd0/ticket=OS-1/*", wholeDumps / 20},
	{"one hash", "by-hash/" + wholeHash(wholeDumps-1) + "/info.json", 1},
	{"a beginning", "by-hash/" + wholeHash(wholeDumps - 1)[:8] + "/info.json", 1},
	{"a beginning in a view", "by-cmd/cmd3/" + wholeHash(wholeDumps - 1)[:8] + "/info.json", 1},
	{"one of another view", "by-cmd/cmd0/" + wholeHash(wholeDumps-1) + "/info.json", 0},
	{"one of the newest", "query/limit=7/" + wholeHash(wholeDumps-1) + "/info.json", 1},
	{"a value", "by-node/n" + itoa(wholeDumps-1) + "/*", 1},
}

// TestWholeRightAfterMount checks that right after the mount every directory shows the whole
// corpus, no matter which is listed first, what reads the corpus, and what an interrupted read has
// left.
func TestWholeRightAfterMount(t *testing.T) {
	for kind, open := range openStores(t) {
		s := open()
		fillMany(t, s)
		for i, tt := range wholeChecks {
			t.Run(kind+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				late := mem.NewFaulty(s)
				for _, n := range []int{3, wholeDumps / 2, wholeDumps - 1} {
					late.Inject(mem.Fault{Op: mem.Get, Key: wholeHash(n) + "/info.json", Delay: 200 * time.Millisecond, Times: mem.Always})
				}
				late.Inject(mem.Fault{Op: mem.List, Delay: 50 * time.Millisecond, Times: mem.Always})
				dir := t.TempDir()
				if i%2 == 1 {
					interrupt(t, late, dir)
				}
				mnt, _ := unread(t, unlocal{late}, dir, i%3 > 0)
				names, err := filepath.Glob(filepath.Join(mnt, tt.pattern))
				if err != nil || len(names) != tt.want {
					t.Errorf("%d names, %v, want %d", len(names), err, tt.want)
				}
			})
		}
	}
}

// unlocal is a store that has no local files.
type unlocal struct{ store.Store }

// interrupt reads part of a corpus into the catalogue in dir.
func interrupt(t testing.TB, s store.Store, dir string) {
	c, err := corpus.Open(t.Context(), corpus.Options{Store: s, Name: "test", Root: "/u/stor/thoth", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	if err := c.Sync(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the reading was to be interrupted: %v", err)
	}
}

// TestWholeIsWaitedFor checks that names that are known or can be looked up in the store appear
// immediately, that no other name is reported missing, and that waiting processes can be killed.
func TestWholeIsWaitedFor(t *testing.T) {
	s := mem.New()
	fillMany(t, s)
	stuck := wholeHash(7)
	release := make(chan struct{})
	s.Inject(mem.Fault{Op: mem.Get, Key: stuck + "/info.json", Block: release, Times: mem.Always})
	mnt, c := unread(t, s, t.TempDir(), true)
	eventually(t, "all but one are known", func() bool { n, _ := c.Count(t.Context(), query.Spec{}); return n == wholeDumps-1 })
	for _, name := range []string{"by-hash/" + wholeHash(9), "by-cmd/cmd2", "by-hash/" + wholeHash(9)[:6], "by-cmd/cmd1/" + wholeHash(9), "by-cmd/cmd1/" + wholeHash(9)[:6], "query/type=core/" + wholeHash(8)} {
		if _, err := os.Stat(filepath.Join(mnt, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"by-hash/" + hashOf("ffff"), "by-hash/ffff", "by-cmd/cmd1/" + hashOf("ffff"), "by-cmd/cmd2/" + wholeHash(9), "query/type=core/ffff"} {
		if _, err := os.Lstat(filepath.Join(mnt, name)); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("%s: %v, want ENOENT", name, err)
		}
	}
	put(t, s, hashOf("ffff")+"/info.json", `{ "cmd": "cmd1" }`)
	for _, name := range []string{"by-hash/" + hashOf("ffff"), "by-hash/ffff", "by-cmd/cmd1/" + hashOf("ffff")} {
		eventually(t, name+" is found", func() bool { _, err := os.Lstat(filepath.Join(mnt, name)); return err == nil })
	}
	var waiting []*exec.Cmd
	for _, dir := range []string{"by-hash", "by-cmd", "by-cmd/absent", "by-ticket", "by-time", "by-time/1999", "query/type=core", "query/limit=3"} {
		cmd := exec.Command("ls", "-U", filepath.Join(mnt, dir))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, cmd)
	}
	for i, cmd := range waiting {
		if i%2 == 0 {
			cmd.Process.Signal(syscall.SIGTERM)
			if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
				t.Errorf("%v did not wait: %v", cmd.Args, cmd.ProcessState)
			}
		}
	}
	close(release)
	for i, cmd := range waiting {
		if i%2 == 1 {
			if err := cmd.Wait(); (err != nil) != strings.Contains(cmd.Args[2], "1999") {
				t.Errorf("%v: %v", cmd.Args, err)
			}
		}
	}
}

// TestWholeFails checks that listing a corpus that cannot be read is an error, and that a later
// attempt reads it.
func TestWholeFails(t *testing.T) {
	for _, run := range []bool{false, true} {
		t.Run(fmt.Sprint("run ", run), func(t *testing.T) {
			s := mem.New()
			fillMany(t, s)
			s.Inject(mem.Fault{Kind: store.ErrUnavailable, Times: mem.Always})
			mnt, _ := unread(t, s, t.TempDir(), run)
			for _, dir := range []string{"by-hash", "by-cmd", "by-ticket", "by-time", "query/type=core"} {
				if names, err := os.ReadDir(filepath.Join(mnt, dir)); !errors.Is(err, syscall.EIO) {
					t.Errorf("%s: %d names, %v, want EIO", dir, len(names), err)
				}
			}
			for _, name := range []string{"by-hash/" + wholeHash(1), "by-hash/" + wholeHash(1)[:6], "by-cmd/cmd1", "by-time/2013"} {
				if _, err := os.Lstat(filepath.Join(mnt, name)); !errors.Is(err, syscall.EIO) {
					t.Errorf("%s: %v, want EIO", name, err)
				}
			}
			s.Heal()
			eventually(t, "the corpus is listed", func() bool {
				names, _ := os.ReadDir(filepath.Join(mnt, "by-hash"))
				if len(names) != 0 && len(names) != wholeDumps {
					t.Fatalf("%d names", len(names))
				}
				return len(names) > 0
			})
		})
	}
}
