package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

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
	a.say("%s: the analyzer %s is in $THOTH_ANALYZER, thoth_analyze runs it; exit saves your changes, 'exit 1' discards them", id, dr)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	ended := runSession(cmd)
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeGrace)
	defer cancel()
	if ended != nil && !a.saveAnyway(ctx, ended, l.unsaved(d, info, dr)) {
		a.keepUnsaved(l, d, info, dr)
		return ended
	}
	return errors.Join(a.storeProperties(storing, l, d, info), a.storeDraft(storing, l, dr))
}

// saveAnyway asks on a terminal whether to store unsaved, the changes of a shell that ended
// with an error. bash ends with the status of its last command at Ctrl-D, so that is no
// proof that the changes are unwanted.
func (a *app) saveAnyway(ctx context.Context, ended error, unsaved string) bool {
	if status := exitStatus(0); unsaved == "" || !errors.As(ended, &status) || status > 128 || !a.stdinIsTerminal() {
		return false
	}
	a.say("the shell ended with %v. Save %s? [y/N]", ended, unsaved)
	answer, err := orInterrupted(ctx, func() (string, error) { return bufio.NewReader(a.stdin).ReadString('\n') })
	answer = strings.ToLower(strings.TrimSpace(answer))
	return err == nil && (answer == "y" || answer == "yes")
}

// keepUnsaved writes what a shell changed in vain into files, and says where they are.
func (a *app) keepUnsaved(l *lab, d *corpus.Dump, info string, dr *draft) {
	if text, changed := changedFile(info, copyInfo(d.Doc)); changed {
		a.say("the changes of ticket and properties are not stored%s", keep(corpus.InfoName, text))
	}
	if text, changed := changedFile(dr.path, dr.begun); changed {
		a.say("the changes of the analyzer %s are not stored%s", dr.name, keep(dr.name, text))
	}
}

// changedFile reports whether a file no longer holds begun, and returns what it holds.
func changedFile(path string, begun []byte) (text []byte, changed bool) {
	text, err := readSmall(path)
	return text, err == nil && !bytes.Equal(text, begun)
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
	if a.stdinIsTerminal() {
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

// unsaved names what a shell has changed, "" if nothing.
func (l *lab) unsaved(d *corpus.Dump, info string, dr *draft) string {
	var changes []string
	if _, changed := changedFile(info, copyInfo(d.Doc)); changed {
		changes = append(changes, "the changes of ticket and properties")
	}
	if _, changed := changedFile(dr.path, dr.begun); changed {
		changes = append(changes, "the changes of the analyzer "+dr.name)
	}
	return strings.Join(changes, " and ")
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

// keep saves what was not stored in a private file, and returns words that name it.
func keep(name string, text []byte) string {
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
