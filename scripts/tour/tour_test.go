package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thothfs/internal/testenv"
)

// TestTourOfTheREADME follows the tour with a program that was just built.
func TestTourOfTheREADME(t *testing.T) {
	t.Parallel()
	testenv.NeedFUSE(t)
	testenv.NeedTools(t, "gcc", "gdb", "getfattr", "setfattr")
	source, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir() // a source tree after make
	for _, name := range []string{"README.md", "scripts"} {
		if err := os.Symlink(filepath.Join(source, name), filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", filepath.Join(root, "bin", "thothfs"), "./cmd/thothfs")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := follow(t.Context(), root); err != nil {
		t.Error(err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := parse("# T\n\n    $ not this\n\n## A tour\n\nFirst:\n\n    $ a b\n    out\n      put\n    $ c\n\nText\n\n## Next\n\n    $ nor this\n")
	want := []step{{"a b", "out\n  put\n"}, {"c", ""}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(step{})); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for _, text := range []string{"", "## A tour\n\nnothing"} {
		if _, err := parse(text); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}

func TestRunComparesEachStep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		steps []step
		want  string // in the error; "" for none
	}{
		{"the same", []step{{"X=5", ""}, {"echo $X", "5\n"}}, ""},
		{"another hash, time and size", []step{{"echo 0123456789abcdef0123456789abcdef 2026-11-30T12:31:45Z 7.5M", "fedcba98765432 2013-07-11 10:00:00 120K\n"}}, ""},
		{"another directory", []step{{"echo at /tmp/x/a.c:5", "at /home/me/a.c:19"}}, ""},
		{"columns", []step{{"printf 'a\\nb\\n'", "a   b\n"}}, ""},
		{"any text", []step{{"printf 'a\\nb\\nc\\n'", "a\n…\nc\n"}, {"echo a b", "a\n…\n"}}, ""},
		{"another word", []step{{"echo a", "b\n"}}, "README.md has"},
		{"more text", []step{{"echo a; echo b", "a\n"}}, "README.md has"},
		{"no text", []step{{"true", "a\n"}}, "README.md has"},
		{"a failure", []step{{"false", ""}}, `exit status "1"`},
		{"the shell ends", []step{{"exit 0", ""}, {"true", ""}}, "exit status"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := run(t.Context(), c.steps, t.TempDir(), t.TempDir())
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
