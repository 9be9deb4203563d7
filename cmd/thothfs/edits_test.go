package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thothfs/store/manta/mantatest"
)

func TestEditVerbs(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, w *world) {
		w.thothsCorpus()
		for _, step := range []struct {
			args        []string
			stdin, want string // want is the output of `report PROP` afterwards
			report      string
		}{
			{[]string{"ticket", "cmd=svc*", "OS-9"}, "", `{"OS-9":2}`, "ticket"},
			{[]string{"unticket", "01010101"}, "", `{"OS-9":1}`, "ticket"},
			{[]string{"set", "type=core", "cmd=svc*", "triage", "bmc"}, "", `{"bmc":2}`, "properties.triage"},
			{[]string{"set", hash(2), "note", "a=b"}, "", `{"a=b":1}`, "properties.note"},
			{[]string{"set", "node=eb9ca020", "n"}, "17\n", `{"17":2}`, "properties.n"},
			{[]string{"set", hash(2), "who.on", "true"}, "", `{"true":1}`, "properties.who.on"},
			{[]string{"unset", "cmd=svc*", "triage"}, "", `{}`, "properties.triage"},
		} {
			if r := w.tryInput(step.stdin, step.args...); r.code != 0 || r.stdout != "" {
				t.Errorf("%v: %+v", step.args, r)
			}
			if got := strings.Join(strings.Fields(w.must("report", step.report)), ""); got != step.want {
				t.Errorf("after %v: %s, not %s", step.args, got, step.want)
			}
		}
	})
}

func TestDryRunChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.thothsCorpus()
	before := w.sh("cat corpus/*/info.json | md5sum")
	if got := strings.Fields(w.must("ticket", "cmd=svc*", "OS-9", "--dry-run")); len(got) != 2 {
		t.Errorf("%q", got)
	}
	if after := w.sh("cat corpus/*/info.json | md5sum"); after != before {
		t.Error("a document changed")
	}
}

func TestEditVerbsRefuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.thothsCorpus()
	before := w.sh("cat corpus/*/info.json | md5sum")
	for _, c := range []struct{ args, want string }{
		{"ticket cmd=svc* ticket=undefined", "is not a ticket"},
		{"ticket OS-1", "usage: thothfs ticket SPEC... TICKET"},
		{"ticket nonsense OS-1", "nonsense"},
		{"set 01010101", "usage: thothfs set SPEC... PROP [VALUE]"},
		{"set 01010101 a b c", "words"},
		{"unset ffffffff x", "not in the corpus"},
		{"upload --ticket a=b x", "is not a ticket"},
		{"upload --set a x", "PROP=VALUE"},
	} {
		if r := w.try(strings.Fields(c.args)...); r.code == 0 || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%s: %+v", c.args, r)
		}
	}
	if after := w.sh("cat corpus/*/info.json | md5sum"); after != before {
		t.Error("a document changed")
	}
}

// TestEditThatFailsForSome checks that each dump that failed is reported and the others are edited.
func TestEditThatFailsForSome(t *testing.T) {
	t.Parallel()
	w, srv := newMantaWorld(t, 0)
	w.thothsCorpus()
	srv.Fault(mantatest.On{Method: "PUT", Path: hash(2) + "/info.json"}, mantatest.AnswerError(403, "AuthorizationFailed", "no"))
	r := w.try("ticket", "cmd=svc*", "OS-9")
	if r.code != 1 || !strings.Contains(r.stderr, hash(2)) || strings.Contains(r.stderr, hash(1)+":") || !strings.Contains(r.stderr, "1 of 2") {
		t.Errorf("%+v", r)
	}
	if got := w.must("report", "ticket=OS-9"); got != "1\n" {
		t.Errorf("%s dumps have the ticket", got)
	}
}

func TestUploadAttaches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	core := shippedCores(t)[0]
	w.must("upload", "--no-stack", "--ticket", "OS-1", "--set", "triage.engineer=bmc", "--set", "n=3", core)
	if got := w.must("report", "ticket=OS-1", "properties.triage.engineer=bmc", "properties.n=3"); got != "1\n" {
		t.Errorf("a new dump: %s", w.must("info", core))
	}
	w.must("upload", "--no-stack", "--ticket", "OS-2", core)
	if got := w.must("report", "ticket=OS-2", "properties.n=3"); got != "1\n" {
		t.Errorf("one that is there: %s", w.must("info", core))
	}
}

func TestAnalyzerVerbs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if r := w.tryInput("echo hi\n", "analyzer", "greet"); r.code != 0 && !strings.Contains(r.stderr, "no such directory") {
		t.Errorf("%+v", r)
	}
	w.aCore()
	if r := w.tryInput("echo hi\n", "analyzer", "greet"); r.code != 0 {
		t.Errorf("%+v", r)
	}
	if got := w.must("analyzers", "-q"); got != "greet\n" {
		t.Errorf("%q", got)
	}
	if text, err := os.ReadFile(filepath.Join(w.corpus, "analyzers", "greet")); err != nil || string(text) != "echo hi\n" {
		t.Errorf("%q, %v", text, err)
	}
	w.must("analyzer", "--rm", "greet")
	if r := w.try("analyzer", "--rm", "greet"); r.code != 1 || !strings.Contains(r.stderr, "no analyzer") {
		t.Errorf("%+v", r)
	}
	if r := w.tryInput("", "analyzer", "empty"); r.code != 1 {
		t.Errorf("%+v", r)
	}
}

// TestEditsAreCounted checks that a verb that edits prints how many dumps it changed, and how many
// already had the value.
func TestEditsAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.thothsCorpus()
	one, two := hash(1), hash(2)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"set", one, "triage", "bmc"}, "1 dump updated"},
		{[]string{"set", one, two, "triage", "bmc"}, "1 dump updated, 1 left as before (nothing to change)"},
		{[]string{"unset", one, two, "triage"}, "2 dumps updated"},
		{[]string{"unset", one, two, "triage"}, "0 dumps updated, 2 left as before (nothing to change)"},
	} {
		if r := w.try(tt.args...); r.code != 0 || r.stderr != "thothfs: "+tt.want+"\n" {
			t.Errorf("%s: %+v, want %q", tt.args, r, tt.want)
		}
	}
}

// TestWarm checks that warmed dumps are read without the store.
func TestWarm(t *testing.T) {
	t.Parallel()
	needFUSE(t)
	w, srv := newMantaWorld(t, 0)
	id, content := w.bigDump(3 << 20)
	if r := w.try("warm", id); r.code != 0 || !strings.Contains(r.stderr, "1 dump warmed\n") {
		t.Errorf("%+v", r)
	}
	w.must("warm", "--all", id)
	w.mount()
	core := filepath.Join(w.mnt, "by-hash", id, "core")
	if _, err := os.Stat(core); err != nil { // makes the mount learn the version
		t.Fatal(err)
	}
	srv.Fault(mantatest.On{Method: "GET", Path: "core.big"}, mantatest.Reset())
	if got, err := os.ReadFile(core); err != nil || string(got) != string(content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if n := w.stat("cache.bytes.fetched"); n != 0 {
		t.Errorf("%s", fmt.Sprint(n, " bytes were fetched"))
	}
}
