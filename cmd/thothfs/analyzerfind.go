package main

import (
	"bytes"
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
)

// analysisTool is what is run against a dump: a script, or a debugger with a command.
type analysisTool struct {
	script  []byte // nil: a debugger
	program string // the debugger: "mdb", "gdb", "lldb", "crash" or "drgn"
	command string
}

// builtinPrefix begins the name of an analyzer that comes with the program, whatever the
// corpus has under that name.
const builtinPrefix = "builtin:"

// text is what the file of the tool holds: the script, or the debugger's command.
func (t analysisTool) text() []byte {
	switch {
	case t.script != nil:
		return t.script
	case t.program == "crash": // would go on with commands from the terminal
		return []byte(t.command + "\nquit\n")
	}
	return []byte(t.command + "\n")
}

// findAnalyzer returns the analyzer that a word on the command line names: a debugger
// command; a script that comes with the program, as builtin:NAME; a file, when the word
// has a slash; else the corpus's analyzer of that name, or the program's.
func (a *app) findAnalyzer(ctx context.Context, c *corpus.Corpus, word string) (analysisTool, error) {
	if tool, ok := debuggerCommand(word); ok {
		if _, err := exec.LookPath(tool.program); err != nil {
			return tool, fmt.Errorf("%s is not installed, and %q is a command of it (commands of others: %s)",
				tool.program, word, strings.Join(commandPrefixes, "COMMAND, ")+"COMMAND")
		}
		return tool, nil
	}
	text, err := a.analyzerText(ctx, c, word)
	if err != nil {
		return analysisTool{}, err
	}
	return analysisTool{script: text}, checkSyntax(ctx, word, text)
}

// commandPrefixes begin the commands of debuggers other than mdb.
var commandPrefixes = []string{"gdb:", "lldb:", "crash:", "drgn:"}

// debuggerCommand parses a command of a debugger: PROGRAM:COMMAND, or one of mdb.
func debuggerCommand(word string) (analysisTool, bool) {
	for _, prefix := range commandPrefixes {
		if command, ok := strings.CutPrefix(word, prefix); ok {
			return analysisTool{program: strings.TrimSuffix(prefix, ":"), command: command}, true
		}
	}
	if strings.Contains(word, "::") || strings.HasPrefix(word, "$") {
		return analysisTool{program: "mdb", command: word}, true
	}
	return analysisTool{}, false
}

// analyzerText returns the script that a word names. A file needs a slash in its name, so
// that what lies in the working directory never replaces an analyzer.
func (a *app) analyzerText(ctx context.Context, c *corpus.Corpus, word string) ([]byte, error) {
	if name, ok := strings.CutPrefix(word, builtinPrefix); ok {
		if text := ownAnalyzer(name); text != nil {
			return text, nil
		}
		return nil, fmt.Errorf("no analyzer %q comes with thothfs; these do: %s", name, strings.Join(ownAnalyzers(), ", "))
	}
	if strings.Contains(word, "/") {
		text, err := readSmall(word)
		if errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("there is no analyzer in %s: no such file", word)
		}
		return text, err
	}
	own := ownAnalyzer(word)
	text, err := c.Analyzer(ctx, word)
	switch {
	case err == nil && own != nil && !bytes.Equal(text, own):
		a.say("running the corpus's analyzer %s; %s%s is the one that comes with thothfs", word, builtinPrefix, word)
		return text, nil
	case err == nil || !isNotThere(err):
		return text, err
	case own != nil:
		return own, nil
	}
	hint := ""
	if fi, err := os.Stat(word); err == nil && fi.Mode().IsRegular() {
		hint = fmt.Sprintf("; for the file of that name give ./%s", word)
	}
	return nil, fmt.Errorf("there is no analyzer %q, neither in the corpus (see: thothfs analyzers) nor among %s%s",
		word, strings.Join(ownAnalyzers(), ", "), hint)
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

// argv returns the command line that runs the tool on the dump at path. script is a file
// with its command or script.
func (a *app) argv(ctx context.Context, t analysisTool, script, path string) ([]string, error) {
	switch {
	case t.script != nil:
		return []string{"bash", "--noprofile", "--norc", "-c", runScript, "analyzer"}, nil
	case t.program == "mdb":
		return []string{"mdb", "-e", t.command, path}, nil
	}
	info, err := inspectFile(path)
	if err != nil {
		return batchArgv(t, "", script, path), nil // the debugger may know better
	}
	program := executableOf(info)
	if info.Type == dump.Crash {
		if program = a.findVMLinux(ctx, path, info).path; program == "" {
			return nil, errors.New(vmlinuxHint(info))
		}
	}
	return batchArgv(t, program, script, path), nil
}

// batchArgv returns the command line of a debugger that runs one command and exits. A dump
// is hostile: nothing is loaded from where it points to.
func batchArgv(t analysisTool, program, script, path string) []string {
	given := func(argv []string, flags ...string) []string {
		if program == "" {
			return argv
		}
		return append(append(argv, flags...), program)
	}
	switch t.program {
	case "crash":
		return append(given([]string{"crash", "-s", "--no_crashrc", "--no_scroll", "-i", script}), path)
	case "drgn":
		return append(given([]string{"drgn", "-q", "-c", path}, "-s"), script)
	case "lldb":
		argv := given([]string{"lldb", "--no-lldbinit", "--batch"}, "--file")
		return append(argv, "--core", path, "-s", script)
	}
	argv := []string{"gdb", "-nx", "-q", "-batch", "-iex", "set auto-load off", "-iex", "set auto-load safe-path /nonexistent",
		"-iex", "set pagination off", "-iex", "set width 0"}
	argv = append(given(argv, "-se"), "-c", path)
	for line := range strings.Lines(t.command) {
		argv = append(argv, "-ex", strings.TrimSuffix(line, "\n"))
	}
	return argv
}
