package fs

import (
	"context"
	"errors"
	"path"
	"slices"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"thothfs/dump"
	"thothfs/store"
)

// object is a file: one version of one object of the store. Everything about it
// is immutable, so the kernel may keep its pages for as long as it likes; another
// version is another node under the same number.
type object struct {
	dumpNode
	ref   store.Ref
	size  int64
	mtime time.Time
	mode  uint32
	md5   []byte // nil: not known

	passage passage
}

func (t *tree) object(id dump.ID, key string, e store.Entry, mode uint32) object {
	return object{
		dumpNode: t.dumpNode(id),
		ref:      store.Ref{Key: key, ETag: e.ETag},
		size:     e.Size, mtime: e.ModTime, mode: mode, md5: e.MD5,
	}
}

func (o *object) identity() fusefs.StableAttr {
	return identity(syscall.S_IFREG, number(kindObject, o.ref.Key), o.ref.Key, o.ref.ETag)
}

var _ fusefs.NodeGetattrer = (*object)(nil)

func (o *object) Getattr(ctx context.Context, h fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	c := o.t.call(ctx)
	defer c.end()
	o.attr(c, &out.Attr)
	return 0
}

func (o *object) attr(ctx context.Context, out *fuse.Attr) {
	o.t.attr(out, o.mode, o.size, o.mtime)
	out.Blocks = o.blocks(ctx)
}

// blocks is what the file takes on this machine, in units of 512 bytes, so that
// du shows the cache. It is at least one: tar -S takes a file without any block
// for one hole, and never reads it.
func (o *object) blocks(ctx context.Context) uint64 {
	if o.size == 0 {
		return 0
	}
	if o.t.local == nil {
		return max(1, uint64(o.t.o.Cache.Held(o.ref)+511)/512)
	}
	f, err := o.t.local.OpenLocal(ctx, o.ref)
	if err != nil {
		return uint64(o.size+511) / 512
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return uint64(o.size+511) / 512
	}
	return max(1, uint64(st.Blocks))
}

var _ fusefs.NodeOpener = (*object)(nil)

// Open pins the version. One that was replaced meanwhile is ESTALE, upon which the
// kernel looks the name up once more.
func (o *object) Open(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	if isWriting(flags) {
		return nil, 0, syscall.EROFS
	}
	c := o.t.call(ctx)
	defer c.end()
	h, local, err := o.open(c)
	if err != nil {
		return nil, 0, o.fail(c, "open", err)
	}
	if o.replaced(c) {
		h.Release(c)
		return nil, 0, syscall.ESTALE
	}
	o.t.counts.opens.Add(1)
	entered, err := o.enter(c, h, local)
	if err != nil {
		return nil, 0, o.fail(c, "open", err)
	}
	return entered, fuse.FOPEN_KEEP_CACHE, 0
}

// replaced reports whether the store is known to have another version under the name
// by now. What the first reader needs is being fetched meanwhile.
func (o *object) replaced(ctx context.Context) bool {
	if o.t.local != nil {
		return false // opening it has told
	}
	files, err := o.t.o.Corpus.FilesNow(ctx, o.id)
	if err != nil {
		return errors.Is(err, store.ErrNotExist)
	}
	i := slices.IndexFunc(files, func(e store.Entry) bool { return e.Name == path.Base(o.ref.Key) })
	return i < 0 || files[i].ETag != o.ref.ETag
}

// open returns a handle on the version, and what gives the local file that the kernel
// could read in its stead.
func (o *object) open(ctx context.Context) (served, localFile, error) {
	if o.t.local == nil {
		file := o.t.o.Cache.Open(o.ref, o.size)
		file.Expect(o.md5)
		local := func() backingFile {
			if l, ok := file.LocalFile(); ok {
				return l
			}
			return nil
		}
		return &blockHandle{o: o, file: file}, local, nil
	}
	f, err := o.t.local.OpenLocal(ctx, o.ref)
	if err != nil {
		return nil, nil, err
	}
	h := &localHandle{o: o, file: f, fd: int(f.Fd())}
	if err := unix.Fstat(h.fd, &h.opened); err != nil {
		f.Close()
		return nil, nil, err
	}
	return h, h.again, nil
}

// fail is tree.fail; of an object that was replaced the listing is forgotten, so
// that the next lookup finds the new version.
func (o *object) fail(ctx context.Context, op string, err error) syscall.Errno {
	if c, ok := o.t.o.Corpus.(staler); ok && errors.Is(err, store.ErrStale) {
		c.Stale(o.id)
	}
	return o.t.fail(ctx, op, o.place(), err)
}
