// Package dir is the store over a local directory in Thoth's layout: an object is a regular
// file, a directory a directory. It is the default store. Other programs may read and change
// the directory; several processes may write to it at once.
//
// Versions: an ETag is made of inode, size, mtime and ctime, so a file that was changed in
// place is another version. Changes in place that are too fast for the clock of the file
// system go unnoticed.
//
// Writing: an object is written to ROOT/.thothfs/tmp, synced, read back from the disk and
// compared, and moved into place with its directory synced. Blocks of zeros become holes.
// [Open] removes what killed processes left in .thothfs/tmp; .thothfs itself is never shown.
// New files and directories are private to the user (0600, 0700). Conditions are checked under
// a lock of the parent directory, which all writers of this package take (see dirlock.go);
// other programs do not, and may still change a file between the check and the move.
//
// Symbolic links are followed inside the corpus and never out of it. Links that lead nowhere
// or out, sockets, pipes and devices are not listed, and never opened.
//
// Calls wait only for the disk and that lock: they check ctx between steps, not within a
// read(2). No goroutines.
package dir

import (
	"context"
	"errors"
	"os"

	"thothfs/store"
)

// private is our own directory at the top of the corpus.
const private = ".thothfs"

// reserved are the names in it that cannot be objects: the directory of unfinished objects,
// and the lock file.
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

// Open opens the corpus in the existing directory path, and removes unfinished objects of
// killed processes. Its error has a kind.
func Open(path string) (*Store, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, failure("open", path, err)
	}
	s := &Store{root: root}
	s.sweep()
	return s, nil
}

// Create is Open that makes the directory, private, if it is absent.
func Create(path string) (*Store, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, failure("create", path, err)
	}
	return Open(path)
}

// Close closes the directory. No call may follow.
func (s *Store) Close() error { return s.root.Close() }

// Stat describes the file or directory at key.
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

// describe is Stat for a checked name. It opens nothing.
func (s *Store) describe(op, key, name string) (store.Attr, error) {
	fi, err := s.root.Stat(name)
	if err != nil {
		return store.Attr{}, failure(op, key, err)
	}
	return describeInfo(op, key, fi)
}

// Remove removes the version ref, or an empty directory.
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
