package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// npmJSON is the version of the npm package json to test with.
const npmJSON = "11.0.0"

// withNPMJSON puts npm's json on the PATH of later commands.
func (w *world) withNPMJSON() {
	w.t.Helper()
	w.setenv("PATH=" + npmJSONDir(w.t) + ":" + w.envValue("PATH"))
}

// withoutNPMJSON removes npm's json from the PATH.
func (w *world) withoutNPMJSON() {
	w.t.Helper()
	if path, err := exec.LookPath("json"); err == nil {
		w.t.Skipf("%s is installed here: what takes its place cannot be tried", path)
	}
}

var npmInstall sync.Mutex

func npmJSONDir(t *testing.T) string {
	t.Helper()
	need(t, "npm")
	npmInstall.Lock() // one test installs it, the others find it
	defer npmInstall.Unlock()
	tools := os.Getenv("THOTHFS_TEST_TOOLS")
	if tools == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			missing(t, "no directory to install the npm package json in: "+err.Error())
		}
		tools = filepath.Join(cache, "thothfs-test")
	}
	dir := filepath.Join(tools, "npm-json-"+npmJSON)
	bin := filepath.Join(dir, "node_modules", ".bin")
	if _, err := os.Stat(bin); err == nil {
		return bin
	}
	if err := os.MkdirAll(tools, 0o755); err != nil {
		t.Fatal(err)
	}
	tmp, err := os.MkdirTemp(tools, "installing-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "npm", "install", "--prefix", tmp, "--no-audit", "--no-fund", "json@"+npmJSON).CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("the npm package json could not be installed: %v\n%s", err, out))
	}
	// If two processes install it, the first one wins.
	if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, os.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		t.Fatal(err)
	}
	return bin
}

// onBothJSONs runs a test with npm's json and with its replacement.
func onBothJSONs(t *testing.T, f func(t *testing.T, prepare func(*world))) {
	t.Run("json of npm", func(t *testing.T) {
		t.Parallel()
		f(t, (*world).withNPMJSON)
	})
	t.Run("json of ours", func(t *testing.T) {
		t.Parallel()
		f(t, (*world).withoutNPMJSON)
	})
}

// TestAnalyzeJSON checks that the replacement of json prints what json prints.
func TestAnalyzeJSON(t *testing.T) {
	t.Parallel()
	bin := npmJSONDir(t)
	w := newWorld(t)
	doc := `{"a":1.5,"b":{"c":"x\ny","d":[1,{"z":2}],"o":{},"l":[]},"e":null,"f":true,"g":"","s":["a","b"],"u":"é<&>"}`
	for _, keys := range []string{"", "a", "b", "b.c", "b.d", "b.d.1.z", "e", "f", "g", "nope", "a nope f", "s", "s.1", "b.nope.x", "u", "b.o", "--deep-merge"} {
		script := "printf '%s' '" + doc + "' | "
		want := w.sh(script + "PATH=" + bin + ":$PATH json " + keys)
		r := w.tryInput(doc, append([]string{"document", "json"}, strings.Fields(keys)...)...)
		if keys == "--deep-merge" { // the order of keys is not preserved
			want, r.stdout = sortedLines(want), sortedLines(r.stdout)
		}
		if r.code != 0 || r.stdout != want {
			t.Errorf("json %s: %+v, not %q", keys, r, want)
		}
	}
	if r := w.tryInput(`{"a":{"x":1},"l":[1,2]}{"a":{"y":2.0},"l":[3]}`, "document", "json", "--deep-merge"); strings.Join(strings.Fields(r.stdout), "") != `{"a":{"x":1,"y":2.0},"l":[3]}` {
		t.Errorf("%+v", r)
	}
	for _, bad := range []string{"", "{", "[1]", "{} {}", "x"} {
		if r := w.tryInput(bad, "document", "json", "a"); r.code != 1 || r.stdout != "" {
			t.Errorf("%q: %+v", bad, r)
		}
	}
}

func sortedLines(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, ",", ""), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
