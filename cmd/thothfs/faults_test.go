package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"thothfs/store/manta/mantatest"
)

// bigDump uploads a core of at least size bytes and returns its contents: a real core followed by a
// long tail of bytes that identify their offsets.
func (w *world) bigDump(size int) (id string, content []byte) {
	w.t.Helper()
	content, err := os.ReadFile(shippedCores(w.t)[0])
	if err != nil {
		w.t.Fatal(err)
	}
	for i := uint32(len(content)); len(content) < size; i++ {
		h := i * 2654435761
		content = append(content, byte(h>>24), byte(h>>16), byte(h>>8), byte(h)|1)
	}
	path := filepath.Join(w.dir, "core.big")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return firstWord(w.must("upload", "--no-stack", path)), content
}

// mountedBig returns a world in Manta with one big dump, mounted, and the path of the dump.
func mountedBig(t *testing.T, args ...string) (w *world, srv *mantatest.Server, path string, content []byte) {
	t.Helper()
	needFUSE(t)
	w, srv = newMantaWorld(t, 0)
	id, content := w.bigDump(8 << 20)
	w.mount(args...)
	path = filepath.Join(w.mnt, "by-hash", id, "core")
	return w, srv, path, content
}

func TestKilledInMidReadTheCacheStillServes(t *testing.T) {
	w, srv, path, content := mountedBig(t)
	srv.SetBandwidth(4 << 20)
	reader := exec.Command("cat", path)
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "some of it", func() bool { return w.stat("cache.bytes.fetched") > 1<<20 })
	syscall.Kill(w.pid(), syscall.SIGKILL)
	reader.Wait()
	srv.SetBandwidth(0)
	w.must("mount", w.mnt)
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("after kill -9 and remount: %d bytes, %v", len(got), err)
	}
	if fetched := w.stat("cache.bytes.fetched"); fetched >= int64(len(content)) {
		t.Errorf("fetched all %d bytes again", fetched)
	}

	// Everything is cached now, so reads do not need the store.
	w.must("umount", w.mnt)
	w.must("mount", w.mnt)
	os.ReadFile(path) // makes the mount learn the version while the store is available
	srv.Fault(mantatest.On{Method: "GET", Path: "core.big"}, mantatest.Reset())
	w.sh("echo 3 >/proc/sys/vm/drop_caches 2>/dev/null || true")
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
		t.Errorf("from the cache alone: %d bytes, %v", len(got), err)
	}
}

func TestTwoMountsOnOneCache(t *testing.T) {
	t.Parallel()
	w, _, path, content := mountedBig(t)
	second := filepath.Join(w.dir, "mnt2")
	if err := os.Mkdir(second, 0o755); err != nil {
		t.Fatal(err)
	}
	w.must("mount", second)
	defer w.must("umount", second)
	other := filepath.Join(second, strings.TrimPrefix(path, w.mnt))
	var wg sync.WaitGroup
	for range 4 {
		for _, p := range []string{path, other} {
			wg.Go(func() {
				if got, err := os.ReadFile(p); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s: %d bytes, %v", p, len(got), err)
				}
			})
		}
	}
	wg.Wait()
	fetched := w.stat("cache.bytes.fetched")
	t.Logf("the first mount fetched %d of %d bytes", fetched, len(content))
}

// TestStoreFaultsReachTheReaderAsErrors checks, for every fault of the store, which error a reading
// program gets, and that the cache keeps no wrong data.
func TestStoreFaultsReachTheReaderAsErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		action mantatest.Action
		want   []error
	}{
		"bodies cut short":    {mantatest.CutAt(1000), []error{syscall.EIO, syscall.ETIMEDOUT}},
		"200 for a range":     {mantatest.WholeForRange(), []error{syscall.EIO}},
		"connections reset":   {mantatest.Reset(), []error{syscall.EIO, syscall.ETIMEDOUT}},
		"503":                 {mantatest.AnswerError(503, "ServiceUnavailable", "no"), []error{syscall.EIO, syscall.ETIMEDOUT}},
		"an HTML error":       {mantatest.Answer(502, nil, "<html>bad gateway</html>"), []error{syscall.EIO, syscall.ETIMEDOUT}},
		"permission taken":    {mantatest.AnswerError(403, "AuthorizationFailed", "no"), []error{syscall.EACCES}},
		"wrong Content-Range": {mantatest.WithHeader("Content-Range", "bytes 7-9/12"), []error{syscall.EIO}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // retries take a while
			_, srv, path, content := mountedBig(t)
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			heal := srv.Fault(mantatest.On{Method: "GET", Path: "core.big"}, c.action)
			_, err = f.ReadAt(make([]byte, 4096), 4<<20)
			ok := false
			for _, want := range c.want {
				ok = ok || errors.Is(err, want)
			}
			if !ok {
				t.Errorf("read: %v, not one of %v", err, c.want)
			}
			heal()
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
				t.Errorf("after the fault: %d bytes, %v", len(got), err)
			}
		})
	}
}

func TestReaderOfAStalledStoreCanBeKilled(t *testing.T) {
	t.Parallel()
	_, srv, path, content := mountedBig(t)
	release := make(chan struct{})
	heal := srv.Fault(mantatest.On{Method: "GET", Path: "core.big"}, mantatest.StallAt(0, release))
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		reader := exec.Command("cat", path)
		reader.Stdout = io.Discard
		if err := reader.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the reader to wait", func() bool { return asleep(reader.Process.Pid) })
		reader.Process.Signal(sig)
		gone := make(chan struct{})
		go func() { reader.Wait(); close(gone) }()
		select {
		case <-gone:
		case <-time.After(20 * time.Second):
			t.Fatalf("the reader outlived %v", sig)
		}
	}
	heal()
	close(release)
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
		t.Errorf("after the stall: %d bytes, %v", len(got), err)
	}
}

// asleep reports whether a process is sleeping in the kernel.
func asleep(pid int) bool {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(rest, "D") || strings.HasPrefix(rest, "S")
}

func TestAReplacedObjectIsNeverMixed(t *testing.T) {
	t.Parallel()
	w, _, path, content := mountedBig(t)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(make([]byte, 4096), 0); err != nil {
		t.Fatal(err)
	}
	newer := bytes.Clone(content)
	for i := 1 << 20; i < len(newer); i++ {
		newer[i] ^= 0x55
	}
	object := filepath.Join(w.corpus, filepath.Base(filepath.Dir(path)), "core.big")
	tmp := object + ".new"
	if err := errors.Join(os.WriteFile(tmp, newer, 0o600), os.Rename(tmp, object)); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 4096)
	if _, err := f.ReadAt(p, 4<<20); !errors.Is(err, syscall.ESTALE) {
		t.Errorf("old handle, after the object was replaced: %v, not ESTALE", err)
	}
	waitFor(t, "the new version under the same name", func() bool {
		got, err := os.ReadFile(path)
		if err == nil && !bytes.Equal(got, content) && !bytes.Equal(got, newer) {
			t.Fatal("a mixture of two versions")
		}
		return err == nil && bytes.Equal(got, newer)
	})
}

func TestCorpusIsUsableWhileTheStoreIsDown(t *testing.T) {
	t.Parallel()
	w, srv, path, content := mountedBig(t, "--attr-timeout=1ms")
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
		t.Fatal(err)
	}
	srv.Fault(mantatest.On{}, mantatest.Reset())
	got := w.sh("ls mnt/by-cmd/*/ | wc -l; cat mnt/by-hash/*/info.json | wc -c; ls -l mnt/by-hash/*/core")
	if !strings.Contains(got, "core.big") {
		t.Errorf("%s", got)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
		t.Errorf("a held dump while the store is down: %d bytes, %v", len(got), err)
	}
}
