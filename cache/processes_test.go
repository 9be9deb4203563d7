package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"thothfs/store"
)

const (
	sharedSize    = 4<<20 + 7
	sharedObjects = 6
)

// runChild is the main function of a process that shares a cache. Its arguments are "DIR QUOTA
// READS". It reads at random offsets and exits with status 1 if it gets a wrong byte.
func runChild(args string) {
	word := strings.Fields(args)
	quota, _ := strconv.ParseInt(word[1], 10, 64)
	reads, _ := strconv.Atoi(word[2])
	c, err := Open(Options{Dir: word[0], Quota: quota, Source: &source{size: sharedSize}, Namespace: "test", floor: 1})
	if err == nil {
		fmt.Println("ready")
		err = churn(c, reads, uint64(os.Getpid()))
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	s := c.Stats()
	fmt.Printf("%d hits, %d misses, %d files and %d blocks evicted\n", s.Hits, s.Misses, s.FilesEvicted, s.BlocksEvicted)
	if err := c.Close(); err != nil {
		os.Exit(1)
	}
}

// churn reads at random offsets from a few objects, in a few goroutines.
func churn(c *Cache, reads int, seed uint64) error {
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	for g := range 4 {
		wg.Go(func() { errs <- churnOne(c, reads, rand.New(rand.NewPCG(seed, uint64(g)))) })
	}
	wg.Wait()
	for range 4 {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

func churnOne(c *Cache, reads int, r *rand.Rand) error {
	p, want := make([]byte, 300<<10), make([]byte, 300<<10)
	for range reads {
		ref := store.Ref{Key: fmt.Sprint("shared", r.IntN(sharedObjects)), ETag: "v1"}
		f := c.Open(ref, sharedSize)
		for range 10 {
			off, n := r.Int64N(sharedSize), 1+r.IntN(len(p))
			n = int(min(int64(n), sharedSize-off))
			if got, err := f.ReadAt(context.Background(), p[:n], off); got != n || err != nil {
				return fmt.Errorf("%s: %d, %w", ref.Key, got, err)
			}
			fill(ref.Key, want[:n], off)
			if string(p[:n]) != string(want[:n]) {
				return fmt.Errorf("%s: wrong byte in %d at %d", ref.Key, n, off)
			}
		}
		f.Close()
	}
	return nil
}

// start starts a child process.
func start(t *testing.T, dir string, quota int64, reads int) (cmd *exec.Cmd, out *strings.Builder, ready chan struct{}) {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd = exec.Command(exe)
	cmd.Env = append(os.Environ(), fmt.Sprintf("CACHE_TEST_CHILD=%s %d %d", dir, quota, reads))
	w := &lines{first: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = w, w
	must(t, cmd.Start())
	return cmd, &w.b, w.first
}

// lines collects output and closes first when the first output arrives.
type lines struct {
	once  sync.Once
	b     strings.Builder
	first chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	defer l.once.Do(func() { close(l.first) })
	return l.b.Write(p)
}

// TestProcessesShare makes several processes read, fill and evict in the same directory, with
// room for a quarter of the objects.
func TestProcessesShare(t *testing.T) {
	o := options(t, &source{size: sharedSize})
	o.Quota = 5 << 20
	c := open(t, o)
	var children []*exec.Cmd
	var outputs []*strings.Builder
	for range 2 {
		cmd, out, _ := start(t, o.Dir, o.Quota, 10)
		children, outputs = append(children, cmd), append(outputs, out)
	}
	if err := churn(c, 10, 1); err != nil {
		t.Error(err)
	}
	for i, cmd := range children {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, outputs[i])
		}
		t.Log(outputs[i])
	}
	settle(t, c)
	s := c.Stats()
	t.Logf("%d hits, %d misses, %d files and %d blocks evicted, %d corrupt", s.Hits, s.Misses, s.FilesEvicted, s.BlocksEvicted, s.Corrupt)
	if s.State != "normal" {
		t.Error(s.State)
	}
}

// TestKill repeatedly kills a process that is filling the cache, and reads what it left behind.
func TestKill(t *testing.T) {
	o := options(t, &source{size: sharedSize})
	for i := range 3 {
		cmd, out, ready := start(t, o.Dir, []int64{1 << 30, 6 << 20}[i%2], 100000)
		<-ready
		c := open(t, o)
		if err := churn(c, 3, uint64(i)); err != nil {
			t.Error(err)
		}
		must(t, cmd.Process.Kill())
		if err := cmd.Wait(); err == nil || strings.Contains(out.String(), "wrong") {
			t.Errorf("%v: %s", err, out)
		}
		for k := range sharedObjects {
			check(t, openFile(t, c, fmt.Sprint("shared", k), sharedSize), 0, sharedSize)
		}
		settle(t, c)
		c.Close()
	}
}

// TestTwoCachesInOneProcess opens two caches that share only the directory.
func TestTwoCachesInOneProcess(t *testing.T) {
	src := &source{size: sharedSize}
	o := options(t, src)
	a, b := open(t, o), open(t, o)
	check(t, openFile(t, a, "a", sharedSize), 0, sharedSize)
	settle(t, a)
	before := src.count()
	check(t, openFile(t, b, "a", sharedSize), 0, sharedSize)
	if src.count() != before {
		t.Error("fetched what the other holds")
	}
	var wg sync.WaitGroup
	for i, c := range []*Cache{a, b} {
		c.disk.quota.mu.Lock()
		c.disk.quota.limit = 3 << 20
		c.disk.quota.mu.Unlock()
		wg.Go(func() {
			if err := churn(c, 10, uint64(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	settle(t, a)
	settle(t, b)
}
