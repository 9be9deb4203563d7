package main

import (
	"context"
	"errors"
	iofs "io/fs"
	"os"
	"path/filepath"

	"thothfs/scripts/corpusgen/gen"
)

// sample is what the steps ask for.
type sample struct {
	cmds map[string]int // how many dumps a program has
}

// near is the program whose number of dumps is nearest to want.
func (s sample) near(want int) string {
	best := ""
	for cmd, n := range s.cmds {
		if d, e := abs(n-want), abs(s.cmds[best]-want); best == "" || d < e || d == e && cmd < best {
			best = cmd
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }

func takeSample(o gen.Options) (sample, error) {
	s := sample{cmds: map[string]int{}}
	for d, err := range gen.Samples(o, 0, o.Count) {
		if err != nil {
			return s, err
		}
		if d.Fields.Cmd != "" {
			s.cmds[d.Fields.Cmd]++
		}
	}
	return s, nil
}

// plainTree makes by-hash and by-cmd of a corpus with nothing but the plain file
// system: directories of info.json, and links to them.
func plainTree(ctx context.Context, o gen.Options, root string) error {
	for d, err := range gen.Samples(o, 0, o.Count) {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		dir := filepath.Join(root, "by-hash", d.ID.String())
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "info.json"), d.Info(), 0o600); err != nil {
			return err
		}
		if d.Fields.Cmd == "" {
			continue
		}
		by := filepath.Join(root, "by-cmd", d.Fields.Cmd)
		if err := os.Mkdir(by, 0o700); errors.Is(err, iofs.ErrNotExist) {
			err = os.MkdirAll(by, 0o700)
			if err != nil {
				return err
			}
		} else if err != nil && !errors.Is(err, iofs.ErrExist) {
			return err
		}
		if err := os.Symlink("../../by-hash/"+d.ID.String(), filepath.Join(by, d.ID.String())); err != nil {
			return err
		}
	}
	return nil
}
