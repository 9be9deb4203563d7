package fusefs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"thothfs/fs"
	"thothfs/fs/treetest"
)

// mountView calls the kernel through a mount.
type mountView struct{ mnt string }

func newMountView(t *testing.T, o fs.Options) treetest.View {
	t.Helper()
	needFUSE(t)
	mnt := t.TempDir()
	server, err := Mount(mnt, Options{Tree: o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Unmount(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return mountView{mnt}
}

func (v mountView) at(name string) string { return filepath.Join(v.mnt, name) }

// Is reports whether err is the errno for the given kind.
func (v mountView) Is(err, kind error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && errno == errnoOf(kind)
}

func (v mountView) Stat(name string) (treetest.Info, error) {
	fi, err := os.Lstat(v.at(name))
	if err != nil {
		return treetest.Info{}, err
	}
	return treetest.Info{Mode: fi.Mode(), Size: fi.Size(), Ino: fi.Sys().(*syscall.Stat_t).Ino}, nil
}

// ReadDir returns the inode numbers from getdents64(2), not those from stat(2).
func (v mountView) ReadDir(name string) ([]fs.DirEntry, error) {
	d, err := os.Open(v.at(name))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var all []fs.DirEntry
	for b := make([]byte, 64<<10); ; {
		n, err := unix.Getdents(int(d.Fd()), b)
		if n <= 0 || err != nil {
			return all, err
		}
		for e := range dirents(b[:n]) {
			if e.name == "." || e.name == ".." {
				continue
			}
			fi, err := os.Lstat(filepath.Join(d.Name(), e.name))
			if err != nil {
				return nil, err
			}
			all = append(all, fs.DirEntry{Name: e.name, Mode: fi.Mode().Type(), Ino: e.number})
		}
	}
}

func (v mountView) ReadFile(name string) ([]byte, error) { return os.ReadFile(v.at(name)) }

func (v mountView) ReadAt(name string, p []byte, off int64) (int, error) {
	f, err := os.Open(v.at(name))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return unix.Pread(int(f.Fd()), p, off)
}

func (v mountView) Readlink(name string) (string, error) { return os.Readlink(v.at(name)) }

func (v mountView) WriteFile(name string, data []byte) error {
	return os.WriteFile(v.at(name), data, 0o644)
}

func (v mountView) Mkdir(name string) error           { return os.Mkdir(v.at(name), 0o755) }
func (v mountView) Symlink(target, name string) error { return os.Symlink(target, v.at(name)) }
func (v mountView) Remove(name string) error          { return unix.Unlink(v.at(name)) }
func (v mountView) RemoveDir(name string) error       { return unix.Rmdir(v.at(name)) }
func (v mountView) Rename(from, to string) error      { return unix.Rename(v.at(from), v.at(to)) }

func (v mountView) Getxattr(name, attr string) (string, error) {
	b := make([]byte, 1<<10)
	n, err := unix.Getxattr(v.at(name), attr, b)
	return string(b[:max(0, n)]), err
}

func (v mountView) Setxattr(name, attr, value string) error {
	return unix.Setxattr(v.at(name), attr, []byte(value), 0)
}

// The tree passes the conformance tests through the kernel.
func TestConformance(t *testing.T) { treetest.Run(t, newMountView) }
