package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSignatureOfStrippedPrograms checks that without symbols a signature identifies the build, by
// offsets and build ID.
func TestSignatureOfStrippedPrograms(t *testing.T) {
	t.Parallel()
	need(t, "gdb", "eu-stack")
	w := newDebugWorld(t)
	source, err := os.ReadFile("testdata/crash/server.c")
	if err != nil {
		t.Fatal(err)
	}
	var crashes []*crash
	for i, flags := range [][]string{{"-O2", "-s"}, {"-O2", "-s", "-DPAD=100000"}} {
		dir := t.TempDir()
		exe := build(t, filepath.Join(dir, "server"), string(source), flags...)
		for _, bug := range []string{"get", "get", "put"} {
			crashes = append(crashes, &crash{bug: crashBug{name: bug}, build: i, core: coreOf(t, nil, exe, bug)})
		}
	}
	w.uploadCrashes(crashes)
	for round := range 2 {
		signatures := map[string]string{}
		w.must("analyze", "type=core", "signature")
		for _, c := range crashes {
			p := w.signatureOf(c.id)
			name := fmt.Sprintf("%s of build %d", c.bug.name, c.build)
			if want, ok := signatures[name]; ok && want != p.Signature {
				t.Errorf("%s: %s, and another time %s", name, p.Of, want)
			}
			if signatures[name] = p.Signature; !strings.HasPrefix(p.Of, "memory server: server+0x") || strings.Count(p.Of, "@") < 3 {
				t.Errorf("%s: %s", name, p.Of)
			}
			if round > 0 && c.of != p.Of {
				t.Errorf("by eu-stack %s, by gdb %s", p.Of, c.of)
			}
			c.of = p.Of
		}
		if len(signatures) != 4 || signatures["get of build 0"] == signatures["put of build 0"] || signatures["get of build 0"] == signatures["get of build 1"] {
			t.Errorf("signatures %v", signatures)
		}
		w.withoutGDB()
	}
}

// TestSignatureListOfACorpus checks that a corpus can have its own list of functions to skip, which
// defines a separate rule, and that signatures of an older rule are replaced.
func TestSignatureListOfACorpus(t *testing.T) {
	t.Parallel()
	need(t, "gdb")
	w := newDebugWorld(t)
	id := w.uploaded(coreOf(t, nil, build(t, filepath.Join(t.TempDir(), "prog"), buggy), "s"), "--set=signature=0123456789abcdef")
	w.must("analyze", "properties.signature_rule=undefined", "signature")
	first := w.signatureOf(id)
	if first.Of != "memory prog: take < middle < main" || first.Rule != 2 || first.Class != "memory" || first.Program != "prog" {
		t.Errorf("%+v", first)
	}
	store := func(list string) {
		t.Helper()
		if r := w.tryInput(list, "analyzer", "signature.skip"); r.code != 0 {
			t.Fatalf("%+v", r)
		}
	}
	store("- take\n- _start|__libc_start_.*\n")
	w.must("analyze", id, "signature")
	if rule := w.property(id, "signature_rule"); !strings.HasPrefix(rule, "2-") || w.property(id, "signature_of") != "memory prog: middle < main" {
		t.Errorf("rule %s, %s", rule, w.property(id, "signature_of"))
	}
	store("- (\n")
	if r := w.try("analyze", id, "signature"); r.code != 1 || !strings.Contains(r.stderr, "line 1 of the list") {
		t.Errorf("a bad list: %+v", r)
	}
}
