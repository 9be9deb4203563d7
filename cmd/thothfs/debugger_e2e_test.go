package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// onBothStores runs a test in a world with a directory corpus, and in one whose corpus is in Manta
// with 20 ms latency.
func onBothStores(t *testing.T, f func(t *testing.T, w *world)) {
	t.Run("dir", func(t *testing.T) {
		t.Parallel()
		f(t, newWorld(t))
	})
	t.Run("manta", func(t *testing.T) {
		t.Parallel()
		w, _ := newMantaWorld(t, 20*time.Millisecond)
		f(t, w)
	})
}

// readers are commands that read a dump in different ways: gdb with read(2), eu-stack with mmap(2),
// cmp from start to end. $exe is the dump's program, or empty.
var readers = []string{
	`gdb -nx -q -batch -ex bt -ex 'thread apply all bt' -ex 'info registers' $exe -c "$core" 2>&1`,
	`eu-stack --core="$core" ${exe:+-e $exe} 2>&1`,
	`eu-readelf -n "$core" 2>&1`,
	`md5sum <"$core"`,
}

// sameAsLocal checks that every reader prints the same for the dump in the mount as for the local
// file.
func sameAsLocal(t *testing.T, exe, local, mounted string) {
	t.Helper()
	for _, reader := range readers {
		want, got := readerOutput(exe, local, reader), readerOutput(exe, mounted, reader)
		if len(want) < 20 {
			t.Errorf("%s says only %q", reader, want)
		}
		if want != got {
			t.Errorf("%s\nlocal:\n%s\nmounted:\n%s", reader, want, got)
		}
	}
	if out, err := exec.Command("cmp", local, mounted).CombinedOutput(); err != nil {
		t.Errorf("cmp: %v\n%s", err, out)
	}
}

func readerOutput(exe, core, script string) string {
	cmd := exec.Command("bash", "-c", script)
	cmd.Env = append(cleanEnv(), "HOME=/nonexistent", "LC_ALL=C", "exe="+exe, "core="+core, "DEBUGINFOD_URLS=")
	out, _ := cmd.CombinedOutput() // a truncated core makes the reader fail, equally for both
	return strings.ReplaceAll(string(out), core, "CORE")
}

func TestDebuggersReadTheSameAsFromALocalFile(t *testing.T) {
	t.Parallel()
	need(t, "gdb", "eu-stack", "cmp")
	onBothStores(t, func(t *testing.T, w *world) {
		cores := shippedCores(t)
		ids := firstWords(w.must(append([]string{"upload", "--no-stack"}, cores...)...))
		if len(ids) != len(cores) {
			t.Fatalf("%d ids for %d cores", len(ids), len(cores))
		}
		w.mount()
		for i, core := range cores {
			t.Run(filepath.Base(core), func(t *testing.T) {
				exe := strings.TrimSuffix(core, ".core") + ".exe"
				if _, err := os.Stat(exe); err != nil {
					exe = ""
				}
				sameAsLocal(t, exe, core, filepath.Join(w.mnt, "by-hash", ids[i], "core"))
			})
		}
	})
}

func TestBigCoreIsDebuggedInPlace(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("makes a core of over 1 GiB")
	}
	need(t, "gdb", "eu-stack", "cmp")
	c := crashWorker(t, t.TempDir(), 8, 1024)
	fi, err := os.Stat(c.core)
	if err != nil || fi.Size() < 1<<30 {
		t.Fatalf("core of %v bytes, %v", fi, err)
	}
	onBothStores(t, func(t *testing.T, w *world) {
		id := firstWord(w.must("upload", c.core))
		w.mount()
		core := filepath.Join(w.mnt, "by-hash", id, "core")
		bt := readerOutput(c.exe, core, `gdb -nx -q -batch -ex bt $exe -c "$core" 2>&1`)
		if !strings.Contains(bt, "run_job (j=0x0)") {
			t.Fatalf("no backtrace:\n%s", bt)
		}
		if t.Name() == "TestBigCoreIsDebuggedInPlace/manta" {
			if fetched := w.stat("cache.bytes.fetched"); fetched == 0 || fetched > fi.Size()/20 {
				t.Errorf("gdb bt of a core of %d bytes fetched %d", fi.Size(), fetched)
			} else {
				t.Logf("gdb bt of a core of %d bytes fetched %d (%.2f %%)", fi.Size(), fetched, 100*float64(fetched)/float64(fi.Size()))
			}
		}
		sameAsLocal(t, c.exe, c.core, core)
		stack := w.sh("cat mnt/by-hash/" + id + "/stack")
		if !strings.HasPrefix(stack, "run_job+0x") {
			t.Errorf("stack in info.json:\n%s", stack)
		}
	})
}

// stat returns one counter of .thothfs/stats.
func (w *world) stat(name string) int64 {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.mnt, ".thothfs", "stats"))
	if err != nil {
		w.t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `[ =:\t]+(\d+)$`).FindSubmatch(text)
	if m == nil {
		w.t.Fatalf("no %s in:\n%s", name, text)
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		w.t.Fatal(fmt.Errorf("%s: %w", name, err))
	}
	return n
}
