package dump

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// tracer is a mounted file that records which of its pages are read. The kernel does not read
// ahead and keeps pages, so each page is recorded once, when it is first used.
type tracer struct {
	fusefs.Inode
	path string // path of the file in the mount

	backing *os.File
	size    int64

	mu    sync.Mutex // guards pages, order
	pages map[int64]bool
	order []int64
}

// trace mounts a file for a debugger.
func trace(t *testing.T, path string) *tracer {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	tr := &tracer{path: filepath.Join(dir, "core"), backing: f, size: st.Size(), pages: map[int64]bool{}}
	root := &fusefs.Inode{}
	server, err := fusefs.Mount(dir, root, &fusefs.Options{
		MountOptions: fuse.MountOptions{MaxReadAhead: 1, FsName: "trace", DirectMount: true},
		OnAdd: func(ctx context.Context) {
			root.AddChild("core", root.NewPersistentInode(ctx, tr, fusefs.StableAttr{Mode: syscall.S_IFREG}), false)
		},
	})
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("no FUSE here, by which the reads of debuggers are noted: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Error(err)
		}
	})
	return tr
}

var _ fusefs.NodeGetattrer = (*tracer)(nil)

func (tr *tracer) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Size, out.Mode, out.Blksize = uint64(tr.size), syscall.S_IFREG|0o444, 4096
	return 0
}

var _ fusefs.NodeOpener = (*tracer)(nil)

func (tr *tracer) Open(context.Context, uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

var _ fusefs.NodeReader = (*tracer)(nil)

func (tr *tracer) Read(_ context.Context, _ fusefs.FileHandle, p []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n, _ := tr.backing.ReadAt(p, off)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for at := off &^ (predictPage - 1); at < off+int64(n); at += predictPage {
		if !tr.pages[at] {
			tr.pages[at] = true
			tr.order = append(tr.order, at)
		}
	}
	return fuse.ReadResultData(p[:n]), 0
}

// touched returns the pages in the order in which they were first read.
func (tr *tracer) touched() []int64 {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return append([]int64(nil), tr.order...)
}
