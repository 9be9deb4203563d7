package analyze

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"thothfs/corpus"
	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/fs"
	"thothfs/scripts"
	"thothfs/store"
)

// Options are the options for Open. All except Mount, MountAt, Warm and Credentials are required.
type Options struct {
	Corpus    *corpus.Corpus
	Store     string // the corpus, in the form of --store
	Root      string // the path with which "name" in info.json begins
	CacheDir  string
	MantaUser string

	Mount   string                                 // where the corpus is mounted; "" means call MountAt
	MountAt func(dir string) (func() error, error) // mounts the corpus; the result unmounts it
	Warm    func(ctx context.Context, id dump.ID)  // fetches what debuggers read first; nil if all is local

	Credentials bool                             // keep credentials in the environment
	Say         func(format string, args ...any) // prints a message for the user
}

// Env is the environment in which analyzers run: a mount of the corpus, a private directory, and
// the variables that scripts/thoth-init.sh describes. The caller must call Close.
type Env struct {
	Options
	dir     *runDir
	vars    []string     // environment of all analyzers
	unmount func() error // nil unless MountAt was called
}

// Open prepares the environment.
func Open(o Options) (*Env, error) {
	dir, err := newRunDir()
	if err != nil {
		return nil, err
	}
	e := &Env{Options: o, dir: dir}
	if e.Mount == "" {
		if e.unmount, err = e.MountAt(dir.mnt()); err == nil {
			e.Mount = dir.mnt()
		}
	}
	if err == nil {
		err = e.setVars()
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// Close unmounts the corpus if Open mounted it, and removes the private directory.
func (e *Env) Close() error {
	var err error
	if e.unmount != nil {
		err = e.unmount()
	}
	return errors.Join(err, e.dir.remove())
}

// setVars sets the environment variables of all analyzers. It drops variables that would make bash
// run something else first.
func (e *Env) setVars() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	init, err := e.dir.write("thoth-init.sh", []byte(scripts.Init))
	if err != nil {
		return err
	}
	drop := []string{"BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "MANTA_USER", "TMPDIR", "PWD", "OLDPWD"}
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if !slices.Contains(drop, name) && (e.Credentials || !credential.MatchString(strings.ToUpper(name))) {
			e.vars = append(e.vars, kv)
		}
	}
	e.vars = append(e.vars, "THOTHFS="+self, "THOTHFS_MOUNT="+e.Mount, "THOTHFS_STORE="+e.Store,
		"THOTHFS_CACHE_DIR="+e.CacheDir, "THOTH_INIT="+init, "MANTA_USER="+e.MantaUser)
	return nil
}

// credential matches the names, in upper case, of variables that give access to the store or to
// other machines.
var credential = regexp.MustCompile(`^(?:(?:MANTA|SDC|TRITON)_KEY_ID|SSH_AUTH_SOCK|SSH_AGENT_PID|KUBECONFIG|GOOGLE_APPLICATION_CREDENTIALS)$|^AWS_|` +
	`SECRET|PASSWORD|PASSWD|PASSPHRASE|TOKEN|CREDENTIAL|PRIVATE_KEY|API_KEY|ACCESS_KEY`)

// Dump is a dump in the mount, with its most recently read document.
type Dump struct {
	*corpus.Dump
	File string // name of the dump in its directory in the corpus
	Path string // path in the mount
}

var errPurged = errors.New("it was purged")

// Dump returns a dump with its current document.
func (e *Env) Dump(ctx context.Context, id dump.ID) (Dump, error) {
	d, err := e.Corpus.Dump(ctx, id)
	if err != nil {
		return Dump{}, err
	}
	f, err := e.Corpus.DumpFile(ctx, id)
	if errors.Is(err, store.ErrNotExist) {
		err = WhyNoFile(d)
	}
	return Dump{Dump: d, File: f.Name, Path: filepath.Join(e.Mount, "by-hash", id.String(), fs.FileName(f.Name))}, err
}

// WhyNoFile returns the error for a dump whose directory has no file that is the dump.
func WhyNoFile(d *corpus.Dump) error {
	if strings.EqualFold(d.Doc.String("properties.purged"), "true") {
		return errPurged
	}
	return errors.New("there is no dump in its directory")
}

// prepare creates a working directory that contains a copy of the dump's document. It returns the
// path of the copy and the environment for the dump's analyzer.
func (e *Env) prepare(dir string, d Dump) (info string, vars []string, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", nil, err
	}
	info = filepath.Join(dir, corpus.InfoName)
	if err := os.WriteFile(info, copyInfo(d.Doc), 0o600); err != nil {
		return "", nil, err
	}
	withoutNUL := func(text string) string { return strings.ReplaceAll(text, "\x00", "") }
	id := d.ID.String()
	object := e.Root + "/" + id
	return info, append(slices.Clone(e.vars),
		"THOTH_DUMP="+d.Path, "THOTH_INFO="+info, "THOTH_TYPE="+withoutNUL(d.Text(catalog.Type)), "THOTH_NAME="+id,
		"THOTH_DIR="+object, "THOTH_INFO_OBJECT="+object+"/"+corpus.InfoName, "THOTH_TMPDIR="+dir,
		"MANTA_INPUT_FILE="+d.Path, "MANTA_INPUT_OBJECT="+object+"/"+withoutNUL(d.File), "TMPDIR="+dir, "PWD="+dir), nil
}
