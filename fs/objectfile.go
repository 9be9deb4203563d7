package fs

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/cache"
	"thothfs/dump"
	"thothfs/store"
)

// objectFile is one version of one object in the store. It is immutable, so clients may cache its
// pages without limit; another version is another node with the same inode number.
type objectFile struct {
	dumpNode
	ref   store.Ref
	size  int64
	mtime time.Time
	mode  os.FileMode
	md5   []byte // nil if unknown
}

// objectFile returns the node of an object in a dump's directory, or of an analyzer if id is zero.
func (t *Tree) objectFile(id dump.ID, e store.Entry, mode os.FileMode) *objectFile {
	key := FileID{kind: kindObject, dump: id, name: e.Name}.key()
	return &objectFile{
		dumpNode: dumpNode{t, id},
		ref:      store.Ref{Key: key, ETag: e.ETag},
		size:     e.Size, mtime: e.ModTime, mode: mode, md5: e.MD5,
	}
}

func (o *objectFile) ID() FileID {
	return FileID{kind: kindObject, dump: o.id, name: path.Base(o.ref.Key), version: o.ref.ETag}
}

func (o *objectFile) Path() string { return o.ID().path() }

func (o *objectFile) Attr(ctx context.Context) (Attr, error) {
	a := attrOf(o.mode, o.size, o.mtime)
	a.Allocated = o.allocated(ctx)
	return a, nil
}

// allocated returns the space that the file uses on this machine in bytes, so that du shows the
// cache. It is at least one block: tar -S treats a file without any blocks as a single hole and
// never reads it.
func (o *objectFile) allocated(ctx context.Context) int64 {
	const block = 512
	if o.size == 0 {
		return 0
	}
	if o.t.local == nil {
		return max(block, o.t.o.Cache.Held(o.ref))
	}
	f, err := o.t.local.OpenLocal(ctx, o.ref)
	if err != nil {
		return o.size
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return o.size
	}
	return max(block, st.Blocks*block)
}

// Open implements File and returns an ObjectHandle. If the version was replaced in the meantime, it
// returns ErrGone, and the kernel looks the name up again.
func (o *objectFile) Open(ctx context.Context, flags OpenFlags) (Handle, error) {
	if !flags.readOnly() {
		return nil, ErrReadOnly
	}
	h, err := o.open(ctx)
	if err != nil {
		return nil, o.fail(err)
	}
	if o.replaced(ctx) {
		h.Close(ctx)
		return nil, ErrGone
	}
	o.t.counts.opens.Add(1)
	o.t.counts.handles.Add(1)
	return &countedHandle{h, o}, nil
}

// countedHandle is an ObjectHandle that is counted in the gauge of open objects.
type countedHandle struct {
	openObject
	o *objectFile
}

func (h *countedHandle) Size() int64     { return h.o.size }
func (h *countedHandle) CountRead(n int) { h.o.t.counts.read(n) }

func (h *countedHandle) Close(ctx context.Context) error {
	h.o.t.counts.handles.Add(-1)
	return h.openObject.Close(ctx)
}

// replaced reports whether the store is known to have another version under the name. While it
// runs, the open handle is already fetching what the first reader needs.
func (o *objectFile) replaced(ctx context.Context) bool {
	if o.t.local != nil {
		return false // otherwise opening it would have failed
	}
	files, err := o.t.o.Corpus.FilesNow(ctx, o.id)
	if err != nil {
		return errors.Is(err, ErrNotExist)
	}
	i := slices.IndexFunc(files, func(e store.Entry) bool { return e.Name == path.Base(o.ref.Key) })
	return i < 0 || files[i].ETag != o.ref.ETag
}

func (o *objectFile) open(ctx context.Context) (openObject, error) {
	if o.t.local == nil {
		file := o.t.o.Cache.Open(o.ref, o.size)
		file.Expect(o.md5)
		return &blockHandle{o: o, file: file}, nil
	}
	f, err := o.t.local.OpenLocal(ctx, o.ref)
	if err != nil {
		return nil, err
	}
	opened, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &localHandle{o: o, file: f, opened: opened}, nil
}

// fail returns err. If the object was replaced, it makes the next lookup query the store.
func (o *objectFile) fail(err error) error {
	if errors.Is(err, store.ErrStale) {
		o.t.o.Corpus.Stale(o.id)
	}
	return err
}

type openObject interface {
	Handle
	// Local returns a file on this machine that contains all bytes of the object, or nil. The
	// caller must release it.
	Local() LocalFile
}

// ObjectHandle is an open object.
type ObjectHandle interface {
	openObject
	Size() int64
	// CountRead counts a read from the Local file; Read counts its own.
	CountRead(n int)
}

// LocalFile is a file on this machine that contains an object's bytes.
type LocalFile interface {
	File() *os.File
	Release()
	// Changed reports whether the file may have been modified; if so, Verify repairs it or fails.
	Changed() bool
	Verify(ctx context.Context) error
}

// blockHandle is an open object read through the block cache.
type blockHandle struct {
	o    *objectFile
	file *cache.File
}

// Read returns fewer bytes than requested only at the end of the file, since the kernel would fill
// the gap with zeros.
func (h *blockHandle) Read(ctx context.Context, p []byte, off int64) ([]byte, func(), error) {
	p = clip(p, off, h.o.size)
	if len(p) == 0 {
		return nil, nil, nil
	}
	started := time.Now()
	data, release, err := h.file.Lend(ctx, p, off)
	h.o.t.slow.record(ctx, started, h.o.Path, off, len(p), err)
	if len(data) < len(p) {
		if err == nil || err == io.EOF {
			err = store.ErrCorrupt
		}
		return nil, nil, h.o.fail(err)
	}
	h.o.t.counts.read(len(data))
	return data, release, nil
}

func (h *blockHandle) Seek(off int64, whence int) (int64, error) {
	return seekWhole(h.o.size, off, whence)
}

func (h *blockHandle) Close(context.Context) error {
	h.file.Close()
	return nil
}

func (h *blockHandle) Local() LocalFile {
	if l, ok := h.file.LocalFile(); ok {
		return l
	}
	return nil
}

// localHandle is an open object of a local store.
type localHandle struct {
	o      *objectFile
	file   *os.File
	opened os.FileInfo // at open
}

// Read fails with store.ErrStale if the file was modified in place since it was opened, since it is
// then another version.
func (h *localHandle) Read(ctx context.Context, p []byte, off int64) ([]byte, func(), error) {
	if isChanged(h.file, h.opened) {
		return nil, nil, h.o.fail(store.ErrStale)
	}
	p = clip(p, off, h.o.size)
	n, err := h.file.ReadAt(p, off)
	if n < len(p) {
		if err == nil || err == io.EOF {
			err = store.ErrStale
		}
		return nil, nil, h.o.fail(err)
	}
	h.o.t.counts.read(n)
	return p, nil, nil
}

// isChanged reports whether a file has changed since was was read.
func isChanged(f *os.File, was os.FileInfo) bool {
	now, err := f.Stat()
	return err != nil || now.Size() != was.Size() || !now.ModTime().Equal(was.ModTime())
}

// Seek moves the position of the file, which is unused: all reads specify an offset.
func (h *localHandle) Seek(off int64, whence int) (int64, error) {
	at, err := h.file.Seek(off, whence)
	if errors.Is(err, unix.ENXIO) {
		return 0, ErrNoData
	}
	return at, err
}

func (h *localHandle) Close(context.Context) error { return h.file.Close() }

// Local returns a duplicate of the file.
func (h *localHandle) Local() LocalFile {
	fd, err := unix.FcntlInt(h.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	return storeFile{os.NewFile(uintptr(fd), h.file.Name()), h.opened}
}

// storeFile is the LocalFile of a local store.
type storeFile struct {
	file   *os.File
	opened os.FileInfo
}

func (f storeFile) File() *os.File               { return f.file }
func (f storeFile) Release()                     { f.file.Close() }
func (f storeFile) Changed() bool                { return isChanged(f.file, f.opened) }
func (f storeFile) Verify(context.Context) error { return nil }

// clip shortens p to the part of a read at off that is within a file of size bytes.
func clip(p []byte, off, size int64) []byte {
	return p[:max(0, min(int64(len(p)), size-off))]
}

func (c *counts) read(n int) {
	c.reads.Add(1)
	c.readBytes.Add(int64(n))
}
