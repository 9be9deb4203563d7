package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/store/manta/mantatest"
)

// forget deletes the machine's catalogue and cache of the corpus.
func (w *world) forget() {
	w.t.Helper()
	w.sh("rm -rf cache")
}

// TestListsAreWholeRightAfterMount checks that a script that uses a mount immediately finds the
// whole corpus, by every path.
func TestListsAreWholeRightAfterMount(t *testing.T) {
	t.Parallel()
	w, _ := newMantaWorld(t, 20*time.Millisecond)
	const n = 301 // 43 for each of seven commands
	ids := w.seed(n, 100)
	for _, tt := range []struct{ script, want string }{
		{"ls mnt/by-hash | wc -l", "301"},
		{"ls mnt/by-cmd", "cmd0\ncmd1\ncmd2\ncmd3\ncmd4\ncmd5\ncmd6"},
		{"set -- mnt/by-cmd/cmd3/*/info.json; echo $#", "43"},
		{"ls mnt/query/'cmd=*0' | wc -l", "43"},
		{"find mnt/by-time -type l | wc -l", "301"},
		{"ls mnt/by-hash/" + ids[n-1][:29] + "/info.json", "mnt/by-hash/" + ids[n-1][:29] + "/info.json"},
		{"ls mnt/by-type/core/" + ids[n-1] + "/info.json", "mnt/by-type/core/" + ids[n-1] + "/info.json"},
	} {
		w.forget()
		w.mount()
		if got := strings.TrimSpace(w.sh(tt.script)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.script, got, tt.want)
		}
		w.unmount()
	}
}

// TestListsAreWholeAfterAKilledReading checks that a first read that was killed is continued, and
// that a partial corpus is never shown.
func TestListsAreWholeAfterAKilledReading(t *testing.T) {
	t.Parallel()
	w, srv := newMantaWorld(t, 5*time.Millisecond)
	ids := w.seed(300, 100)
	held := make(chan struct{})
	release := sync.OnceFunc(func() { close(held) })
	t.Cleanup(release)
	srv.Fault(mantatest.On{Path: ids[290] + "/info.json"}, mantatest.Before(func() { <-held }))
	for range 3 {
		w.mount()
		pid := w.pid()
		waitFor(t, "some are known", func() bool { return w.catalogued() > 100 })
		kill := w.start("ls", "mnt/by-hash") // a verb, which also reads the corpus
		syscall.Kill(pid, syscall.SIGKILL)
		waitFor(t, "its end", func() bool { return !running(pid) })
		kill()
	}
	time.AfterFunc(300*time.Millisecond, release)
	w.mount() // repairs the mountpoint
	if got := strings.TrimSpace(w.sh("ls mnt/by-hash | wc -l")); got != "300" {
		t.Errorf("%s of 300 are listed", got)
	}
}

// TestListsFailWhenTheCorpusIsNotKnown checks that an unresponsive store is not treated as an empty
// corpus.
func TestListsFailWhenTheCorpusIsNotKnown(t *testing.T) {
	t.Parallel()
	w, srv := newMantaWorld(t, 0)
	w.seed(3, 100)
	srv.Fault(mantatest.On{}, mantatest.Reset())
	w.mount()
	if r := w.trySh("ls mnt/by-hash mnt/by-cmd"); r.code == 0 || r.stdout != "" || strings.Count(r.stderr, "Input/output error") != 2 {
		t.Errorf("%+v", r)
	}
	srv.ClearFaults()
	waitFor(t, "the corpus is listed", func() bool { return strings.Count(w.trySh("ls mnt/by-hash").stdout, "\n") == 3 })
}

// TestMountShowsHowTheCorpusIsRead checks that on a terminal mount shows the progress of reading
// the corpus, and that Ctrl-C leaves the mount in place.
func TestMountShowsHowTheCorpusIsRead(t *testing.T) {
	t.Parallel()
	needFUSE(t)
	for _, interrupted := range []bool{false, true} {
		t.Run(fmt.Sprint("interrupted ", interrupted), func(t *testing.T) {
			t.Parallel()
			w, srv := newMantaWorld(t, 0)
			ids := w.seed(100, 100)
			held := make(chan struct{})
			release := sync.OnceFunc(func() { close(held) })
			t.Cleanup(release)
			srv.Fault(mantatest.On{Path: ids[90] + "/info.json"}, mantatest.Before(func() { <-held }))
			term := onTerminal(t, w.command("mount", w.mnt))
			t.Cleanup(w.unmount)
			if err := unix.IoctlSetWinsize(int(term.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 100}); err != nil {
				t.Fatal(err) // no bar is drawn without a width
			}
			term.expect("reading the corpus")
			waitFor(t, "the mount", func() bool { return mounted(w.mnt) })
			if interrupted {
				term.send("\x03")
				term.expect("its directories wait")
			} else {
				release()
			}
			if code := term.code(); code != 0 {
				t.Errorf("exit %d: %s", code, term.text())
			}
			release()
			if names, err := filepath.Glob(filepath.Join(w.mnt, "by-hash", "*")); err != nil || len(names) != 100 {
				t.Errorf("%d names, %v", len(names), err)
			}
		})
	}
}
