package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/scripts"
	"thothfs/store"
)

// newAnalyzer is what a new analyzer begins as.
const newAnalyzer = `#
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

// shellRC is what the interactive shell begins with: the user's own settings first.
const shellRC = `unset BASH_ENV
if [[ -n $THOTH_SHELL_TERMINAL && -r ~/.bashrc ]]; then
	. ~/.bashrc
fi
. "$THOTH_INIT"
cd "$THOTH_TMPDIR"
PS1="thoth ${THOTH_NAME:0:16}> "
unset THOTH_SHELL_TERMINAL
`

// draft is an analyzer that is being written.
type draft struct {
	name   string
	stored []byte // what the corpus has; nil when it has none of that name
	begun  []byte // what the copy began as
	path   string // of the copy
}

// shellOn runs a shell on a dump in which to write an analyzer, and stores what it
// changed if it ends with exit 0.
func (a *app) shellOn(ctx context.Context, l *lab, id dump.ID, analyzer string) error {
	d, file, err := l.dumpAndFile(ctx, id)
	if err != nil {
		return notHere(id, err)
	}
	dr, err := l.draft(ctx, analyzer)
	if err != nil {
		return err
	}
	dir := l.scratch.join("shell")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	info := filepath.Join(dir, corpus.InfoName)
	if err := os.WriteFile(info, copyInfo(d.Doc), 0o600); err != nil {
		return err
	}
	cmd, err := a.shell(l, dir, append(l.dumpEnv(d, file, dir, info), "THOTH_ANALYZER="+dr.path))
	if err != nil {
		return err
	}
	a.say("%s: the analyzer %s is in $THOTH_ANALYZER, thoth_analyze runs it; exit 0 stores, exit 1 drops what was changed", id, dr)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	ended := runSession(cmd)
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeGrace)
	defer cancel()
	if ended != nil {
		a.say("%v: %s", ended, l.dropped(d, info, dr))
		return ended
	}
	return errors.Join(a.storeProperties(storing, l, d, info), a.storeDraft(storing, l, dr))
}

// shell is bash with the functions of analyzers.
func (a *app) shell(l *lab, dir string, env []string) (*exec.Cmd, error) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		return nil, errors.New("bash is not installed: analyzers are scripts for it")
	}
	rc, err := l.scratch.write("bashrc", []byte(shellRC))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(bash, "--noprofile", "-s")
	if in, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		cmd = exec.Command(bash, "--rcfile", rc, "-i")
		env = append(env, "THOTH_SHELL_TERMINAL=1")
	} else {
		env = append(env, "BASH_ENV="+rc)
	}
	cmd.Dir, cmd.Env = dir, env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.stdin, a.stdout, a.stderr
	return cmd, nil
}

// draft makes the editable copy of an analyzer: the corpus's, else one that comes with
// the program, else a new one.
func (l *lab) draft(ctx context.Context, name string) (*draft, error) {
	if _, isCommand := debuggerCommand(name); isCommand || strings.Contains(name, "/") || strings.Trim(name, ".") == "" || name != printable(name) {
		return nil, fmt.Errorf("%q: the name of an analyzer is meant, one of the corpus or a new one", name)
	}
	dr := &draft{name: name}
	stored, err := l.corpus.Analyzer(ctx, name)
	switch {
	case err == nil:
		dr.stored, dr.begun = stored, stored
	case !isNotThere(err):
		return nil, err
	default:
		dr.begun = ownAnalyzer(name)
		if dr.begun == nil {
			dr.begun = fmt.Appendf(nil, newAnalyzer, name)
		}
	}
	dr.path, err = l.scratch.write("analyzer", dr.begun)
	return dr, err
}

// String is the analyzer and where it is from, for people.
func (dr *draft) String() string {
	switch {
	case dr.stored != nil:
		return dr.name
	case ownAnalyzer(dr.name) != nil:
		return dr.name + " (which comes with thothfs)"
	}
	return dr.name + " (new)"
}

// dropped says what a shell that did not end well has changed in vain.
func (l *lab) dropped(d *corpus.Dump, info string, dr *draft) string {
	var lost []string
	if raw, err := readSmall(info); err == nil && !bytes.Equal(raw, copyInfo(d.Doc)) {
		lost = append(lost, "the changes of ticket and properties")
	}
	if text, err := readSmall(dr.path); err == nil && !bytes.Equal(text, dr.begun) {
		lost = append(lost, "the changes of the analyzer "+dr.name)
	}
	if len(lost) == 0 {
		return "nothing was changed"
	}
	return strings.Join(lost, " and ") + " are dropped"
}

func (a *app) storeProperties(ctx context.Context, l *lab, d *corpus.Dump, info string) error {
	changed, foreign, err := l.storeChanges(ctx, d, info)
	if len(foreign) > 0 {
		a.say("only ticket and properties can be changed; left as they were: %s", strings.Join(foreign, ", "))
	}
	if err != nil {
		return fmt.Errorf("%s: what was changed is not stored: %w", d.ID, err)
	}
	if changed {
		a.say("%s: ticket and properties stored", d.ID)
	}
	return nil
}

// storeDraft stores the analyzer if it was edited. What cannot be stored is kept.
func (a *app) storeDraft(ctx context.Context, l *lab, dr *draft) error {
	text, err := readSmall(dr.path)
	if errors.Is(err, os.ErrNotExist) || err == nil && (bytes.Equal(text, dr.begun) || len(text) == 0) {
		return nil
	}
	if err == nil {
		err = l.putDraft(ctx, dr, text)
	}
	if err != nil {
		return fmt.Errorf("the analyzer %s is not stored: %w%s", dr.name, err, keep(dr.name, text))
	}
	a.say("analyzer %s stored", dr.name)
	if err := checkSyntax(ctx, dr.name, text); err != nil {
		a.say("%v", err)
	}
	return nil
}

// putDraft stores an edited analyzer, unless somebody else has changed it meanwhile.
func (l *lab) putDraft(ctx context.Context, dr *draft, text []byte) error {
	now, err := l.corpus.Analyzer(ctx, dr.name)
	if err != nil && !isNotThere(err) {
		return err
	}
	if !bytes.Equal(now, dr.stored) {
		return errors.New("somebody else has changed it meanwhile")
	}
	return l.corpus.PutAnalyzer(ctx, dr.name, text)
}

// keep saves what could not be stored, and says where.
func keep(name string, text []byte) string {
	f, err := os.CreateTemp("", "thothfs-analyzer-"+name+"-")
	if err != nil {
		return ""
	}
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		return ""
	}
	return " (it is kept in " + f.Name() + ")"
}

// isNotThere tells that the corpus has no analyzer of a name.
func isNotThere(err error) bool {
	return errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrInvalid)
}

// ownAnalyzer is an analyzer that comes with the program, nil when none is called so.
func ownAnalyzer(name string) []byte {
	if strings.Contains(name, ".") {
		return nil
	}
	text, err := iofs.ReadFile(scripts.Analyzers(), name)
	if err != nil {
		return nil
	}
	return text
}
