package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestShellCompletion checks what words are completed to, and that the store is not asked.
func TestShellCompletion(t *testing.T) {
	t.Parallel()
	w, srv := newMantaWorld(t, time.Millisecond)
	w.put(hash(1)+"/info.json", `{"type":"core","cmd":"node","time":1373566303,"ticket":"OS-1","properties":{"triage":"bmc"}}`)
	w.put(hash(2)+"/info.json", `{"type":"core","cmd":"java","time":1373566304}`)
	w.put("analyzers/mine", "#!/bin/bash\n")
	w.must("ls")
	w.must("analyzers")
	srv.ResetCounters()
	one, two := hash(1)[:16], hash(2)[:16]
	for args, want := range map[string]string{
		"show|0":               two + "\tjava 2013-07-11 18:11|" + one + "\tnode 2013-07-11 18:11",
		"get|" + one:           one + "\tnode 2013-07-11 18:11",
		"ls|tri":               "triage=|triage",
		"ls|cmd=":              "cmd=java|cmd=node|cmd=undefined|cmd=defined",
		"set|cmd=node|tria":    "triage=|triage",
		"ticket|" + one + "|O": "OS-1",
		"analyze|cmd=x|min":    "mine",
		"analyze|cmd=x|sta":    "stack=|stack",
		"debug|" + one + "|m":  "mine",
		"analyzer|--show|sign": "signature",
		"ls|--sort|":           strings.Join(sortNames(), "|"),
		"ls|-o|":               "table|wide|json|jsonl|yaml|tsv|name",
		"mount|--complete|":    "idle|always|never",
		"umount|/nonexistent":  "",
		"history|--since|y":    "today|yesterday|1h|1d|7d",
		"attach|" + one + "|x": "",
	} {
		r := w.try(append([]string{"__complete"}, strings.Split(args, "|")...)...)
		text, _, _ := strings.Cut("\n"+r.stdout, "\n:")
		if got := strings.ReplaceAll(strings.TrimSpace(text), "\n", "|"); r.code != 0 || got != want {
			t.Errorf("%s: %q, want %q\n%s", args, got, want, r.stderr)
		}
	}
	if n := srv.Counters().Total; n != 0 {
		t.Errorf("%d requests", n)
	}
	// Another machine has no catalogue, and gets none.
	other := w.newMachine()
	other.setenv("THOTHFS_CACHE_DIR=" + filepath.Join(w.dir, "none"))
	if r := other.try("__complete", "show", "0"); r.code != 0 || !strings.HasPrefix(r.stdout, ":") {
		t.Errorf("%+v", r)
	}
	if r := other.try("__complete", "ls", "cm"); r.code != 0 || !strings.HasPrefix(r.stdout, "cmd=\n") {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "none")); !os.IsNotExist(err) {
		t.Errorf("a completion made a directory: %v", err)
	}
	if n := srv.Counters().Total; n != 0 {
		t.Errorf("%d requests", n)
	}
}
