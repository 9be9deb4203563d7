package debugger

import (
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"thothfs/dump"
)

// maxLibraries is the maximum number of a dump's libraries to compare with the local files.
const maxLibraries = 1024

// makeSysroot creates a directory for gdb's "set sysroot" that links to the libraries of a dump but
// leaves out files from another build: gdb only warns about those, and then prints wrong names. If
// there are no such files, gdb needs no sysroot and root is "". The caller must always remove root.
func makeSysroot(info *dump.Info) (root string, err error) {
	if info.OS != runtime.GOOS {
		return "", nil
	}
	var same []string
	other := false
	for _, m := range info.Modules[:min(len(info.Modules), maxLibraries)] {
		if !filepath.IsAbs(m.Path) || filepath.Clean(m.Path) != m.Path {
			continue
		}
		switch CompareBuild(m.Path, m.BuildID, info) {
		case Same, Unknown:
			same = append(same, m.Path)
		case Other:
			other = true
		}
	}
	if !other {
		return "", nil
	}
	if root, err = os.MkdirTemp("", "thothfs-libraries-"); err != nil {
		return root, err
	}
	// Programs load libc from /lib, which is a link to usr/lib on most systems.
	for _, dir := range []string{"lib", "lib32", "lib64", "libx32"} {
		to, notLink := os.Readlink("/" + dir)
		if notLink != nil || !filepath.IsLocal(to) {
			continue
		}
		if err := errors.Join(os.MkdirAll(filepath.Join(root, to), 0o700), os.Symlink(to, filepath.Join(root, dir))); err != nil {
			return root, err
		}
	}
	for _, path := range same {
		if err := linkLibrary(root, path); err != nil {
			return root, err
		}
	}
	return root, nil
}

// linkLibrary links to a library under the names by which a program may have loaded it: the file
// name and the soname.
func linkLibrary(root, path string) error {
	dir := filepath.Join(root, filepath.Dir(path))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, name := range append(sonames(path), filepath.Base(path)) {
		err := os.Symlink(path, filepath.Join(dir, name))
		if err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}

// sonames returns the DT_SONAME entries of a library that are plain file names.
func sonames(path string) []string {
	f, err := elf.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.DynString(elf.DT_SONAME)
	return slices.DeleteFunc(names, func(s string) bool {
		return s != filepath.Base(s) || s == "." || s == ".." || s == string(filepath.Separator)
	})
}
