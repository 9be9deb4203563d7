package fusefs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"thothfs/cache"
	"thothfs/store"
	"thothfs/store/mem"
)

// slowReadAfter is the time after which a read is recorded.
const slowReadAfter = 100 * time.Millisecond

// slowSource is a source whose reads take longer than slowReadAfter.
type slowSource struct{ cache.Source }

func (s slowSource) ReadAt(ctx context.Context, ref store.Ref, p []byte, off int64) (int, error) {
	select {
	case <-time.After(slowReadAfter + time.Millisecond):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return s.Source.ReadAt(ctx, ref, p, off)
}

// TestSlow checks that .thothfs/slow lists slow reads with a breakdown of their time.
func TestSlow(t *testing.T) {
	content := noise(1, 3<<20)
	m := mountStore(t, oneDump(t, content), func(o *Options) {
		blocks, err := cache.Open(cache.Options{Dir: t.TempDir(), Source: slowSource{o.Tree.Store}, Quota: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { blocks.Close() })
		o.Tree.Cache = blocks
	})
	if text := read(t, m.path(".thothfs/slow")); text != "" {
		t.Errorf("before anything was read: %s", text)
	}
	f, err := os.Open(m.path("by-hash", hashA, "core"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]byte, 100)
	if _, err := f.ReadAt(got, 1<<20); err != nil || !bytes.Equal(got, content[1<<20:1<<20+100]) {
		t.Fatal("other bytes", err)
	}
	text := read(t, m.path(".thothfs/slow"))
	line, _, _ := strings.Cut(text, "\n")
	for _, want := range []string{" ms read ", fmt.Sprintf(" of %q: waited for 1 requests, up to ", "/by-hash/"+hashA+"/core.x.1"), " in the queue, up to 1", " ms at the store"} {
		if !strings.Contains(line, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if stats := read(t, m.path(".thothfs/stats")); !strings.Contains(stats, "fs.reads.slow ") || strings.Contains(stats, "fs.reads.slow 0\n") {
		t.Error(stats)
	}
}

// TestSlowReadThatGaveUp checks that it also lists reads to which the store did not respond in
// time.
func TestSlowReadThatGaveUp(t *testing.T) {
	m := mountStore(t, oneDump(t, noise(1, 3<<20)), func(o *Options) { o.OpTimeout = 2 * slowReadAfter })
	release := make(chan struct{})
	defer close(release)
	m.store.Inject(mem.Fault{Op: mem.Read, Times: mem.Always, Block: release})
	f, err := os.Open(m.path("by-hash", hashA, "core"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(make([]byte, 100), 1<<20); !errors.Is(err, syscall.ETIMEDOUT) {
		t.Fatal(err)
	}
	text := read(t, m.path(".thothfs/slow"))
	for _, want := range []string{": gave up waiting for 1 requests that the store had not answered", `failed: "context deadline exceeded"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}
