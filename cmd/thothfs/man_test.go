package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// allCommands returns the program with the commands that cobra adds.
func allCommands() *cobra.Command {
	root := rootCommand(&cli{getenv: os.Getenv})
	root.InitDefaultHelpCmd()
	return root
}

func TestEveryVerbIsDocumented(t *testing.T) {
	t.Parallel()
	root := allCommands()
	pages := map[string]string{}
	for _, p := range manualPages(root, time.Unix(1e9, 0)) {
		pages[p.Name] = string(p.Roff())
	}
	program := pages["thothfs"]
	for _, verb := range root.Commands() {
		if verb.Hidden {
			continue
		}
		if verb.GroupID == "" {
			t.Errorf("%s is in no group of verbgroups.go", verb.Name())
		}
		if !strings.Contains(program, `\fB`+verb.Name()+`\fR`) {
			t.Errorf("thothfs(1) does not list %s", verb.Name())
		}
		page := pages["thothfs-"+verb.Name()]
		for _, want := range []string{".SH NAME", `.SH "SYNOPSIS"`, `.SH "DESCRIPTION"`, `.SH "OPTIONS"`, `.SH "EXIT STATUS"`, `.SH "SEE ALSO"`} {
			if !strings.Contains(page, want) {
				t.Errorf("thothfs-%s(1) has no %s", verb.Name(), want)
			}
		}
	}
	for _, want := range []string{`.SH "VERBS"`, `.SH "ENVIRONMENT"`, `.SH "FILES"`, `.SH "EXIT STATUS"`, `.SH "EXAMPLES"`, `.SH "SEE ALSO"`, "2001-09-09"} {
		if !strings.Contains(program, want) {
			t.Errorf("thothfs(1) has no %s", want)
		}
	}
}

// TestManualPagesAreWellFormed reads all pages with both implementations of man(1).
func TestManualPagesAreWellFormed(t *testing.T) {
	t.Parallel()
	need(t, "man", "mandoc")
	w := newWorld(t)
	w.setenv("SOURCE_DATE_EPOCH=1373566303", "LC_ALL=C.UTF-8", "MANWIDTH=80")
	dir := filepath.Join(w.dir, "man")
	w.must("man", dir)
	pages, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	read := func(tool string, args ...string) string {
		cmd := exec.Command(tool, append(args, pages...)...)
		cmd.Env = w.env
		var out, complaints bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &complaints
		if err := cmd.Run(); err != nil || complaints.Len() > 0 {
			t.Errorf("%s: %v\n%s", tool, err, &complaints)
		}
		return out.String()
	}
	if complaints := read("mandoc", "-T", "lint", "-W", "style"); complaints != "" {
		t.Errorf("mandoc:\n%s", complaints)
	}
	text := read("man", "--warnings", "-l")
	for _, literal := range []string{
		"stack=*abort*", "[VALUE]", "ls mnt/query/'cmd=node ticket=undefined mtime=1w'/", `cmd=a\*b`, "2013-07-11",
		"gdb /usr/bin/worker ~/thoth/by-hash/3308be28/core", "$XDG_DATA_HOME/thothfs/corpus", "-j, --jobs N",
	} {
		if !strings.Contains(text, literal) {
			t.Errorf("no page has %s", literal)
		}
	}
}

func TestDateOfManualPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setenv("SOURCE_DATE_EPOCH=yesterday")
	if r := w.try("man", filepath.Join(w.dir, "man")); r.code != exitUsage || !strings.Contains(r.stderr, `"yesterday"`) {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}

func TestHelpFitsTheTerminal(t *testing.T) {
	t.Parallel()
	for _, verb := range allCommands().Commands() {
		if verb.Name() == "completion" { // its text is cobra's
			continue
		}
		var out bytes.Buffer
		verb.SetOut(&out)
		verb.InitDefaultHelpFlag()
		if err := verb.Help(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "true|false") {
			t.Errorf("%s --help shows the values of switches", verb.Name())
		}
		_, usage, _ := strings.Cut(out.String(), "\nOptions:")
		for line := range strings.Lines(usage) {
			if len(strings.TrimRight(line, "\n")) > helpWidth {
				t.Errorf("%s --help: %q is longer than %d", verb.Name(), line, helpWidth)
			}
		}
	}
}

func TestCompletionOfVerbsAndFlags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	completed := w.must("__complete", "")
	for _, verb := range []string{"mount", "umount", "upload", "ls", "analyze", "debug", "executable", "modules"} {
		if !strings.Contains("\n"+completed, "\n"+verb+"\t") {
			t.Errorf("%s is not completed:\n%s", verb, completed)
		}
	}
	if flags := w.must("__complete", "debug", "--debug"); !strings.Contains(flags, "--debugger") {
		t.Errorf("flags: %s", flags)
	}
	script := w.must("completion", "bash")
	cmd := exec.Command("bash", "-n")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil || len(script) < 1000 {
		t.Errorf("bash does not take its completion: %v %s", err, out)
	}
}
