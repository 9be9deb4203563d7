// Package atomicfile writes files that appear under their final names only when they are
// complete.
//
// The data goes to a private file (mode 0600) beside the final name, which is then renamed or
// linked to that name. Readers see either the old file or the new one, never a part. Nothing is
// synced unless the caller does so: after a crash of the machine the file may be incomplete.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
)

// File is a file that is being written. Its owner calls Replace or Link, and in any case
// Discard, which does not affect the final name.
type File struct {
	*os.File
	path string
	done bool
}

// Create creates an empty file that will become path.
func Create(path string) (*File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, about(err, path)
	}
	return &File{File: f, path: path}, nil
}

// about returns an error with the final name in place of the temporary one, which says nothing to a user.
func about(err error, path string) error {
	var cause error
	if e := (*os.LinkError)(nil); errors.As(err, &e) {
		cause = e.Err
	} else if e := (*os.PathError)(nil); errors.As(err, &e) {
		cause = e.Err
	}
	if cause == nil {
		return err
	}
	return &os.PathError{Op: "create", Path: path, Err: cause}
}

// Replace closes the file and renames it to its final name, replacing any existing file.
func (f *File) Replace() error {
	err := f.Close()
	if err == nil {
		err = about(os.Rename(f.Name(), f.path), f.path)
	}
	f.done = err == nil
	return err
}

// Link closes the file and links it to its final name. If a file of that name exists, Link
// leaves it alone and returns an error that matches fs.ErrExist.
func (f *File) Link() error {
	err := f.Close()
	if err == nil {
		err = about(os.Link(f.Name(), f.path), f.path)
	}
	return err // Discard removes the temporary name
}

// Discard closes the file and removes its temporary name.
func (f *File) Discard() {
	if !f.done {
		f.Close()
		os.Remove(f.Name())
	}
}

// WriteFile writes data to the file at path, replacing any existing file.
func WriteFile(path string, data []byte) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Replace()
}
