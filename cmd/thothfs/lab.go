package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"thothfs/cache"
	"thothfs/corpus"
	"thothfs/dump/document"
	"thothfs/scripts"
	"thothfs/store"
)

// lab is where analyzers run: a mount of the corpus, a private directory, and the
// environment that scripts/thoth-init.sh speaks of.
type lab struct {
	corpus  *corpus.Corpus
	stack   *stack
	blocks  *cache.Cache // for fetching ahead; nil when the corpus is local
	scratch *scratch
	mount   string // where the corpus is mounted
	init    string // the path of thoth-init.sh
	env     []string
	leave   func() error // takes a private mount away; nil when there is none
}

// openLab returns a lab, with a private mount made as m says if this user has no mount of
// the corpus. The caller closes it.
func (a *app) openLab(s *stack, c *corpus.Corpus, m mountFlags, log *slog.Logger) (*lab, error) {
	scratch, err := newScratch()
	if err != nil {
		return nil, err
	}
	l := &lab{corpus: c, stack: s, scratch: scratch}
	if err := a.setUpLab(l, m, log); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// setUpLab fills in what openLab returns. After an error the caller closes l.
func (a *app) setUpLab(l *lab, m mountFlags, log *slog.Logger) (err error) {
	s, c := l.stack, l.corpus
	if l.init, err = l.scratch.write("thoth-init.sh", []byte(scripts.Init)); err != nil {
		return err
	}
	l.mount = a.existingMount(s)
	_, local := store.AsLocal(s.store)
	if l.mount == "" || !local {
		blocks, err := a.openCache(s, c, m, log)
		if err != nil {
			return err
		}
		if !local {
			l.blocks = blocks
		}
		if l.mount == "" {
			if l.leave, err = a.mountPrivately(l.scratch.mnt(), s, c, blocks, m, log); err != nil {
				return err
			}
			l.mount = l.scratch.mnt()
		}
	}
	l.env, err = a.labEnv(l)
	return err
}

func (l *lab) close() error {
	var err error
	if l.leave != nil {
		err = l.leave()
	}
	return errors.Join(err, l.scratch.remove())
}

// labEnv is what all analyzers have in their environment. What would make bash run
// something else first is left out.
func (a *app) labEnv(l *lab) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var env []string
	for _, kv := range os.Environ() {
		switch name, _, _ := strings.Cut(kv, "="); name {
		case "BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "MANTA_USER", "TMPDIR", "PWD", "OLDPWD":
		default:
			env = append(env, kv)
		}
	}
	user := a.getenv("MANTA_USER")
	if user == "" && l.stack.target.manta != "" {
		user, _, _ = strings.Cut(strings.TrimPrefix(l.stack.target.manta, "/"), "/")
	}
	return append(env, "THOTHFS="+self, "THOTHFS_MOUNT="+l.mount, "THOTHFS_STORE="+l.stack.target.String(),
		"THOTHFS_CACHE_DIR="+l.stack.cache, "THOTH_INIT="+l.init, "MANTA_USER="+user), nil
}

// withoutCredentials returns the environment without what gives access to the store or to
// other machines.
func withoutCredentials(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return isCredential(strings.ToUpper(name))
	})
}

func isCredential(name string) bool {
	switch name {
	case "MANTA_KEY_ID", "SSH_AUTH_SOCK", "SSH_AGENT_PID", "SDC_KEY_ID", "TRITON_KEY_ID", "KUBECONFIG", "GOOGLE_APPLICATION_CREDENTIALS":
		return true
	}
	if strings.HasPrefix(name, "AWS_") {
		return true
	}
	return slices.ContainsFunc([]string{"SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "TOKEN", "CREDENTIAL", "PRIVATE_KEY", "API_KEY", "ACCESS_KEY"},
		func(word string) bool { return strings.Contains(name, word) })
}

// dumpEnv is what the analyzer of one dump has in its environment beside that.
func (l *lab) dumpEnv(d *corpus.Dump, file, dir, info string) []string {
	id := d.ID.String()
	path, object := byHash(l.mount, id, file), l.stack.root+"/"+id
	return append(l.env[:len(l.env):len(l.env)],
		"THOTH_DUMP="+path, "THOTH_INFO="+info, "THOTH_TYPE="+printableEnv(d.Type), "THOTH_NAME="+id,
		"THOTH_DIR="+object, "THOTH_INFO_OBJECT="+object+"/"+corpus.InfoName, "THOTH_TMPDIR="+dir,
		"MANTA_INPUT_FILE="+path, "MANTA_INPUT_OBJECT="+object+"/"+printableEnv(file), "TMPDIR="+dir, "PWD="+dir)
}

// printableEnv drops what an environment cannot hold.
func printableEnv(text string) string { return strings.ReplaceAll(text, "\x00", "") }

// copyInfo is the document as an analyzer gets it: of a damaged one what can be read,
// so that tools can read it.
func copyInfo(d *document.Document) []byte {
	if d.IsJSON() {
		return d.Text()
	}
	return append(d.Value().JSON(), '\n')
}

// storeChanges stores what an analyzer changed in its copy of a dump's document, as
// one edit. foreign are fields that it changed too, which are not for it to change.
func (l *lab) storeChanges(ctx context.Context, d *corpus.Dump, info string) (changed bool, foreign []string, err error) {
	raw, err := readSmall(info)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil, errors.New("the analyzer removed its info.json")
	}
	if err != nil {
		return false, nil, err
	}
	after := document.Parse(raw)
	edits, err := document.Diff(d.Doc, after)
	if err != nil {
		return false, nil, fmt.Errorf("its info.json: %w", err)
	}
	foreign = document.ReadOnlyChanges(d.Doc, after)
	if len(edits) == 0 {
		return false, foreign, nil
	}
	_, err = l.corpus.Edit(ctx, d.ID, edits...)
	return err == nil, foreign, err
}
