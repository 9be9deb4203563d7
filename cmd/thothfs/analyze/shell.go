package analyze

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"thothfs/cmd/thothfs/debugger"
	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
)

// newScript is the initial text of a new analyzer.
const newScript = `#
# %s: what it finds out
#
# $THOTH_DUMP is the dump, $THOTH_INFO its info.json, $THOTH_TYPE core or crash,
# $THOTH_NAME its hash. thoth_set PROP VALUE, thoth_ticket TICKET; exit 0 stores.
#
if [[ $THOTH_TYPE != core ]]; then
	exit 0
fi

json cmd <"$THOTH_INFO"
`

// shellRC is the start-up file of the shell. It reads the user's own settings first.
const shellRC = `unset BASH_ENV
if [[ -n $THOTH_SHELL_TERMINAL && -r ~/.bashrc ]]; then
	. ~/.bashrc
fi
. "$THOTH_INIT"
cd "$THOTH_TMPDIR"
PS1="thoth ${THOTH_NAME:0:16}> "
unset THOTH_SHELL_TERMINAL
`

// Shell is an interactive shell in which the user writes an analyzer, with a dump to try it on.
type Shell struct {
	Env            *Env
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Terminal       bool                       // standard input is a terminal
	Confirm        func(question string) bool // asks the user on the terminal

	dump    Dump
	info    string // path of the copy of the dump's document
	name    string // name of the analyzer
	stored  []byte // the corpus's analyzer; nil if there is none of that name
	initial []byte // initial text of the copy
	script  string // path of the copy
}

// Run runs the shell, and stores the changes to the analyzer and the document if it exits with 0 or
// the user confirms. Otherwise it keeps the changes in files and prints their names.
func (s *Shell) Run(ctx context.Context, d Dump, analyzer string) error {
	s.dump, s.name = d, analyzer
	if err := s.copyScript(ctx); err != nil {
		return err
	}
	cmd, err := s.command()
	if err != nil {
		return err
	}
	origin := ""
	if s.stored == nil {
		origin = " (new)"
		if builtin(s.name) != nil {
			origin = " (which comes with thothfs)"
		}
	}
	otherwise := "'exit 1' discards them"
	if s.Terminal {
		otherwise = "after 'exit 1' you are asked"
	}
	s.Env.Say("%s: the analyzer %s%s is in $THOTH_ANALYZER, thoth_analyze runs it; exit saves your changes, %s", d.ID, s.name, origin, otherwise)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	ended := debugger.RunForeground(cmd)
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeGrace)
	defer cancel()
	if ended != nil && !s.confirmed(ended) {
		for _, c := range s.changes() {
			s.Env.Say("%s are not stored%s", c.what, keepFile(c.name, c.text))
		}
		return ended
	}
	return errors.Join(s.storeProperties(storing), s.storeScript(storing))
}

// copyScript creates the editable copy: of the corpus's analyzer or, if there is none, of the
// built-in one or of a template.
func (s *Shell) copyScript(ctx context.Context) error {
	if _, isCommand := parseCommand(s.name); isCommand || strings.Contains(s.name, "/") || strings.Trim(s.name, ".") == "" || s.name != output.Printable(s.name) {
		return fmt.Errorf("%q is not the name of an analyzer: expected one of the corpus, or a new name", s.name)
	}
	text, err := s.Env.Corpus.Analyzer(ctx, s.name)
	switch {
	case err == nil:
		s.stored, s.initial = text, text
	case !isAbsent(err):
		return err
	default:
		if s.initial = builtin(s.name); s.initial == nil {
			s.initial = fmt.Appendf(nil, newScript, s.name)
		}
	}
	s.script, err = s.Env.dir.write("analyzer", s.initial)
	return err
}

// command returns the command for bash with the functions of analyzers.
func (s *Shell) command() (*exec.Cmd, error) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		return nil, errNoBash
	}
	rc, err := s.Env.dir.write("bashrc", []byte(shellRC))
	if err != nil {
		return nil, err
	}
	dir := s.Env.dir.join("shell")
	info, vars, err := s.Env.prepare(dir, s.dump)
	if err != nil {
		return nil, err
	}
	s.info = info
	vars = append(vars, "THOTH_ANALYZER="+s.script)
	cmd := exec.Command(bash, "--noprofile", "-s")
	if s.Terminal {
		cmd = exec.Command(bash, "--rcfile", rc, "-i")
		vars = append(vars, "THOTH_SHELL_TERMINAL=1")
	} else {
		vars = append(vars, "BASH_ENV="+rc)
	}
	cmd.Dir, cmd.Env = dir, vars
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.Stdin, s.Stdout, s.Stderr
	return cmd, nil
}

// change is a file that the user has changed in the shell.
type change struct {
	what, name string
	text       []byte
}

// changes returns the changed files with their current contents.
func (s *Shell) changes() []change {
	var changed []change
	for _, f := range []struct {
		path    string
		initial []byte
		change
	}{
		{s.info, copyInfo(s.dump.Doc), change{what: "the changes of ticket and properties", name: corpus.InfoName}},
		{s.script, s.initial, change{what: "the changes of the analyzer " + s.name, name: s.name}},
	} {
		if text, err := ReadDocument(f.path); err == nil && !bytes.Equal(text, f.initial) {
			f.text = text
			changed = append(changed, f.change)
		}
	}
	return changed
}

// confirmed asks on a terminal whether to store the changes of a shell that exited with an error.
// On Ctrl-D bash exits with the status of its last command, so an error does not mean that the
// changes are unwanted.
func (s *Shell) confirmed(ended error) bool {
	var whats []string
	for _, c := range s.changes() {
		whats = append(whats, c.what)
	}
	if status := debugger.ExitStatus(0); len(whats) == 0 || !errors.As(ended, &status) || status > 128 || !s.Terminal {
		return false
	}
	return s.Confirm(fmt.Sprintf("the shell ended with %v. Save %s?", ended, strings.Join(whats, " and ")))
}

func (s *Shell) storeProperties(ctx context.Context) error {
	changed, foreign, err := s.Env.storeChanges(ctx, s.dump.Dump, s.info)
	if len(foreign) > 0 {
		s.Env.Say("only ticket and properties can be changed; left as they were: %s", strings.Join(foreign, ", "))
	}
	if err != nil {
		return fmt.Errorf("%s: the changes were not stored: %w", s.dump.ID, err)
	}
	if changed {
		s.Env.Say("%s: ticket and properties stored", s.dump.ID)
	}
	return nil
}

// storeScript stores the analyzer if it was edited. If that fails, it keeps a copy.
func (s *Shell) storeScript(ctx context.Context) error {
	text, err := ReadDocument(s.script)
	if errors.Is(err, os.ErrNotExist) || err == nil && (bytes.Equal(text, s.initial) || len(text) == 0) {
		return nil
	}
	if err == nil {
		err = s.putScript(ctx, text)
	}
	if err != nil {
		return fmt.Errorf("the analyzer %s was not stored: %w%s", s.name, err, keepFile(s.name, text))
	}
	s.Env.Say("analyzer %s stored", s.name)
	if err := checkSyntax(ctx, s.name, text); err != nil {
		s.Env.Say("%v", err)
	}
	return nil
}

// putScript stores the analyzer unless it has been changed elsewhere in the meantime.
func (s *Shell) putScript(ctx context.Context, text []byte) error {
	now, err := s.Env.Corpus.Analyzer(ctx, s.name)
	if err != nil && !isAbsent(err) {
		return err
	}
	if !bytes.Equal(now, s.stored) {
		return errors.New("somebody else has changed it in the meantime")
	}
	return s.Env.Corpus.PutAnalyzer(ctx, s.name, text)
}

// keepFile writes text to a private file and returns a message suffix with its name.
func keepFile(name string, text []byte) string {
	f, err := os.CreateTemp("", "thothfs-"+name+"-")
	if err != nil {
		return ""
	}
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		return ""
	}
	return "; a copy is in " + f.Name()
}
