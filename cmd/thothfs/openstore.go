package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"golang.org/x/term"

	"thothfs/cmd/thothfs/output"
	"thothfs/store"
	"thothfs/store/registry"
)

// storeSet is the store of the corpus with its wrappers: store.Retry around store.Count around the
// store itself.
type storeSet struct {
	location store.Location
	store    store.Store    // the outermost wrapper
	requests *store.Counter // counts every attempt
	cache    string         // private cache directory
}

// openStores opens the store of the corpus named by flags and environment variables. It creates a
// missing directory if create is set, and says so.
func (cl *cli) openStores(ctx context.Context, create bool, log *slog.Logger) (*storeSet, error) {
	l, err := registry.Locate(cl.store, cl.getenv)
	if err != nil {
		return nil, err
	}
	cachePath, err := cl.cachePath()
	if err != nil {
		return nil, err
	}
	_, absent := os.Stat(l.Dir)
	bare, err := l.Open(ctx, cl.storeOptions(create, log))
	if err == nil && create && l.Dir != "" && errors.Is(absent, os.ErrNotExist) {
		cl.say("new corpus: %s", l)
	}
	if err != nil {
		return nil, fmt.Errorf("the corpus %s: %w", l, err)
	}
	cl.atExit(func() { bare.Close() })
	counted := store.Count(bare)
	return &storeSet{location: l.Location, store: store.Retry(counted, store.RetryOptions{}), requests: counted, cache: cachePath}, nil
}

func (cl *cli) storeOptions(create bool, log *slog.Logger) store.OpenOptions {
	return store.OpenOptions{Create: create, Getenv: cl.getenv, Passphrase: askPassphrase, Log: log}
}

// askPassphrase prompts on the terminal for the passphrase of an encrypted key.
func askPassphrase(ctx context.Context, keyFile string) ([]byte, error) {
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
	// Reading from a terminal cannot be cancelled; the read is left running when ctx ends.
	pass, err := orInterrupted(ctx, func() ([]byte, error) { return term.ReadPassword(int(tty.Fd())) })
	if ctx.Err() != nil {
		term.Restore(int(tty.Fd()), state)
	}
	return pass, err
}
