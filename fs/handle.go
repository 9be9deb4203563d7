package fs

import (
	"context"
	"io"
	"os"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"thothfs/cache"
	"thothfs/store"
)

// blockHandle is an open file whose bytes come through the block cache.
type blockHandle struct {
	o    *object
	file *cache.File
}

var _ fusefs.FileReader = (*blockHandle)(nil)

// Read never answers with less than was asked for, except at the end of the file:
// the kernel would take what is missing for zeroes.
func (h *blockHandle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	dest = clip(dest, off, h.o.size)
	if len(dest) == 0 {
		return fuse.ReadResultData(nil), 0
	}
	begun := time.Now()
	c := h.o.t.call(ctx)
	defer c.end()
	data, giveBack, err := h.file.Lend(c, dest, off)
	h.o.t.slow.note(begun, h.o.place, off, len(dest), c.trace, err)
	n := len(data)
	if n < len(dest) {
		if err == nil || err == io.EOF {
			err = store.ErrCorrupt
		}
		return nil, h.o.fail(c, "read", err)
	}
	h.o.t.counts.read(n)
	return &loan{data: data, giveBack: giveBack}, 0
}

// loan are bytes that the cache has lent for an answer. It has Slices because go-fuse
// would otherwise try to splice it, through a pipe, and find that it cannot after three
// system calls.
type loan struct {
	data     []byte
	giveBack func()
}

var _ fuse.ReadResult = (*loan)(nil)

func (l *loan) Bytes([]byte) ([]byte, fuse.Status) { return l.data, fuse.OK }
func (l *loan) Slices() ([][]byte, fuse.Status)    { return [][]byte{l.data}, fuse.OK }
func (l *loan) Size() int                          { return len(l.data) }
func (l *loan) Done()                              { l.giveBack() }

var _ fusefs.FileLseeker = (*blockHandle)(nil)

func (h *blockHandle) Lseek(ctx context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	return seekData(h.o.size, off, whence)
}

var _ fusefs.FileReleaser = (*blockHandle)(nil)

func (h *blockHandle) Release(ctx context.Context) syscall.Errno {
	h.file.Close()
	return 0
}

// localHandle is an open file of a local store.
type localHandle struct {
	o      *object
	file   *os.File
	fd     int
	opened unix.Stat_t // at open
}

var _ fusefs.FileReader = (*localHandle)(nil)

// Read hands the local file to the kernel. One that was written to in place since
// it was opened is not the version it was, and is ESTALE.
func (h *localHandle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	var now unix.Stat_t
	if err := unix.Fstat(h.fd, &now); err != nil {
		return nil, h.o.fail(ctx, "read", err)
	}
	if now.Size != h.opened.Size || now.Mtim != h.opened.Mtim {
		return nil, h.o.fail(ctx, "read", store.ErrStale)
	}
	n := len(clip(dest, off, h.o.size))
	h.o.t.counts.read(n)
	return fuse.ReadResultFd(uintptr(h.fd), off, n), 0
}

// again is the file under a second descriptor.
func (h *localHandle) again() backingFile {
	fd, err := unix.FcntlInt(uintptr(h.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	return ownFile{os.NewFile(uintptr(fd), h.file.Name())}
}

// ownFile is a backingFile of a local store: what is written to it in place shows.
type ownFile struct{ file *os.File }

func (f ownFile) File() *os.File               { return f.file }
func (f ownFile) Release()                     { f.file.Close() }
func (f ownFile) Changed() bool                { return false }
func (f ownFile) Verify(context.Context) error { return nil }

var _ fusefs.FileLseeker = (*localHandle)(nil)

// Lseek finds the holes of the local file. The position that it moves is nobody's:
// every read says where.
func (h *localHandle) Lseek(ctx context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	at, err := unix.Seek(h.fd, int64(off), int(whence))
	if err != nil {
		return 0, seekErrno(err)
	}
	return uint64(at), 0
}

var _ fusefs.FileReleaser = (*localHandle)(nil)

func (h *localHandle) Release(ctx context.Context) syscall.Errno {
	h.file.Close()
	return 0
}

// clip cuts a read off at the end of a file of size bytes.
func clip(dest []byte, off, size int64) []byte {
	return dest[:max(0, min(int64(len(dest)), size-off))]
}

func (c *counts) read(n int) {
	c.reads.Add(1)
	c.readBytes.Add(int64(n))
}
