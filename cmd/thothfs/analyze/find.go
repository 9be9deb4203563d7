// Package analyze runs analyzers on dumps: it finds them, prepares the environment that
// scripts/thoth-init.sh describes, runs them, reports their output, and stores the changes they
// make to a dump's info.json. It also runs an interactive shell in that environment for writing
// analyzers.
package analyze

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"os/exec"
	"strings"

	"thothfs/cmd/thothfs/debugger"
	"thothfs/corpus"
	"thothfs/scripts"
	"thothfs/store"
)

// Analyzer is a script, or a debugger and a command for it.
type Analyzer struct {
	script   []byte // nil for a debugger
	debugger string // "mdb", "gdb", "lldb", "crash" or "drgn"
	command  string
}

// builtinPrefix selects a built-in analyzer even if the corpus has one of the same name.
const builtinPrefix = "builtin:"

// fileText returns the content of the analyzer's file: the script, or the debugger's command.
func (an Analyzer) fileText() []byte {
	switch {
	case an.script != nil:
		return an.script
	case an.debugger == "crash": // otherwise it would read more commands from the terminal
		return []byte(an.command + "\nquit\n")
	}
	return []byte(an.command + "\n")
}

// argv returns the command line that runs the analyzer on the dump at path. script is the path of
// the analyzer's file.
func (an Analyzer) argv(ctx context.Context, script, path string) ([]string, error) {
	if an.script != nil {
		const sourceBoth = `. "$THOTH_INIT" || exit
. "$THOTH_ANALYZER"`
		return []string{"bash", "--noprofile", "--norc", "-c", sourceBoth, "analyzer"}, nil
	}
	return debugger.BatchArgv(ctx, an.debugger, an.command, script, path)
}

// Find returns the analyzer that a word on the command line names: a debugger command;
// builtin:NAME; a file, if the word contains a slash; otherwise the corpus's analyzer of that name,
// or the built-in one. The slash is required so that a file in the working directory never replaces
// an analyzer. Find calls say if an analyzer of the corpus hides a built-in one.
func Find(ctx context.Context, c *corpus.Corpus, word string, say func(format string, args ...any)) (Analyzer, error) {
	if an, ok := parseCommand(word); ok {
		if _, err := exec.LookPath(an.debugger); err != nil {
			return an, fmt.Errorf("%s is not installed, and %q is a command of it (commands of others: %s)",
				an.debugger, word, strings.Join(commandPrefixes, "COMMAND, ")+"COMMAND")
		}
		return an, nil
	}
	text, err := findScript(ctx, c, word, say)
	if err != nil {
		return Analyzer{}, err
	}
	return Analyzer{script: text}, checkSyntax(ctx, word, text)
}

// commandPrefixes are the prefixes of commands for debuggers other than mdb.
var commandPrefixes = []string{"gdb:", "lldb:", "crash:", "drgn:"}

// parseCommand parses a debugger command: DEBUGGER:COMMAND, or a command of mdb.
func parseCommand(word string) (Analyzer, bool) {
	for _, prefix := range commandPrefixes {
		if command, ok := strings.CutPrefix(word, prefix); ok {
			return Analyzer{debugger: strings.TrimSuffix(prefix, ":"), command: command}, true
		}
	}
	if strings.Contains(word, "::") || strings.HasPrefix(word, "$") {
		return Analyzer{debugger: "mdb", command: word}, true
	}
	return Analyzer{}, false
}

func findScript(ctx context.Context, c *corpus.Corpus, word string, say func(string, ...any)) ([]byte, error) {
	if name, ok := strings.CutPrefix(word, builtinPrefix); ok {
		if text := builtin(name); text != nil {
			return text, nil
		}
		return nil, fmt.Errorf("there is no built-in analyzer %q; the built-in ones are %s", name, strings.Join(Builtins(), ", "))
	}
	if strings.Contains(word, "/") {
		text, err := ReadDocument(word)
		if errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("there is no analyzer in %s: no such file", word)
		}
		return text, err
	}
	own := builtin(word)
	text, err := c.Analyzer(ctx, word)
	switch {
	case err == nil && own != nil && !bytes.Equal(text, own):
		say("running the corpus's analyzer %s; %s%s is the one that comes with thothfs", word, builtinPrefix, word)
		return text, nil
	case err == nil || !isAbsent(err):
		return text, err
	case own != nil:
		return own, nil
	}
	if prefix, _, ok := strings.Cut(word, ":"); ok && prefix != "" {
		return nil, fmt.Errorf("there is no debugger %q for commands: expected %sCOMMAND, ::COMMAND (mdb) or %sNAME",
			prefix, strings.Join(commandPrefixes, "COMMAND, "), builtinPrefix)
	}
	hint := ""
	if fi, err := os.Stat(word); err == nil && fi.Mode().IsRegular() {
		hint = fmt.Sprintf("; for the file of that name give ./%s", word)
	}
	return nil, fmt.Errorf("there is no analyzer %q, neither in the corpus (see: thothfs analyzers) nor among the built-in ones: %s%s",
		word, strings.Join(Builtins(), ", "), hint)
}

// isAbsent reports whether err means that the corpus has no analyzer of that name.
func isAbsent(err error) bool {
	return errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrInvalid)
}

// Builtins returns the names of the built-in analyzers.
func Builtins() []string {
	var names []string
	entries, _ := iofs.ReadDir(scripts.Analyzers(), ".")
	for _, e := range entries {
		if !strings.Contains(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

// builtin returns a built-in analyzer, or nil if there is none of that name.
func builtin(name string) []byte {
	if strings.Contains(name, ".") {
		return nil
	}
	text, _ := iofs.ReadFile(scripts.Analyzers(), name)
	return text
}

// checkSyntax checks a script with bash, so that a syntax error is reported once rather than for
// every dump.
func checkSyntax(ctx context.Context, name string, text []byte) error {
	cmd := exec.CommandContext(ctx, "bash", "--noprofile", "--norc", "-n")
	cmd.Env = append(os.Environ(), "BASH_ENV=")
	cmd.Stdin = bytes.NewReader(text)
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return errNoBash
	}
	if err != nil && len(out) > 0 {
		return fmt.Errorf("the analyzer %q is not a script that bash can read:\n%s", name, strings.TrimSpace(string(out)))
	}
	return err
}

var errNoBash = errors.New("bash is not installed: analyzers are scripts for it")
