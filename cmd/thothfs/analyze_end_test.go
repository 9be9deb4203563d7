package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestAnalyzeFailures checks that a dump whose analyzer fails is reported and none of its changes
// are stored, while the other dumps are analyzed.
func TestAnalyzeFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.analyzing()
	set := "thoth_set done yes\n"
	cases := []struct{ script, want string }{
		{set + "exit 3", "exit status 3"},
		{set + "kill -9 $$", "signal: killed"},
		{set + "(thoth_ticket a=b); true", "an edit was refused"},
		{set + "thoth_ticket a=b\necho not reached", "exit status 1"},
		{set + "thoth_ticket ''", "exit status 1"},
		{set + "thoth_set", "exit status 1"},
		{set + "thoth_set_sys cmd other", "exit status 1"},
		{set + "echo '{' >$THOTH_INFO", "no longer JSON"},
		{set + "rm $THOTH_INFO", "removed its info.json"},
		{set + "rm $THOTH_INFO; mkfifo $THOTH_INFO", "not a regular file"},
		{"json -I -e x <$THOTH_INFO || exit 4", "exit status 4"},
		{"set -u; echo $THOTH_NOTHING", "exit status"},
		{set, ""},
	}
	for i, c := range cases {
		w.dump(i+1, itoa(i), "x")
		w.put("analyzers/a"+itoa(i), c.script)
	}
	before := w.sh("cat corpus/*/info.json | md5sum")
	all := `. "$THOTHFS_MOUNT/analyzers/a$(json cmd <"$THOTH_INFO")"`
	r := w.try("analyze", "id=*", w.script("all", all))
	if r.code != 1 || !strings.Contains(r.stderr, fmt.Sprintf("thothfs: 1 of %d dumps analyzed, 1 changed; %d failed\n", len(cases), len(cases)-1)) || strings.Contains(r.stdout, "not reached") {
		t.Errorf("%+v", r)
	}
	for i, c := range cases {
		if _, after, failed := strings.Cut(r.stderr, "thothfs: "+hash(i+1)+": failed: "); failed != (c.want != "") || !strings.Contains(strings.SplitN(after, "\n", 2)[0], c.want) {
			t.Errorf("%s: %s", c.script, after)
		}
	}
	if got := w.must("report", "properties.done=yes"); got != "1\n" {
		t.Errorf("%s dumps were edited", got)
	}
	w.must("unset", hash(len(cases)), "done")
	w.sh(`sed -i -z 's/,\n\t"properties": {}//' corpus/*/info.json`)
	if after := w.sh("cat corpus/*/info.json | md5sum"); after != before {
		t.Errorf("%s", w.sh("cat corpus/*/info.json"))
	}
	w.nothingLeft()
}

// TestAnalyzeTimeout checks that an analyzer that takes too long is killed with its children, and
// that only its dump fails.
func TestAnalyzeTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.analyzing()
	w.dump(1, "a", "x")
	w.dump(2, "b", "x")
	script := w.script("x", `
		[[ $THOTH_NAME == `+hash(1)+` ]] || { thoth_set done yes; exit 0; }
		sleep 1000 & echo $! >`+w.dir+`/background
		echo before
		thoth_set done yes
		trap '' TERM
		while :; do sleep 1000; done`)
	r := w.try("analyze", "id=*", script, "--timeout=10s")
	if r.code != 1 || r.stdout != "before\n" || !strings.Contains(r.stderr, hash(1)+": failed: timed out after 10s") || !strings.Contains(r.stderr, "1 of 2 dumps analyzed, 1 changed; 1 failed") {
		t.Errorf("%+v", r)
	}
	if pid := w.pidIn("background"); running(pid) {
		t.Errorf("process %d still runs", pid)
	}
	if w.must("report", "properties.done=yes") != "1\n" {
		t.Error("the dump that took too long was edited, or the other was not")
	}
	w.nothingLeft()
}

// TestAnalyzeLeavesNothingInTheBackground checks that background processes of an analyzer end with
// it.
func TestAnalyzeLeavesNothingInTheBackground(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.analyzing()
	w.dump(1, "a", "x")
	w.must("analyze", "id=*", w.script("x", `sleep 1000 <$THOTH_DUMP & echo $! >`+w.dir+`/background`))
	if pid := w.pidIn("background"); running(pid) {
		t.Errorf("process %d still runs", pid)
	}
	w.nothingLeft()
}

// TestAnalyzeInterrupted checks that however a run is ended, its analyzers end, finished changes
// are stored, and nothing is left behind.
func TestAnalyzeInterrupted(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.analyzing()
			for n := 1; n <= 9; n++ {
				w.dump(n, itoa(n), "x")
			}
			script := w.script("x", `
				thoth_set done yes
				n=$(json cmd <$THOTH_INFO)
				[[ $n != 1 ]] || exit 0
				echo $$ >`+w.dir+`/pid.$n
				sleep 1000 <$THOTH_DUMP`)
			cmd := w.command("analyze", "id=*", script, "--jobs=2")
			var out, errs strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "two analyzers under way", func() bool {
				text := w.sh("cat pid.2 pid.3 2>/dev/null; true")
				return strings.Count(text, "\n") == 2
			})
			waitFor(t, "the first to be stored", func() bool { return strings.Contains(w.info(1), `"yes"`) })
			cmd.Process.Signal(sig)
			cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 128+int(sig) || !strings.Contains(errs.String(), "1 of 9 dumps analyzed, 1 changed\n") || !strings.Contains(errs.String(), "interrupted") {
				t.Errorf("exit %d: %s", code, errs.String())
			}
			for _, file := range []string{"pid.2", "pid.3"} {
				if pid := w.pidIn(file); running(pid) {
					t.Errorf("process %d still runs", pid)
				}
			}
			if got := w.must("report", "properties.done=yes"); got != "1\n" {
				t.Errorf("%s dumps were edited", got)
			}
			w.nothingLeft()
		})
	}
}

// TestAnalyzeKilled checks that a run removes what a killed run has left behind.
func TestAnalyzeKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.analyzing()
	w.dump(1, "a", "x")
	cmd := w.command("analyze", "id=*", w.script("x", `echo $$ >`+w.dir+`/pid; exec sleep 1000`))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the analyzer", func() bool { return strings.HasSuffix(w.sh("cat pid 2>/dev/null; true"), "\n") })
	cmd.Process.Kill()
	cmd.Wait()
	waitFor(t, "the analyzer to end with it", func() bool { return !running(w.pidIn("pid")) })
	if left, _ := filepath.Glob(filepath.Join(w.dir, "tmp", "*")); len(left) == 0 {
		t.Error("nothing is left: this test shows nothing")
	}
	w.must("analyze", "id=*", w.script("y", "true"))
	w.nothingLeft()
}

// TestAnalyzeIntoAClosedPipe checks that a run shuts down cleanly when its output can no longer be
// read.
func TestAnalyzeIntoAClosedPipe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.analyzing()
	for n := 1; n <= 9; n++ {
		w.dump(n, itoa(n), "x")
	}
	r, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd := w.command("analyze", "id=*", w.script("x", "echo out"))
	var errs strings.Builder
	cmd.Stdout, cmd.Stderr = pipe, &errs
	cmd.Run()
	pipe.Close()
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(errs.String(), "broken pipe") {
		t.Errorf("exit %d: %s", code, errs.String())
	}
	w.nothingLeft()
}
