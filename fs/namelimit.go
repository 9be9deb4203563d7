package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// nameLimit answers ENAMETOOLONG for names that no directory can hold: the kernel passes
// on names of more than the 255 bytes which statfs(2) promises. Whatever a call does to a
// name, the kernel looks it up first.
type nameLimit struct{ fuse.RawFileSystem }

func (l nameLimit) Lookup(cancel <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if len(name) > maxName {
		return fuse.Status(syscall.ENAMETOOLONG)
	}
	return l.RawFileSystem.Lookup(cancel, in, name, out)
}
