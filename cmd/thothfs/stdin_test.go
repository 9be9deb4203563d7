package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSetReadsStandardInput checks that set reads standard input if no value is given, and that a
// forgotten value is never taken for an empty one.
func TestSetReadsStandardInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.aCore()
	value := func() string { return strings.TrimSpace(w.must("ls", id, "properties.p", "--json")) }
	for _, c := range []struct {
		stdin string
		args  []string
		code  int
		want  string // expected in the document
	}{
		{"one\n", nil, 0, `"p": "one"`},
		{"two", []string{"-"}, 0, `"p": "two"`},
		{"", nil, 1, `"p": "two"`},
		{"", []string{"-"}, 1, `"p": "two"`},
		{"ignored", []string{""}, 0, `"p": ""`},
		{"\n", nil, 0, `"p": ""`},
	} {
		r := w.tryInput(c.stdin, append([]string{"set", id, "p"}, c.args...)...)
		if r.code != c.code || c.code != 0 && !strings.Contains(r.stderr, "standard input is empty: give the value of p") {
			t.Errorf("%q %q: %+v", c.stdin, c.args, r)
		}
		if got := value(); !strings.Contains(got, c.want) {
			t.Errorf("%q %q: the document is %s, want %s", c.stdin, c.args, got, c.want)
		}
	}
}

// TestStandardInputIsATerminal checks that on a terminal the program says that it reads standard
// input, and that Ctrl-C ends it.
func TestStandardInputIsATerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.aCore()
	for what, args := range map[string][]string{
		"the value of p":                 {"set", id, "p"},
		"the script of the analyzer new": {"analyzer", "new"},
		"hashes of dumps":                {"ls", "dump=stdin"},
	} {
		term := onTerminal(t, w.command(args...))
		term.expect("reading " + what + " from the terminal; end it with Ctrl-D")
		term.send("\x03")
		term.expect("interrupted")
		if code := term.code(); code != 130 {
			t.Errorf("%v: Ctrl-C: exit %d:\n%s", args, code, term.text())
		}
	}
	term := onTerminal(t, w.command("set", id, "p"))
	term.expect("reading the value of p")
	term.send("typed\n\x04")
	if code := term.code(); code != 0 {
		t.Errorf("exit %d:\n%s", code, term.text())
	}
	if got := w.must("info", id); !strings.Contains(got, `"p": "typed"`) {
		t.Errorf("%s", got)
	}
}

// TestDebugShellAfterAFailedCommand checks that when Ctrl-D makes bash exit with the status of a
// failed command, changes are stored if the user confirms, and kept in files otherwise.
func TestDebugShellAfterAFailedCommand(t *testing.T) {
	t.Parallel()
	w := newDebugWorld(t)
	id := w.aCore()
	for answer, stored := range map[string]bool{"y\n": true, "\n": false} {
		term := onTerminal(t, w.command("debug", id, "mine"))
		term.expect("thoth " + id[:16] + "> ")
		property := "asked" + strings.TrimSpace(answer)
		term.send("thoth_set " + property + " yes; echo 'true' >\"$THOTH_ANALYZER\"; false\n")
		term.expect("> ")
		term.send("\x04")
		term.expect("Save the changes of ticket and properties and the changes of the analyzer mine? [y/N]")
		term.send(answer)
		if code := term.code(); (code == 0) != stored {
			t.Errorf("%q: exit %d:\n%s", answer, code, term.text())
		}
		if got := w.must("info", id); strings.Contains(got, `"`+property+`"`) != stored {
			t.Errorf("%q: %s", answer, got)
		}
		kept, _ := filepath.Glob(filepath.Join(w.dir, "tmp", "thothfs-mine-*"))
		if (len(kept) == 0) != stored {
			t.Errorf("%q: copies of the analyzer: %q\n%s", answer, kept, term.text())
		}
		for _, path := range kept {
			if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 || !strings.Contains(term.text(), path) {
				t.Errorf("%s: %v %v\n%s", path, fi, err, term.text())
			}
		}
		if has := strings.Contains(w.must("analyzers", "-q"), "mine"); stored && !has {
			t.Errorf("%q: the analyzer is not stored", answer)
		}
		w.sh("rm -f tmp/thothfs-mine-* tmp/thothfs-info.json-*; rm -rf corpus/analyzers")
	}
}
