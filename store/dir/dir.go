// Package dir is a store in a local directory with Thoth's layout: an object is a regular file.
// It is the default store. Other programs may read and change the directory, and several
// processes may write to it at the same time.
//
// An ETag consists of inode, size, mtime and ctime, so a file that was changed in place is a new
// version. Changes in place that are faster than the clock of the file system are not noticed.
//
// An object is written to ROOT/.thothfs/tmp, synced, read back from the disk and compared, and
// moved into place; then its directory is synced. Blocks of zeros become holes. [Open] removes
// files that killed processes left in .thothfs/tmp; .thothfs itself is never visible. New files
// and directories are private to the user (0600, 0700). Conditions are checked under a lock on
// the parent directory, which all writers of this package take (see dirlock.go). Other programs
// do not take it, and can change a file between the check and the move.
//
// Symbolic links are followed within the corpus but never out of it. Broken links, links that
// lead out of the corpus, sockets, pipes and devices are not listed and never opened.
//
// Calls wait only for the disk and the lock. They check ctx between steps, not within a read(2).
// The package starts no goroutines.
package dir

import (
	"context"
	"errors"
	"os"

	"thothfs/store"
)

// private is the directory for internal files at the top of the corpus.
const private = ".thothfs"

// reserved lists the names in the private directory that cannot be objects: the directory of
// unfinished objects and the lock file.
var reserved = []string{"tmp", "lock"}

// Store is a corpus in a local directory.
type Store struct {
	root *os.Root
}

var (
	_ store.Store  = (*Store)(nil)
	_ store.Local  = (*Store)(nil)
	_ store.Prober = (*Store)(nil)
)

// Open opens the corpus in the existing directory path, and removes unfinished objects of killed
// processes. Any error has a kind.
func Open(path string) (*Store, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, failure("open", path, err)
	}
	s := &Store{root: root}
	s.sweep()
	return s, nil
}

// Create is like Open but creates the directory, private to the user, if it does not exist.
func Create(path string) (*Store, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, failure("create", path, err)
	}
	return Open(path)
}

// Close closes the directory. The Store cannot be used afterwards.
func (s *Store) Close() error { return s.root.Close() }

// Stat returns the attributes of the file or directory at key.
func (s *Store) Stat(ctx context.Context, key string) (store.Attr, error) {
	if err := ctx.Err(); err != nil {
		return store.Attr{}, err
	}
	name, err := existing("stat", key)
	if err != nil {
		return store.Attr{}, err
	}
	return s.describe("stat", key, name)
}

// describe is like Stat but takes a validated name. It opens nothing.
func (s *Store) describe(op, key, name string) (store.Attr, error) {
	fi, err := s.root.Stat(name)
	if err != nil {
		return store.Attr{}, failure(op, key, err)
	}
	return describeInfo(op, key, fi)
}

// Remove removes the object version ref, or an empty directory.
func (s *Store) Remove(ctx context.Context, ref store.Ref) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name, err := existing("remove", ref.Key)
	if err != nil {
		return err
	}
	if name == "." {
		return invalid("remove", ref.Key, errors.New("it is the corpus itself"))
	}
	p, err := s.lockParent(ctx, name)
	if err != nil {
		return failure("remove", ref.Key, err)
	}
	defer p.close()
	attr, err := s.describe("remove", ref.Key, name)
	if err != nil {
		return err
	}
	if !attr.Dir && ref.ETag != "" && ref.ETag != attr.ETag {
		return &store.Error{Op: "remove", Key: ref.Key, Kind: store.ErrConflict}
	}
	if err := p.remove(attr.Dir); err != nil {
		return failure("remove", ref.Key, err)
	}
	return failure("remove", ref.Key, p.sync())
}
