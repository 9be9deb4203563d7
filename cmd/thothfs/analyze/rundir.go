package analyze

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"thothfs/fs/fusefs"
	"thothfs/internal/tempdir"
)

// runDir is the private directory of one run of the program:
//
//	mnt/                      the corpus, if it is mounted for the run
//	N/, N.out, N.err, N.failed  the N-th analyzer: working directory, output, a refused edit
type runDir struct{ *tempdir.Dir }

// newRunDir creates the directory. It also removes the directories that killed runs of this user
// have left, with their dead mounts.
func newRunDir() (*runDir, error) {
	const prefix = "thothfs-run-"
	tempdir.Sweep(os.TempDir(), prefix, func(path string) error {
		mnt := filepath.Join(path, "mnt")
		if err := fusefs.Mend(mnt); err != nil {
			return err
		}
		return removeMountpoint(mnt)
	})
	dir, err := tempdir.Make(os.TempDir(), prefix)
	if err != nil {
		return nil, err
	}
	d := &runDir{dir}
	if err := os.Mkdir(d.mnt(), 0o700); err != nil {
		return nil, errors.Join(err, d.Remove())
	}
	return d, nil
}

func (d *runDir) mnt() string { return d.join("mnt") }

func (d *runDir) join(name string) string { return filepath.Join(d.Path, name) }

// write creates a private file and returns its path.
func (d *runDir) write(name string, data []byte) (string, error) {
	path := d.join(name)
	return path, os.WriteFile(path, data, 0o600)
}

// remove removes the directory unless the corpus is still mounted in it, because removing files in
// the mount would edit the corpus.
func (d *runDir) remove() error {
	if err := removeMountpoint(d.mnt()); err != nil {
		return fmt.Errorf("%s stays: %w", d.Path, err)
	}
	return d.Remove()
}

func removeMountpoint(mnt string) error {
	if err := os.Remove(mnt); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
