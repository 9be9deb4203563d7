package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCompletionFlag(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"idle": "idle", "always": "always", "never": "never", "idle=30%": "idle=30%", "idle=100": "idle=100%",
		"": "", "idle=": "", "idle=0": "", "idle=101%": "", "idle=x": "", "always=3": "", "never=1%": "", "Idle": "", "sometimes": "",
	} {
		var c completion
		err := c.Set(given)
		if got := c.String(); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q: %q, %v", given, got, err)
		}
	}
	w := newWorld(t)
	w.aCore()
	if r := w.try("mount", "--complete=later", "mnt"); r.code != 2 || !strings.Contains(r.stderr, "idle, idle=N%, always or never") {
		t.Errorf("%+v", r)
	}
	w.mount("-o", "complete=idle=20%,learn=false")
	if config := w.sh("cat mnt/.thothfs/config"); !strings.Contains(config, "\ncomplete=idle=20%\nlearn=false\n") {
		t.Error(config)
	}
}

// TestMountCompletes checks that an open dump is fetched completely and compared with the store's
// MD5. After that the kernel reads it directly if it can. A debugger must always read the same
// bytes.
func TestMountCompletes(t *testing.T) {
	t.Parallel()
	needFUSE(t)
	need(t, "gdb", "gcc")
	c := crashWorker(t, t.TempDir(), 4, 64)
	const bt = `gdb -nx -q -batch -ex 'thread apply all bt' $exe -c "$core" 2>&1`
	want := readerOutput(c.exe, c.core, bt)
	w, srv := newMantaWorld(t, time.Millisecond)
	id := firstWord(w.must("upload", "--no-stack", c.core))
	w.mount("--complete=always")
	core := filepath.Join(w.mnt, "by-hash", id, "core")
	f, err := os.Open(core)
	if err != nil {
		t.Fatal(err)
	}
	if got := readerOutput(c.exe, core, bt); got != want {
		t.Errorf("local:\n%s\nmounted:\n%s", want, got)
	}
	waitFor(t, "the dump is complete", func() bool { return w.stat("cache.verified") == 1 && w.stat("cache.sessions") == 0 })
	f.Close()
	waitFor(t, "the file is released", func() bool { return w.stat("fs.handles") == 0 })
	srv.ResetCounters()
	if got := readerOutput(c.exe, core, bt); got != want {
		t.Errorf("local:\n%s\ncomplete:\n%s", want, got)
	}
	w.sh("cmp " + c.core + " " + core)
	if n := srv.Counters().BodyBytes; n > 64<<10 { // info.json and the listing
		t.Errorf("%d bytes fetched of a dump that is complete", n)
	}
	if w.stat("cache.mismatched") != 0 {
		t.Error("other bytes than the store's")
	}
}

// TestMountLearns checks that what one mount has read of a dump without a pack is fetched in
// advance by a mount on another machine.
func TestMountLearns(t *testing.T) {
	t.Parallel()
	needFUSE(t)
	need(t, "gdb", "gcc")
	c := crashWorker(t, t.TempDir(), 4, 64)
	const bt = `gdb -nx -q -batch -ex 'thread apply all bt' $exe -c "$core" 2>&1`
	want := readerOutput(c.exe, c.core, bt)
	w, _ := newMantaWorld(t, time.Millisecond)
	id := firstWord(w.must("upload", "--no-stack", c.core))
	pack := filepath.Join(w.corpus, id, ".thothfs.hot")
	if err := os.Remove(pack); err != nil {
		t.Fatal(err)
	}
	core := filepath.Join(w.mnt, "by-hash", id, "core")
	debug := func(flag string) {
		t.Helper()
		w.setenv("THOTHFS_CACHE_DIR=" + t.TempDir())
		w.mount("--complete=never", flag, "-v", "--log="+filepath.Join(w.dir, "cache-log"))
		if got := readerOutput(c.exe, core, bt); got != want {
			t.Errorf("local:\n%s\nmounted:\n%s", want, got)
		}
		waitFor(t, "all is quiet", func() bool { return w.stat("fs.handles") == 0 && w.stat("cache.sessions")+w.stat("cache.lessons") == 0 })
	}
	debug("--learn=false")
	if _, err := os.Stat(pack); !os.IsNotExist(err) {
		t.Errorf("a pack though nothing was to be learned: %v", err)
	}
	w.must("umount", "mnt")
	debug("--learn")
	if w.stat("cache.packs.learned") < 1 || w.stat("cache.packs") != 0 {
		t.Errorf("no pack was learned: %s", w.sh("cat mnt/.thothfs/stats; cat cache-log; ls -la "+filepath.Dir(pack)))
	}
	w.must("umount", "mnt")
	debug("--learn")
	if w.stat("cache.packs") != 1 || w.stat("cache.packs.refused") != 0 {
		t.Error("the pack was not taken")
	}
	w.sh("cmp " + c.core + " " + core)
}
