package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/term"

	"thothfs/cmd/thothfs/output"
	"thothfs/store"
	"thothfs/store/dir"
	"thothfs/store/manta"
)

// storeSet is the store of the corpus with its wrappers, and what belongs to it: the store
// itself, store.Count around it, and store.Retry around that.
type storeSet struct {
	target   target
	store    store.Store    // the outermost
	requests *store.Counter // counts every try
	root     string         // the path that begins "name" in info.json
	cache    string         // the private directory
}

// errNoDirectory means that the directory of the corpus does not exist.
var errNoDirectory = errors.New("there is no such directory (thothfs upload makes it)")

// openStores opens the store of the corpus that flags and environment name. It makes a
// missing directory if create is set or no corpus is named.
func (cl *cli) openStores(ctx context.Context, create bool, log *slog.Logger) (*storeSet, error) {
	t, err := cl.pickTarget()
	if err != nil {
		return nil, err
	}
	cachePath, err := cl.cachePath()
	if err != nil {
		return nil, err
	}
	bare, err := cl.openStore(ctx, t, create || cl.store == "", log)
	if err != nil {
		return nil, fmt.Errorf("the corpus %s: %w", t, err)
	}
	counted := store.Count(bare)
	s := &storeSet{target: t, store: store.Retry(counted, store.RetryOptions{}), requests: counted, root: t.manta, cache: cachePath}
	if t.dir != "" {
		s.root = t.dir
	}
	return s, nil
}

// openStore opens the bare store. A second kind of store is one more case.
func (cl *cli) openStore(ctx context.Context, t target, create bool, log *slog.Logger) (store.Store, error) {
	if t.dir != "" {
		s, err := openDir(t.dir, create)
		if err != nil {
			return nil, err
		}
		cl.atExit(func() { s.Close() })
		return s, nil
	}
	s, err := manta.Open(cl.mantaOptions(ctx, t.manta, log))
	if err != nil {
		return nil, err
	}
	cl.atExit(func() { s.Close() })
	return s, nil
}

// openDir opens a directory corpus. One that was named but is not there may be a
// slip of the pen: only who means to fill it makes it.
func openDir(path string, create bool) (*dir.Store, error) {
	if create {
		return dir.Create(path)
	}
	s, err := dir.Open(path)
	if errors.Is(err, store.ErrNotExist) {
		return nil, errNoDirectory
	}
	return s, err
}

// mantaOptions reads the environment as node-manta and thoth do.
func (cl *cli) mantaOptions(ctx context.Context, path string, log *slog.Logger) manta.Options {
	return manta.Options{
		URL:         cl.getenv("MANTA_URL"),
		Account:     cl.getenv("MANTA_USER"),
		SubUser:     cl.getenv("MANTA_SUBUSER"),
		Dir:         path,
		NoAuth:      cl.truthy("MANTA_NO_AUTH"),
		InsecureTLS: cl.truthy("MANTA_TLS_INSECURE"),
		Key: manta.KeyOptions{
			ID:          cl.getenv("MANTA_KEY_ID"),
			Dir:         cl.sshDir(),
			AgentSocket: cl.getenv("SSH_AUTH_SOCK"),
			Passphrase:  func(keyFile string) ([]byte, error) { return cl.askPassphrase(ctx, keyFile) },
		},
		Log: log,
	}
}

// sshDir is where ssh keeps keys, "" when there is no home.
func (cl *cli) sshDir() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".ssh")
}

// askPassphrase asks on the terminal for the passphrase of an encrypted key.
func (cl *cli) askPassphrase(ctx context.Context, keyFile string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, errors.New("the key is encrypted and there is no terminal to ask on: add it to ssh-agent")
	}
	defer tty.Close()
	state, err := term.GetState(int(tty.Fd()))
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(tty, "passphrase of %s: ", output.Printable(keyFile))
	defer fmt.Fprintln(tty)
	// A read of a terminal cannot be called off: the end of ctx leaves it behind.
	pass, err := orInterrupted(ctx, func() ([]byte, error) { return term.ReadPassword(int(tty.Fd())) })
	if ctx.Err() != nil {
		term.Restore(int(tty.Fd()), state)
	}
	return pass, err
}
