// Package atomicfile writes files that appear under their names only when they are whole.
//
// The bytes go to a private file (mode 0600) beside the final name, which then takes that
// name. Readers see the old file or the new one, never a part. Nothing is synced unless
// the caller does it: after a crash of the machine the file may be incomplete.
package atomicfile

import (
	"os"
	"path/filepath"
)

// File is a file that is being written. Its owner calls Replace or Link, and Discard in
// any case; Discard does nothing after the others have succeeded.
type File struct {
	*os.File
	path string
	done bool
}

// Create makes an empty file that is to become path.
func Create(path string) (*File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	return &File{File: f, path: path}, nil
}

// Replace closes the file and renames it to its final name, over what is there.
func (f *File) Replace() error {
	err := f.Close()
	if err == nil {
		err = os.Rename(f.Name(), f.path)
	}
	f.done = err == nil
	return err
}

// Link closes the file and gives it its final name. A file of that name stays, and is
// an error that matches fs.ErrExist.
func (f *File) Link() error {
	err := f.Close()
	if err == nil {
		err = os.Link(f.Name(), f.path)
	}
	return err // Discard removes the other name
}

// Discard closes the file and removes its temporary name.
func (f *File) Discard() {
	if !f.done {
		f.Close()
		os.Remove(f.Name())
	}
}

// WriteFile replaces the file at path, or makes it, with data.
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
