package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestAnalyzeKeepsCredentials checks that an analyzer of the corpus gets the caller's keys only
// with --credentials.
func TestAnalyzeKeepsCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.analyzing()
	w.dump(1, "a", "x")
	w.setenv("MANTA_KEY_ID=k1", "SSH_AUTH_SOCK=/k2", "AWS_SESSION_TOKEN=k3", "My_Secret=k4", "GITHUB_TOKEN=k5", "LANG_OF_MINE=kept")
	w.put("analyzers/env", "env")
	secret := func(out string) bool {
		for _, s := range []string{"k1", "/k2", "k3", "k4", "k5"} {
			if strings.Contains(out, "="+s+"\n") {
				return true
			}
		}
		return false
	}
	if out := w.must("analyze", "id=*", "env"); secret(out) || !strings.Contains(out, "LANG_OF_MINE=kept\n") {
		t.Errorf("without --credentials:\n%s", out)
	}
	if out := w.must("analyze", "id=*", "env", "--credentials"); !secret(out) {
		t.Errorf("with --credentials:\n%s", out)
	}
}

// TestNoMountForTheRun checks that without /dev/fuse, as in a container, the verbs that need a
// mount report that and leave nothing behind.
func TestNoMountForTheRun(t *testing.T) {
	t.Parallel()
	need(t, "unshare")
	w := newDebugWorld(t)
	id := w.aCore()
	for _, args := range [][]string{{"analyze", id, "builtin:stack"}, {"debug", id}, {"debug", id, "mine"}} {
		cmd := w.command(args...)
		inner := append([]string{"unshare", "-m", "bash", "-c", apart + `mount --bind /dev/null /dev/fuse && exec "$@"`, "bash"}, cmd.Args...)
		masked := exec.Command(inner[0], inner[1:]...)
		masked.Env, masked.Dir = cmd.Env, cmd.Dir
		r := finish(t, masked)
		if r.code != 1 || !strings.Contains(r.stderr, "cannot be mounted") || strings.Contains(r.stderr, "panic") || strings.Contains(r.stderr, "goroutine") {
			t.Errorf("%v: %+v", args, r)
		}
		w.leavesNothing()
	}
}
