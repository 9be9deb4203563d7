package main

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"os/exec"
	"strings"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/scripts"
	"thothfs/store"
)

// analysisTool is what is run against a dump: a script, or a debugger with a command.
type analysisTool struct {
	script  []byte // nil: a debugger
	program string // "mdb" or "gdb"
	command string
}

// findAnalyzer finds what a word on the command line means: a debugger command, else
// an analyzer of the corpus, a local file, or one that comes with the program.
func findAnalyzer(ctx context.Context, c *corpus.Corpus, word string) (analysisTool, error) {
	if tool, ok := debuggerCommand(word); ok {
		if _, err := exec.LookPath(tool.program); err != nil {
			return tool, fmt.Errorf("%s is not installed, and %q is a command of it (gdb:COMMAND is one of gdb)", tool.program, word)
		}
		return tool, nil
	}
	text, err := analyzerText(ctx, c, word)
	if err != nil {
		return analysisTool{}, err
	}
	return analysisTool{script: text}, checkSyntax(ctx, word, text)
}

func debuggerCommand(word string) (analysisTool, bool) {
	if command, ok := strings.CutPrefix(word, "gdb:"); ok {
		return analysisTool{program: "gdb", command: command}, true
	}
	if strings.Contains(word, "::") || strings.HasPrefix(word, "$") {
		return analysisTool{program: "mdb", command: word}, true
	}
	return analysisTool{}, false
}

func analyzerText(ctx context.Context, c *corpus.Corpus, word string) ([]byte, error) {
	if !strings.Contains(word, "/") {
		text, err := c.Analyzer(ctx, word)
		if err == nil || !errors.Is(err, store.ErrNotExist) && !errors.Is(err, store.ErrInvalid) {
			return text, err
		}
	}
	text, err := readSmall(word)
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		return text, err
	}
	if text, err := iofs.ReadFile(scripts.Analyzers(), word); err == nil && !strings.Contains(word, ".") {
		return text, nil
	}
	return nil, fmt.Errorf("there is no analyzer %q: neither in the corpus (see: thothfs analyzers), nor a file, nor among %s",
		word, strings.Join(ownAnalyzers(), ", "))
}

// ownAnalyzers are the names of those that come with the program.
func ownAnalyzers() []string {
	var names []string
	entries, err := iofs.ReadDir(scripts.Analyzers(), ".")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if !strings.Contains(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

// checkSyntax finds out once what bash would say of every dump.
func checkSyntax(ctx context.Context, name string, text []byte) error {
	cmd := exec.CommandContext(ctx, "bash", "--noprofile", "--norc", "-n")
	cmd.Env = append(os.Environ(), "BASH_ENV=")
	cmd.Stdin = strings.NewReader(string(text))
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("bash is not installed: analyzers are scripts for it")
	}
	if err != nil && len(out) > 0 {
		return fmt.Errorf("the analyzer %q is no script that bash can read:\n%s", name, strings.TrimSpace(string(out)))
	}
	return err
}

// runScript has bash source what an analyzer finds, and then the analyzer.
const runScript = `. "$THOTH_INIT" || exit
. "$THOTH_ANALYZER"`

// argv is how the tool is run on a dump, a local path.
func (t analysisTool) argv(path string) []string {
	switch {
	case t.script != nil:
		return []string{"bash", "--noprofile", "--norc", "-c", runScript, "analyzer"}
	case t.program == "mdb":
		return []string{"mdb", "-e", t.command, path}
	}
	args := []string{"gdb", "-nx", "-q", "-batch", "-iex", "set auto-load off", "-iex", "set auto-load safe-path /nonexistent",
		"-iex", "set pagination off", "-iex", "set width 0"}
	if exe := executableAt(path); exe != "" {
		args = append(args, "-se", exe)
	}
	args = append(args, "-c", path)
	for line := range strings.Lines(t.command) {
		args = append(args, "-ex", strings.TrimSuffix(line, "\n"))
	}
	return args
}

// executableAt is the program whose dump is at path, if it is on this machine.
func executableAt(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return ""
	}
	info, err := dump.Inspect(f, fi.Size())
	if err != nil {
		return ""
	}
	return executableOf(info)
}
