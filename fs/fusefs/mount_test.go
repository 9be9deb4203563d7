package fusefs

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"thothfs/cache"
	"thothfs/fs"
	"thothfs/internal/testenv"
	"thothfs/store"
	"thothfs/store/mem"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		os.Exit(child(role, os.Args[1:]))
	}
	testenv.Parallelize()
	goleak.VerifyTestMain(m)
}

// needFUSE skips the test where nothing can be mounted. It does not open /dev/fuse, since on some
// kernels that alone blocks the Go runtime.
func needFUSE(t testing.TB) {
	t.Helper()
	if err := unix.Access("/dev/fuse", unix.R_OK|unix.W_OK); err != nil {
		missing(t, "/dev/fuse cannot be used here: "+err.Error())
	}
	if _, err := exec.LookPath("fusermount3"); err != nil && os.Geteuid() != 0 {
		missing(t, "only root can mount here: fusermount3 is not installed")
	}
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// logged collects log output.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// mounted is a mount of an in-memory corpus.
type mounted struct {
	*Server
	dir    string
	store  *mem.Store
	corpus *plainCorpus
	log    *logged
}

// path joins names to the mountpoint.
func (m *mounted) path(names ...string) string {
	return filepath.Join(append([]string{m.dir}, names...)...)
}

// mountStore mounts a store filled by fill. If change is not nil, it may modify the options.
func mountStore(t testing.TB, fill func(*mem.Store), change func(*Options)) *mounted {
	t.Helper()
	needFUSE(t)
	s := mem.New()
	fill(s)
	m := &mounted{store: s, corpus: newPlainCorpus(s), log: &logged{}, dir: t.TempDir()}
	blocks := openCache(t, s)
	o := Options{Tree: fs.Options{Corpus: m.corpus, Cache: blocks, Store: s, Log: slog.New(slog.NewTextHandler(m.log, nil)), AttrTimeout: time.Nanosecond}}
	if change != nil {
		change(&o)
	}
	server, err := Mount(m.dir, o)
	if err != nil {
		t.Fatal(err)
	}
	m.Server = server
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Unmount(ctx); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return m
}

func openCache(t testing.TB, s store.Store) *cache.Cache {
	t.Helper()
	blocks, err := cache.Open(cache.Options{Dir: t.TempDir(), Source: s, Quota: 1 << 30, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blocks.Close() })
	return blocks
}

// ls returns the names in a directory in readdir(3) order.
func ls(t testing.TB, dir string) []string {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(n string) bool { return n == "." || n == ".." })
}

func read(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// eventually waits until a condition is true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
		runtime.Gosched()
	}
}

func mustStore() *mem.Store { return mem.New() }

func itoa(n int) string { return strconv.Itoa(n) }
