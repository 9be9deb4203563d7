package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/term"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/store"
	"thothfs/store/dir"
	"thothfs/store/manta"
)

// stack is the one stack of stores that everything works on, outermost last:
// the store itself, Count around it, Retry around that.
type stack struct {
	target   target
	store    store.Store
	requests *store.Counter // every try counts
	root     string         // the path that "name" in info.json begins with
	cache    string         // the private directory
	gone     error          // why there is no store; nil: there is one
}

// errNoDirectory is a directory corpus that is not there.
var errNoDirectory = errors.New("there is no such directory (thothfs upload makes it)")

// openStack builds the stack of the corpus that flags and environment name. With
// create, or when no corpus is named, a directory that is absent is made.
func (cl *cli) openStack(ctx context.Context, create bool, log *slog.Logger) (*stack, error) {
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
	s := &stack{target: t, store: store.Retry(counted, store.RetryOptions{}), requests: counted, root: t.manta, cache: cachePath}
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

// orInterrupted returns what f does, or ctx's error if ctx ends before f does. f is
// then left to itself, for a process that is about to end.
func orInterrupted[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// openCorpus opens the catalogue of a stack.
func (cl *cli) openCorpus(ctx context.Context, s *stack, log *slog.Logger) (*corpus.Corpus, error) {
	if err := private(filepath.Join(s.cache, "catalogue")); err != nil {
		return nil, err
	}
	c, err := corpus.Open(ctx, cl.corpusOptions(s, log))
	if err != nil {
		return nil, err
	}
	cl.atExit(func() { c.Close() })
	return c, nil
}

func (cl *cli) corpusOptions(s *stack, log *slog.Logger) corpus.Options {
	return corpus.Options{
		Store:       s.store,
		Name:        s.target.String() + cl.getenv("MANTA_URL"),
		Root:        s.root,
		Dir:         filepath.Join(s.cache, "catalogue"),
		Poll:        cl.poll,
		AttrTimeout: cl.attrTimeout,
		Changes:     true,
		By:          thisUser(),
		With:        "thothfs " + versionText(),
		How:         cl.how,
		Log:         log,
	}
}

// corpusNow is the corpus of the flags, reconciled with its store: what the
// verbs that answer questions work on.
func (cl *cli) corpusNow(ctx context.Context) (*corpus.Corpus, error) {
	c, err := cl.corpusAsKnown(ctx)
	if err != nil {
		return nil, err
	}
	return c, cl.syncNow(ctx, c)
}

// syncNow reconciles the catalogue with the store, and says what it did not get
// round to.
func (cl *cli) syncNow(ctx context.Context, c *corpus.Corpus) error {
	began := time.Now().Add(-cl.attrTimeout)
	if err := cl.takeSnapshot(ctx, c); err != nil {
		return fmt.Errorf("the corpus: %w", err)
	}
	bar := output.NewProgress(cl.stderr, "reading the corpus", false)
	err := c.Sync(ctx, bar.Set)
	if err == nil && !c.Synced() { // others have found more to read
		err = c.Whole(ctx)
	}
	bar.Done()
	if err != nil {
		return fmt.Errorf("the corpus: %w", err)
	}
	if n := c.Missing(); n > 0 {
		fmt.Fprintf(cl.stderr, "thothfs: %d dumps are left out: their documents could not be read (-v says why)\n", n)
	}
	if n, err := c.Unasked(ctx, began); err == nil && n > 0 {
		fmt.Fprintf(cl.stderr, "thothfs: %d documents were not asked for again: edits that others made in them may not show yet\n", n)
	}
	return nil
}

// takeSnapshot begins a catalogue that knows nothing with what was published of the
// corpus.
func (cl *cli) takeSnapshot(ctx context.Context, c *corpus.Corpus) error {
	bar := output.NewProgress(cl.stderr, "the catalogue, as published", true)
	defer bar.Done()
	_, err := c.TakeSnapshot(ctx, bar.SetBytes)
	return err
}

// corpusAsKnown is the corpus of the flags as the catalogue has it.
func (cl *cli) corpusAsKnown(ctx context.Context) (*corpus.Corpus, error) {
	_, c, _, err := cl.openAll(ctx)
	return c, err
}

// openAll opens the stack and the catalogue of the flags for a verb, and its log.
func (cl *cli) openAll(ctx context.Context) (*stack, *corpus.Corpus, *slog.Logger, error) {
	log, err := cl.verbLogger()
	if err != nil {
		return nil, nil, nil, err
	}
	s, err := cl.openStack(ctx, false, log)
	if err != nil {
		return nil, nil, nil, err
	}
	c, err := cl.openCorpus(ctx, s, log)
	return s, c, log, err
}
