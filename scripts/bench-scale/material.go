package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"

	"thothfs/internal/filelock"
	"thothfs/scripts/corpusgen/gen"
)

// account owns the corpora.
const account = "thoth"

const (
	seed       = 1
	maxChanges = 1000 // new dumps, and the same number of edits
)

// material is a generated corpus on disk whose properties are known.
type material struct {
	root string // root directory of the Manta
	n    int    // number of dumps

	cmds   map[string]int // number of dumps of each program
	fresh  []gen.Dump     // uploaded later
	edited []gen.Dump     // edited by others
}

// corpus returns the directory of the dumps.
func (m *material) corpus() string { return filepath.Join(m.root, account, "stor", "thoth") }

func (m *material) spec() gen.Options { return gen.Options{Dir: m.corpus(), Count: m.n, Seed: seed} }

// changes returns the number of dumps that are added, which is also the number edited.
func (m *material) changes() int { return min(maxChanges, m.n/10) }

// lock locks the corpus against other measurements until unlock is called.
func (m *material) lock() (func(), error) {
	if err := os.MkdirAll(filepath.Dir(m.root), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(m.root+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := filelock.TryLock(f, filelock.Exclusive); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s is being measured: %w", m.root, err)
	}
	return func() { f.Close() }, nil
}

// prepare creates or completes the corpus, and removes leftovers of an earlier run.
func (m *material) prepare(ctx context.Context) error {
	if err := m.sample(); err != nil {
		return err
	}
	if _, err := gen.Generate(ctx, m.spec()); err != nil {
		return err
	}
	if err := m.restore(); err != nil {
		return err
	}
	have, err := countEntries(m.corpus())
	if err == nil && have != m.n {
		err = fmt.Errorf("%s has %d entries instead of %d: something is in it that is not of the bench; remove it to have it made again", m.corpus(), have, m.n)
	}
	return err
}

// sample determines what the corpus contains.
func (m *material) sample() error {
	m.cmds = map[string]int{}
	every, i := m.n/m.changes(), 0
	for d, err := range gen.Samples(m.spec(), 0, m.n) {
		if err != nil {
			return err
		}
		if d.Fields.Cmd != "" {
			m.cmds[d.Fields.Cmd]++
		}
		if i%every == 0 && len(m.edited) < m.changes() {
			m.edited = append(m.edited, d)
		}
		i++
	}
	for d, err := range gen.Samples(m.spec(), m.n, m.changes()) {
		if err != nil {
			return err
		}
		m.fresh = append(m.fresh, d)
	}
	return nil
}

// restore restores the state that the corpus had before the measurement. No server may be running
// on it.
func (m *material) restore() error {
	err := errors.Join(os.RemoveAll(filepath.Join(m.root, ".manta")), os.RemoveAll(filepath.Join(m.corpus(), ".thothfs")))
	for _, d := range m.fresh {
		err = errors.Join(err, os.RemoveAll(filepath.Join(m.corpus(), d.ID.String())))
	}
	for _, d := range m.edited {
		err = errors.Join(err, m.restoreDocument(d))
	}
	return err
}

func (m *material) restoreDocument(d gen.Dump) error {
	name, want := filepath.Join(m.corpus(), d.ID.String(), "info.json"), d.Info()
	have, err := os.ReadFile(name)
	if err == nil && bytes.Equal(have, want) {
		return nil
	}
	if err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(name+".new", want, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// near returns the program whose number of dumps is nearest to ofMillion per million.
func (m *material) near(ofMillion int) string {
	want, best := ofMillion*m.n/1_000_000, ""
	for cmd, n := range m.cmds {
		if d, e := abs(n-want), abs(m.cmds[best]-want); best == "" || d < e || d == e && cmd < best {
			best = cmd
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }

// countEntries counts the entries of a directory of any size.
func countEntries(dir string) (n int, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for {
		names, err := f.Readdirnames(4096)
		n += len(names)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
