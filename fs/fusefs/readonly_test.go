package fusefs

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadOnly(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	dump := m.path("by-hash", hashA)
	link := m.path("by-cmd/node", hashA)
	tests := []struct {
		name string
		do   func() error
	}{
		{"create", func() error { return second(os.Create(filepath.Join(dump, "new"))) }},
		{"create at the root", func() error { return second(os.Create(m.path("new"))) }},
		{"open for writing", func() error { return second(os.OpenFile(filepath.Join(dump, "core"), os.O_WRONLY, 0)) }},
		{"open for both", func() error { return second(os.OpenFile(filepath.Join(dump, "info.json"), os.O_RDWR, 0)) }},
		{"open to append", func() error {
			return second(os.OpenFile(filepath.Join(dump, "stack"), os.O_APPEND|os.O_WRONLY, 0))
		}},
		{"open stats for writing", func() error { return second(os.OpenFile(m.path(".thothfs/stats"), os.O_WRONLY, 0)) }},
		{"temporary file", func() error { return second(os.OpenFile(dump, unix.O_TMPFILE|os.O_RDWR, 0)) }},
		{"rmdir", func() error { return syscall.Rmdir(dump) }},
		{"mkdir", func() error { return os.Mkdir(m.path("by-cmd/new"), 0o777) }},
		{"mkdir beside a dump", func() error { return os.Mkdir(filepath.Join(dump, "new"), 0o777) }},
		{"symlink into a view", func() error { return os.Symlink("../../by-hash/"+hashB, m.path("by-cmd/node", hashB)) }},
		{"symlink into a narrowed view", func() error {
			return os.Symlink("../../by-hash/"+hashB, m.path("by-ticket/OS-1/type=core", hashB))
		}},
		{"unlink from a narrowed view", func() error { return syscall.Unlink(m.path("by-ticket/OS-1/type=core", hashA)) }},
		{"rename a dump", func() error { return os.Rename(dump, m.path("by-hash", hashOf("77"))) }},
		{"rename the dump's file into properties", func() error {
			return os.Rename(filepath.Join(dump, "core.node.1"), filepath.Join(dump, "properties/core"))
		}},
		{"rename a property to a file of the dump", func() error {
			return os.Rename(filepath.Join(dump, "properties/triage"), filepath.Join(dump, "triage"))
		}},
		{"unlink a file", func() error { return syscall.Unlink(filepath.Join(dump, "info.json")) }},
		{"unlink a link", func() error { return syscall.Unlink(link) }},
		{"rename", func() error { return os.Rename(link, m.path("by-node/n2", hashA)) }},
		{"link", func() error { return os.Link(filepath.Join(dump, "info.json"), filepath.Join(dump, "new")) }},
		{"mknod", func() error { return unix.Mknod(filepath.Join(dump, "fifo"), unix.S_IFIFO|0o666, 0) }},
		{"chmod", func() error { return os.Chmod(filepath.Join(dump, "core"), 0o600) }},
		{"chown", func() error { return os.Chown(dump, 1, 1) }},
		{"lchown", func() error { return os.Lchown(link, 1, 1) }},
		{"utimes", func() error { return unix.Utimes(dump, make([]unix.Timeval, 2)) }},
		{"truncate", func() error { return os.Truncate(filepath.Join(dump, "core"), 0) }},
		{"access for writing", func() error { return unix.Access(dump, unix.W_OK) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.do(); !errors.Is(err, syscall.EROFS) {
				t.Errorf("got %v, want EROFS", err)
			}
		})
	}
	if got := read(t, filepath.Join(dump, "core")); got != "the dump of A" {
		t.Errorf("afterwards the dump is %q", got)
	}
}

func TestAccess(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	for name, mode := range map[string]uint32{
		"by-hash/" + hashA:                  unix.R_OK | unix.X_OK,
		"by-hash/" + hashA + "/core":        unix.R_OK,
		"by-cmd/node/" + hashA:              unix.R_OK | unix.X_OK,
		"analyzers/fmri":                    unix.R_OK | unix.X_OK,
		"by-hash/" + hashA + "/../../query": unix.R_OK | unix.X_OK,
	} {
		if err := unix.Access(m.path()+"/"+name, mode); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := unix.Access(m.path("by-hash", hashA, "core"), unix.X_OK); !errors.Is(err, syscall.EACCES) {
		t.Errorf("a dump as a program: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }
