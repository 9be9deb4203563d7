package main

import (
	"context"
	"errors"
	iofs "io/fs"
	"os"
	"path/filepath"

	"thothfs/scripts/corpusgen/gen"
)

// plainTree creates by-hash and by-cmd of a corpus on a plain file system: directories with
// info.json, and links to them.
func (m *material) plainTree(ctx context.Context, root string) error {
	for d, err := range gen.Samples(m.spec(), 0, m.n) {
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
