package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"thothfs/store/manta/mantatest"
)

// TestAnalyzeOrder checks that the output for each dump is printed in one piece and in the order of
// the dumps, even if the first analyzer waits for the last, and that large output is complete.
func TestAnalyzeOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.analyzing()
	for n := 1; n <= 6; n++ {
		w.dump(n, itoa(n), "x")
	}
	script := w.script("x", `
		n=$(json cmd <$THOTH_INFO)
		echo "begin $n"
		if [[ $n == 1 ]]; then
			until [[ -e `+w.dir+`/last ]]; do sleep 0.01; done
			yes "line of 1" | head -n 200000
		fi
		echo "err $n" >&2
		printf "end $n"
		[[ $n != 6 ]] || touch `+w.dir+`/last`)
	r := w.try("analyze", "id=*", script, "--jobs=2")
	want := "begin 1\n" + strings.Repeat("line of 1\n", 200000) + "end 1"
	for n := 2; n <= 6; n++ {
		want += fmt.Sprintf("begin %d\nend %d", n, n)
	}
	if r.code != 0 || r.stdout != want {
		t.Errorf("exit %d, %d bytes of output, not %d: %.200q… %q", r.code, len(r.stdout), len(want), r.stdout, r.stderr)
	}
	at := 0
	for n := 1; n <= 6; n++ {
		i := strings.Index(r.stderr, fmt.Sprintf("thothfs: %s:\nerr %d\n", hash(n), n))
		if i < at {
			t.Errorf("%d is not in its place: %q", n, r.stderr)
		}
		at = max(at, i)
	}
	w.nothingLeft()
}

// TestAnalyzeJobs checks that --jobs analyzers run concurrently, and no more.
func TestAnalyzeJobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.analyzing()
	for n := 1; n <= 9; n++ {
		w.dump(n, itoa(n), "x")
	}
	// Each analyzer waits until three have started, and prints how many are running.
	script := w.script("x", `
		mkdir -p `+w.dir+`/under; touch `+w.dir+`/begun.$THOTH_NAME `+w.dir+`/under/$THOTH_NAME
		until [[ $(ls `+w.dir+`/begun.* | wc -l) -ge 3 ]]; do sleep 0.01; done
		ls `+w.dir+`/under | wc -l
		rm `+w.dir+`/under/$THOTH_NAME`)
	most := 0
	for _, word := range strings.Fields(w.must("analyze", "id=*", script, "--jobs=3")) {
		var n int
		fmt.Sscan(word, &n)
		most = max(most, n)
	}
	if most > 3 || most < 1 {
		t.Errorf("%d were under way", most)
	}
}

func TestAnalyzeShards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.analyzing()
	for n := 1; n <= 40; n++ {
		w.dump(n, itoa(n), "x")
	}
	script := w.script("x", `echo $THOTH_NAME`)
	seen := map[string]int{}
	var parts []string
	for i := range 3 {
		shard := fmt.Sprintf("--shard=%d/3", i)
		dry := w.must("analyze", "id=*", script, shard, "--dry-run")
		if got := w.must("analyze", "id=*", script, shard); got != dry {
			t.Errorf("%s: analyzed %q, said %q", shard, got, dry)
		}
		for _, id := range strings.Fields(dry) {
			seen[id]++
		}
		parts = append(parts, dry)
	}
	if len(seen) != 40 || slices.Contains(parts, "") {
		t.Errorf("%d of 40 dumps in parts of %d, %d, %d bytes", len(seen), len(parts[0]), len(parts[1]), len(parts[2]))
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s is in %d parts", id, n)
		}
	}
	w.dump(41, "new", "x")
	if now := w.must("analyze", "id=*", script, "--shard=1/3", "--dry-run"); strings.TrimSpace(strings.ReplaceAll(now, hash(41)+"\n", "")) != strings.TrimSpace(parts[1]) {
		t.Error("another dump has moved others to other parts")
	}
}

func TestAnalyzeDryRunChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.analyzing()
	w.dump(1, "a", "x")
	before := w.info(1)
	if got := w.must("analyze", "id=*", "--dry-run", w.script("x", "thoth_ticket A; touch "+w.dir+"/ran")); got != hash(1)+"\n" {
		t.Errorf("%q", got)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "ran")); err == nil || w.info(1) != before {
		t.Error("it ran")
	}
}

// TestAnalyzeLosesNoEdit checks that concurrent runs, and other edits while an analyzer runs, lose
// nothing.
func TestAnalyzeLosesNoEdit(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, w *world) {
		w.analyzing()
		for n := 1; n <= 4; n++ {
			w.dump(n, itoa(n), "x", `"properties": { "old": "yes" }`)
		}
		var cmds []*exec.Cmd
		for _, who := range []string{"a", "b"} {
			cmd := w.command("analyze", "id=*", "--jobs=2", w.script(who, `thoth_set `+who+` yes; "$THOTHFS" set $THOTH_NAME by_`+who+` yes; thoth_set `+who+`2.x $THOTH_NAME`))
			cmd.Stderr = &strings.Builder{}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			cmds = append(cmds, cmd)
		}
		for _, cmd := range cmds {
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %s", err, cmd.Stderr)
			}
		}
		for _, property := range []string{"old", "a", "b", "by_a", "by_b", "a2.x", "b2.x"} {
			value := "yes"
			if strings.HasSuffix(property, ".x") {
				value = "*"
			}
			if got := w.must("report", "properties."+property+"="+value); got != "4\n" {
				t.Errorf("%s: %s", property, got)
			}
		}
		w.nothingLeft()
	})
}

// TestAnalyzeUsesAMount checks that an existing mount of the corpus is used, unless it has another
// cache or does not respond.
func TestAnalyzeUsesAMount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.analyzing()
	w.dump(1, "a", "the dump")
	w.mount()
	script := w.script("x", `echo "$THOTHFS_MOUNT"; cat "$THOTH_DUMP"`)
	if got := w.must("analyze", "id=*", script); got != w.mnt+"\nthe dump" {
		t.Errorf("%q", got)
	}
	if got := w.must("analyze", "id=*", script, "--cache-dir="+filepath.Join(w.dir, "another")); !strings.HasPrefix(got, w.dir+"/tmp/") || !strings.HasSuffix(got, "\nthe dump") {
		t.Errorf("with another cache: %q", got)
	}
	pid := w.pid()
	syscall.Kill(pid, syscall.SIGSTOP)
	got := w.must("analyze", "id=*", script)
	syscall.Kill(pid, syscall.SIGCONT)
	if !strings.HasPrefix(got, w.dir+"/tmp/") {
		t.Errorf("beside a mount that is stopped: %q", got)
	}
	w.nothingLeft()
}

// TestAnalyzeFetchesAhead checks that dumps later in the list are fetched in advance.
func TestAnalyzeFetchesAhead(t *testing.T) {
	t.Parallel()
	w, srv := newMantaWorld(t, 0)
	w.analyzing()
	for n := 1; n <= 4; n++ {
		w.dump(n, itoa(n), strings.Repeat("x", 300000))
	}
	asked := filepath.Join(w.dir, "asked")
	srv.Fault(mantatest.On{Method: "GET", Path: "core.4"}, mantatest.Before(func() { os.WriteFile(asked, nil, 0o600) }))
	// The first analyzer waits until the fourth dump is requested.
	script := w.script("x", `until [[ -e `+asked+` ]]; do sleep 0.01; done; wc -c <$THOTH_DUMP`)
	if got := w.must("analyze", "id=*", script, "--jobs=1"); got != strings.Repeat("300000\n", 4) {
		t.Errorf("%q", got)
	}
	w.nothingLeft()
}
